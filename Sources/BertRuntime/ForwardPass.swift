import BertKernels
import BertModel

/// Watches a forward pass; called by workers on disjoint rows of the pass, so it must be safe to
/// call from several threads at once.
public protocol EncoderObserver: AnyObject {
  /// The hidden states after `layer`; -1 stands for the embeddings.
  func hidden(layer: Int, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int)
  /// The float rows that go into a linear.
  func input(
    layer: Int, site: LinearSite, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int)
}

/// Who computes a pass: all workers of a team, or one of them alone.
struct Crew {
  /// Nil for a crew of one, which waits for nobody.
  let team: ThreadTeam?
  /// The team's index of the crew's first worker, for the clock.
  let first: Int

  var count: Int { team?.count ?? 1 }
}

/// One run of the encoder over tokens that fit the workspace.
///
/// Every worker runs `work`. A layer has two stages with a barrier after each: groups of heads over
/// all tokens (queries, keys, values, attention), then blocks of rows (everything else). Within a
/// stage each row, and each head of each sequence, belongs to one worker, and what is computed for
/// it reads nothing of any other text: so results do not depend on the number of workers or on the
/// batch.
struct ForwardPass {
  let weights: EncoderWeights
  let calls: bk_kernels
  let crew: Crew
  let space: Workspace
  /// The hidden states, `[tokens][space.stride]`: embeddings are put there, or are there already.
  let states: UnsafeMutablePointer<Float>
  let embeds: Bool
  let ids: UnsafePointer<Int32>
  let types: UnsafePointer<UInt8>
  /// Starts of the sequences within the pass, and behind the last its end.
  let starts: [Int]
  let groups: HeadGroups
  let shares: WorkShares
  let observer: (any EncoderObserver)?
  let clock: StageClock?

  private let positions: [Int32]
  private let blocks: Int

  init(
    weights: EncoderWeights, calls: bk_kernels, crew: Crew, space: Workspace,
    states: UnsafeMutablePointer<Float>, embeds: Bool, batch: TokenBatch, texts: Range<Int>,
    ids: UnsafePointer<Int32>, types: UnsafePointer<UInt8>, shares: WorkShares,
    observer: (any EncoderObserver)?, clock: StageClock?
  ) {
    self.weights = weights
    self.calls = calls
    self.crew = crew
    self.space = space
    self.states = states
    self.embeds = embeds
    let first = batch.starts[texts.lowerBound]
    self.ids = ids + first
    self.types = types + first
    starts = (texts.lowerBound...texts.upperBound).map { batch.starts[$0] - first }
    self.shares = shares
    self.observer = observer
    self.clock = clock
    groups = HeadGroups(weights.configuration)
    positions = texts.flatMap { 0..<Int32(batch.range($0).count) }
    // Blocks of rows, all about equally high, as many for each worker.
    let tokens = batch.starts[texts.upperBound] - first
    let fewest = (tokens + WorkerScratch.blockRows - 1) / WorkerScratch.blockRows
    blocks = min(tokens, roundUp(fewest, to: crew.count))
    shares.reset()
  }

  private var tokens: Int { positions.count }
  private var configuration: BertConfiguration { weights.configuration }

  /// Worker `worker` of the crew's part.
  func work(_ worker: Int) {
    let scratch = space.scratches[worker]
    let clock = WorkerClock(clock, worker: crew.first + worker)
    eachBlock(0, worker) { rows in
      if embeds { clock.timed(.embed) { embed(rows) } }
      observer?.hidden(
        layer: -1, rows: rows, values: hidden(rows.lowerBound), stride: space.stride)
      prepareHeads(0, rows, scratch, clock)
    }
    wait(clock)
    for layer in 0..<configuration.layerCount {
      shares.each(2 * layer + 1, of: groups.count, worker: worker, of: crew.count) { group in
        project(layer, group, scratch, clock)
        clock.timed(.attention) { attend(layer, group, scratch) }
      }
      wait(clock)
      eachBlock(2 * layer + 2, worker) { rows in
        finishAttention(layer, rows, scratch, clock)
        feedForward(layer, rows, scratch, clock)
        observer?.hidden(
          layer: layer, rows: rows, values: hidden(rows.lowerBound), stride: space.stride)
        if layer + 1 < configuration.layerCount { prepareHeads(layer + 1, rows, scratch, clock) }
      }
      wait(clock)
    }
  }

  private func wait(_ clock: WorkerClock) {
    guard let team = crew.team else { return }
    clock.timed(.wait) { team.barrier() }
  }

  private func eachBlock(_ stage: Int, _ worker: Int, _ body: (Range<Int>) -> Void) {
    shares.each(stage, of: blocks, worker: worker, of: crew.count) { block in
      body((tokens * block / blocks)..<(tokens * (block + 1) / blocks))
    }
  }

  private func hidden(_ row: Int) -> UnsafeMutablePointer<Float> { states + row * space.stride }

  private func context(_ row: Int) -> UnsafeMutablePointer<Float> {
    space.context.floats + row * space.stride
  }

  // MARK: Rows

  private func embed(_ rows: Range<Int>) {
    let width = configuration.hiddenSize
    for row in rows {
      calls.embed_row(
        weights.word.floats + Int(ids[row]) * width, weights.position + Int(positions[row]) * width,
        weights.type + Int(types[row]) * width, width, hidden(row))
    }
    norm(weights.embeddingNorm, hidden(rows.lowerBound), rows.count)
  }

  private func norm(_ norm: NormWeights, _ x: UnsafeMutablePointer<Float>, _ rows: Int) {
    calls.norm_rows(
      x, space.stride, rows, configuration.hiddenSize, norm.gain, norm.bias,
      configuration.layerNormEpsilon, x, space.stride)
  }

  /// Hidden states as the layer's query, key and value linear wants them.
  private func prepareHeads(
    _ layer: Int, _ rows: Range<Int>, _ scratch: WorkerScratch, _ clock: WorkerClock
  ) {
    let x = hidden(rows.lowerBound)
    observer?.input(
      layer: layer, site: .queryKeyValue, rows: rows, values: x, stride: space.stride)
    guard case .int8(_, var input) = weights.layers[layer][.queryKeyValue] else { return }
    clock.timed(.quantize) {
      calls.quantize_rows(
        &input, x, space.stride, rows.count, space.rows.bytes + rows.lowerBound * space.rowBytes,
        space.rowBytes, space.rowScales.rowScales + rows.lowerBound, scratch.row.floats)
    }
  }

  /// The attention's output projection, residual and norm.
  private func finishAttention(
    _ layer: Int, _ rows: Range<Int>, _ scratch: WorkerScratch, _ clock: WorkerClock
  ) {
    let x = hidden(rows.lowerBound)
    run(
      layer, .attentionOutput, context(rows.lowerBound), space.stride, rows, scratch,
      destination(x, space.stride, residual: x), clock)
    clock.timed(.norm) { norm(weights.layers[layer].attentionNorm, x, rows.count) }
  }

  /// Both linears of the feed-forward block, residual and norm.
  private func feedForward(
    _ layer: Int, _ rows: Range<Int>, _ scratch: WorkerScratch, _ clock: WorkerClock
  ) {
    let x = hidden(rows.lowerBound)
    let activation = bk_activation(configuration.activation)
    run(
      layer, .feedForwardUp, x, space.stride, rows, scratch,
      destination(scratch.wide.floats, scratch.wideStride, activation: activation), clock)
    run(
      layer, .feedForwardDown, scratch.wide.floats, scratch.wideStride, rows, scratch,
      destination(x, space.stride, residual: x), clock)
    clock.timed(.norm) { norm(weights.layers[layer].feedForwardNorm, x, rows.count) }
  }

  private func destination(
    _ out: UnsafeMutablePointer<Float>, _ stride: Int,
    residual: UnsafeMutablePointer<Float>? = nil, activation: bk_activation = BK_ACT_NONE
  ) -> bk_output {
    bk_output(
      out: out, stride: stride, residual: residual, residual_stride: stride,
      activation: activation)
  }

  /// One linear over a block of rows, quantising them first when it is an int8 one.
  private func run(
    _ layer: Int, _ site: LinearSite, _ x: UnsafePointer<Float>, _ stride: Int, _ rows: Range<Int>,
    _ scratch: WorkerScratch, _ output: bk_output, _ clock: WorkerClock
  ) {
    observer?.input(layer: layer, site: site, rows: rows, values: x, stride: stride)
    let step = weights.layers[layer][site]
    let next = weights.layers[layer][site.following].weights()
    guard case .int8(_, var input) = step else {
      return clock.timed(site.stage) {
        step.run(
          calls, floats: x, stride: stride, bytes: nil, scales: nil, rows: rows.count,
          panels: step.panels, output, next: next, scratch)
      }
    }
    clock.timed(.quantize) {
      calls.quantize_rows(
        &input, x, stride, rows.count, scratch.bytes.bytes, step.rowBytes,
        scratch.scales.rowScales, scratch.row.floats)
    }
    clock.timed(site.stage) {
      step.run(
        calls, floats: x, stride: stride, bytes: scratch.bytes.bytes,
        scales: scratch.scales.rowScales, rows: rows.count, panels: step.panels, output, next: next, scratch)
    }
  }

  // MARK: Heads

  /// Queries, keys and values of a group of heads, for all tokens.
  private func project(
    _ layer: Int, _ group: Int, _ scratch: WorkerScratch, _ clock: WorkerClock
  ) {
    let step = weights.layers[layer][.queryKeyValue]
    clock.timed(.queryKeyValue) {
      for part in 0..<3 {
        let (nextPart, nextGroup) = part < 2 ? (part + 1, group) : (0, group + 1)
        let next =
          nextGroup < groups.count
          ? step.weights(from: groups.panels(nextPart, nextGroup).lowerBound)
          : weights.layers[layer][.attentionOutput].weights()
        step.run(
          calls, floats: hidden(0), stride: space.stride, bytes: space.rows.bytes,
          scales: space.rowScales.rowScales, rows: tokens, panels: groups.panels(part, group),
          destination(scratch.heads.floats + part * groups.width, scratch.headStride), next: next,
          scratch)
      }
    }
  }

  private func attend(_ layer: Int, _ group: Int, _ scratch: WorkerScratch) {
    let c = configuration
    let call = weights.layers[layer].hasInt8Attention ? calls.attend_s8 : calls.attend_f32
    for head in groups.heads(group) {
      let offsets = (0..<3).map { groups.offset($0, head, group) }
      for sequence in 0..<(starts.count - 1) {
        let start = starts[sequence]
        let row = scratch.heads.floats + start * scratch.headStride
        var arguments = bk_head(
          length: starts[sequence + 1] - start, head_size: c.headSize, query: row + offsets[0],
          key: row + offsets[1], value: row + offsets[2], stride: scratch.headStride,
          score_scale: 1 / Float(c.headSize).squareRoot(),
          out: context(start) + head * c.headSize, out_stride: space.stride)
        call?(&arguments, scratch.kernel.base)
      }
    }
  }
}

extension AlignedBuffer {
  /// The memory as scales of quantised rows.
  var rowScales: UnsafeMutablePointer<bk_row_scale> {
    base.assumingMemoryBound(to: bk_row_scale.self)
  }
}

extension LinearSite {
  var stage: Stage {
    switch self {
    case .queryKeyValue: .queryKeyValue
    case .attentionOutput: .attentionOutput
    case .feedForwardUp: .feedForwardUp
    case .feedForwardDown: .feedForwardDown
    }
  }

  /// The linear that a worker computes after this one, for the same rows or for its next block.
  var following: LinearSite {
    switch self {
    case .queryKeyValue, .feedForwardDown: .attentionOutput
    case .attentionOutput: .feedForwardUp
    case .feedForwardUp: .feedForwardDown
    }
  }
}
