import BertKernels
import BertModel

/// Watches a forward pass; called by workers on disjoint rows of the pass, so it must be safe to
/// call from several threads at once.
package protocol EncoderObserver: AnyObject {
  /// The hidden states after `layer`; -1 stands for the embeddings.
  func hidden(layer: Int, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int)
  /// The float rows that go into a linear.
  func input(
    layer: Int, site: LinearSite, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int)
}

/// Who computes a pass: all workers of a team, or one of them alone.
struct PassWorkers {
  /// Nil for a single worker, which waits for nobody.
  let team: ThreadTeam?
  /// The team's index of the pass's first worker, for the clock.
  let first: Int

  var count: Int { team?.count ?? 1 }
}

/// One run of the encoder over tokens that fit the workspace.
///
/// Every worker runs `work`. A layer has two stages with a barrier after each: groups of heads over
/// runs of texts (queries, keys, values, attention), then blocks of rows (everything else). Within a
/// stage each row, and each head of each sequence, belongs to one worker, and what is computed for
/// it reads nothing of any other text: so results do not depend on the number of workers or on the
/// batch.
struct ForwardPass {
  let weights: EncoderWeights
  let calls: bk_kernels
  let workers: PassWorkers
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
  /// Texts whose heads are computed together: as many as fit a worker's scratch.
  private let runs: [Range<Int>]

  init(
    weights: EncoderWeights, calls: bk_kernels, workers: PassWorkers, space: Workspace,
    states: UnsafeMutablePointer<Float>, embeds: Bool, batch: TokenBatch, texts: Range<Int>,
    ids: UnsafePointer<Int32>, types: UnsafePointer<UInt8>, shares: WorkShares,
    observer: (any EncoderObserver)?, clock: StageClock?
  ) {
    self.weights = weights
    self.calls = calls
    self.workers = workers
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
    runs = batch.runs(of: texts, tokens: space.headTokens).map {
      ($0.lowerBound - texts.lowerBound)..<($0.upperBound - texts.lowerBound)
    }
    positions = texts.flatMap { 0..<Int32(batch.range($0).count) }
    // Blocks of rows, all about equally high, as many for each worker.
    let tokens = batch.starts[texts.upperBound] - first
    let fewest = (tokens + WorkerScratch.blockRows - 1) / WorkerScratch.blockRows
    blocks = min(tokens, roundUp(fewest, to: workers.count))
    shares.reset()
  }

  /// Rows that are normalised and quantised one after the other.
  private static let rowsAtOnce = 8

  private var tokens: Int { positions.count }
  private var configuration: BertConfiguration { weights.configuration }

  /// Worker `worker` of the pass's part.
  func work(_ worker: Int) {
    let scratch = space.scratches[worker]
    let clock = WorkerClock(clock, worker: workers.first + worker)
    eachBlock(0, worker) { rows in
      if embeds {
        clock.timed(.embed) { embed(rows) }
        finish(layer: -1, weights.embeddingNorm, rows, scratch, clock)
      } else {
        prepare(0, .queryKeyValue, rows, of: rows, scratch, clock)
      }
    }
    wait(clock)
    for layer in 0..<configuration.layerCount {
      let tasks = groups.count * runs.count
      shares.each(2 * layer + 1, of: tasks, worker: worker, of: workers.count) { task in
        let (group, run) = (task / runs.count, runs[task % runs.count])
        project(layer, group, run, scratch, clock)
        clock.timed(.attention) { attend(layer, group, run, scratch) }
      }
      wait(clock)
      eachBlock(2 * layer + 2, worker) { rows in
        finishAttention(layer, rows, scratch, clock)
        feedForward(layer, rows, scratch, clock)
        finish(layer: layer, weights.layers[layer].feedForwardNorm, rows, scratch, clock)
      }
      wait(clock)
    }
  }

  private func wait(_ clock: WorkerClock) {
    guard let team = workers.team else { return }
    clock.timed(.wait) { team.barrier() }
  }

  private func eachBlock(_ stage: Int, _ worker: Int, _ body: (Range<Int>) -> Void) {
    shares.each(stage, of: blocks, worker: worker, of: workers.count) { block in
      body((tokens * block / blocks)..<(tokens * (block + 1) / blocks))
    }
  }

  private func hidden(_ row: Int) -> UnsafeMutablePointer<Float> { states + row * space.stride }

  private func context(_ row: Int) -> UnsafeMutablePointer<Float> {
    space.context.floats + row * space.stride
  }

  // MARK: Rows

  private func embed(_ rows: Range<Int>) {
    var embedding = bk_embedding(
      width: configuration.hiddenSize, word: weights.word.floats, position: weights.position,
      type: weights.type)
    positions.withUnsafeBufferPointer {
      calls.embed_rows(
        &embedding, ids + rows.lowerBound, $0.baseAddress.map { $0 + rows.lowerBound },
        types + rows.lowerBound, rows.count, hidden(rows.lowerBound), space.stride)
    }
  }

  /// Normalises rows a few at a time, which the first-level cache holds for what follows.
  private func norm(
    _ norm: NormWeights, _ rows: Range<Int>, _ clock: WorkerClock, then next: (Range<Int>) -> Void
  ) {
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rowsAtOnce) {
      let some = first..<min(first + Self.rowsAtOnce, rows.upperBound)
      let x = hidden(first)
      clock.timed(.norm) {
        calls.norm_rows(
          x, space.stride, some.count, configuration.hiddenSize, norm.gain, norm.bias,
          configuration.layerNormEpsilon, x, space.stride)
      }
      next(some)
    }
  }

  /// A layer's last norm (-1: the embeddings'), and what the next layer wants of its rows.
  private func finish(
    layer: Int, _ weights: NormWeights, _ rows: Range<Int>, _ scratch: WorkerScratch,
    _ clock: WorkerClock
  ) {
    norm(weights, rows, clock) { some in
      guard layer + 1 < configuration.layerCount else { return }
      prepare(layer + 1, .queryKeyValue, some, of: rows, scratch, clock)
    }
    observer?.hidden(
      layer: layer, rows: rows, values: hidden(rows.lowerBound), stride: space.stride)
  }

  /// The attention's output projection, residual and norm.
  private func finishAttention(
    _ layer: Int, _ rows: Range<Int>, _ scratch: WorkerScratch, _ clock: WorkerClock
  ) {
    let x = hidden(rows.lowerBound)
    prepare(layer, .attentionOutput, rows, of: rows, scratch, clock)
    multiply(
      layer, .attentionOutput, rows, scratch, clock, destination(x, space.stride, residual: x))
    norm(weights.layers[layer].attentionNorm, rows, clock) { some in
      prepare(layer, .feedForwardUp, some, of: rows, scratch, clock)
    }
  }

  /// Both linears of the feed-forward block, and the residual.
  private func feedForward(
    _ layer: Int, _ rows: Range<Int>, _ scratch: WorkerScratch, _ clock: WorkerClock
  ) {
    let x = hidden(rows.lowerBound)
    let activation = bk_activation(configuration.activation)
    multiply(
      layer, .feedForwardUp, rows, scratch, clock,
      destination(scratch.wide.floats, scratch.wideStride, activation: activation))
    prepare(layer, .feedForwardDown, rows, of: rows, scratch, clock)
    multiply(
      layer, .feedForwardDown, rows, scratch, clock, destination(x, space.stride, residual: x))
  }

  private func destination(
    _ out: UnsafeMutablePointer<Float>, _ stride: Int,
    residual: UnsafeMutablePointer<Float>? = nil, activation: bk_activation = BK_ACT_NONE
  ) -> bk_output {
    bk_output(
      out: out, stride: stride, residual: residual, residual_stride: stride,
      activation: activation)
  }

  // MARK: Linears

  /// The float rows that go into a linear, of a block that begins at `start`.
  private func input(
    _ site: LinearSite, _ row: Int, blockStart start: Int, _ scratch: WorkerScratch
  ) -> (values: UnsafePointer<Float>, stride: Int) {
    switch site {
    case .queryKeyValue, .feedForwardUp: (UnsafePointer(hidden(row)), space.stride)
    case .attentionOutput: (UnsafePointer(context(row)), space.stride)
    case .feedForwardDown:
      (
        UnsafePointer(scratch.wide.floats + (row - start) * scratch.wideStride),
        scratch.wideStride
      )
    }
  }

  /// Quantises rows of a block for a linear, when it is an int8 one: those of queries, keys and
  /// values for all workers of the pass.
  private func prepare(
    _ layer: Int, _ site: LinearSite, _ rows: Range<Int>, of block: Range<Int>,
    _ scratch: WorkerScratch, _ clock: WorkerClock
  ) {
    let (x, stride) = input(site, rows.lowerBound, blockStart: block.lowerBound, scratch)
    observer?.input(layer: layer, site: site, rows: rows, values: x, stride: stride)
    guard case .int8(_, var input) = weights.layers[layer][site] else { return }
    let isShared = site == .queryKeyValue
    let row = rows.lowerBound - (isShared ? 0 : block.lowerBound)
    let bytes = isShared ? space.rows.bytes : scratch.bytes.bytes
    let scales = isShared ? space.rowScales.floats : scratch.scales.floats
    let rowBytes = weights.layers[layer][site].rowBytes
    clock.timed(.quantize) {
      calls.quantize_rows(
        &input, x, stride, rows.count, bytes + row * rowBytes, rowBytes, scales + row,
        scratch.mixed.floats)
    }
  }

  /// One linear over a block of rows, which `prepare` has seen.
  private func multiply(
    _ layer: Int, _ site: LinearSite, _ rows: Range<Int>, _ scratch: WorkerScratch,
    _ clock: WorkerClock, _ output: bk_output
  ) {
    let (x, stride) = input(site, rows.lowerBound, blockStart: rows.lowerBound, scratch)
    let step = weights.layers[layer][site]
    clock.timed(site.stage) {
      step.run(
        calls, floats: x, stride: stride, bytes: scratch.bytes.bytes,
        scales: scratch.scales.floats, rows: rows.count, panels: [step.panels], output,
        next: weights.layers[layer][site.following].weights(), scratch)
    }
  }

  // MARK: Heads

  /// Queries, keys and values of a group of heads, for a run of texts.
  private func project(
    _ layer: Int, _ group: Int, _ run: Range<Int>, _ scratch: WorkerScratch, _ clock: WorkerClock
  ) {
    let step = weights.layers[layer][.queryKeyValue]
    let first = starts[run.lowerBound]
    let next =
      group + 1 < groups.count
      ? step.weights(from: groups.panels(group + 1)[0].first)
      : weights.layers[layer][.attentionOutput].weights()
    clock.timed(.queryKeyValue) {
      step.run(
        calls, floats: hidden(first), stride: space.stride,
        bytes: space.rows.bytes + first * step.rowBytes,
        scales: space.rowScales.floats + first, rows: starts[run.upperBound] - first,
        panels: groups.panels(group),
        destination(scratch.heads.floats, scratch.headStride), next: next, scratch)
    }
  }

  private func attend(
    _ layer: Int, _ group: Int, _ run: Range<Int>, _ scratch: WorkerScratch
  ) {
    let c = configuration
    let call = weights.layers[layer].hasInt8Attention ? calls.attend_s8 : calls.attend_f32
    for head in groups.heads(group) {
      let offsets = groups.offsets(head, group)
      for sequence in run {
        let start = starts[sequence]
        let row =
          scratch.heads.floats + (start - starts[run.lowerBound]) * scratch.headStride
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
