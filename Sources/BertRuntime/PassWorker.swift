import BertKernels
import BertModel

/// What one worker of a forward pass does, on the thread that calls it.
struct PassWorker {
  private let pass: ForwardPass
  private let worker: Int
  private let scratch: WorkerScratch
  private let clock: WorkerClock

  init(_ pass: ForwardPass, _ worker: Int) {
    self.pass = pass
    self.worker = worker
    scratch = pass.space.scratches[worker]
    clock = WorkerClock(pass.clock, worker: pass.workers.first + worker)
  }

  /// Rows that are normalised and quantised one after the other.
  private static let rowsAtOnce = 8

  private var configuration: BertConfiguration { pass.weights.configuration }
  private var calls: bk_kernels { pass.calls }
  private var stride: Int { pass.space.stride }

  func work() {
    eachBlock(stage: 0) { rows in
      if pass.input.embeds {
        embed(rows)
        finish(-1, pass.weights.embeddingNorm, rows)
      } else {
        prepare(0, .queryKeyValue, rows, of: rows)
      }
    }
    wait()
    for layer in 0..<configuration.layerCount {
      eachHeads(stage: 2 * layer + 1) { group, run in
        project(layer, group, run)
        attend(layer, group, run)
      }
      wait()
      eachBlock(stage: 2 * layer + 2) { rows in
        finishAttention(layer, rows)
        feedForward(layer, rows)
        finish(layer, pass.weights.layers[layer].feedForwardNorm, rows)
      }
      wait()
    }
  }

  // MARK: Tasks

  private func wait() {
    guard let team = pass.workers.team else { return }
    clock.timed(.wait) { team.barrier() }
  }

  private func eachBlock(stage: Int, _ body: (Range<Int>) -> Void) {
    let (rows, blocks) = (pass.positions.count, pass.blocks)
    pass.shares.each(stage, of: blocks, worker: worker, of: pass.workers.count) { block in
      body((rows * block / blocks)..<(rows * (block + 1) / blocks))
    }
  }

  /// A group of heads over a run of texts is a task.
  private func eachHeads(stage: Int, _ body: (Int, Range<Int>) -> Void) {
    let runs = pass.runs
    let tasks = pass.weights.heads.groups.count * runs.count
    pass.shares.each(stage, of: tasks, worker: worker, of: pass.workers.count) { task in
      body(task / runs.count, runs[task % runs.count])
    }
  }

  // MARK: Rows

  private func embed(_ rows: Range<Int>) {
    let weights = pass.weights
    var embedding = bk_embedding(
      width: configuration.hiddenSize, word: weights.word.floats, position: weights.position,
      type: weights.type)
    let first = pass.input.tokens.lowerBound + rows.lowerBound
    clock.timed(.embed) {
      pass.input.batch.withTokens { ids, types in
        pass.positions.withUnsafeBufferPointer {
          calls.embed_rows(
            &embedding, ids + first, $0.baseAddress.map { $0 + rows.lowerBound }, types + first,
            rows.count, pass.hidden(rows.lowerBound), stride)
        }
      }
    }
  }

  /// Normalises rows a few at a time, which the first-level cache holds for what follows.
  private func norm(_ norm: NormWeights, _ rows: Range<Int>, then next: (Range<Int>) -> Void) {
    for first in Swift.stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rowsAtOnce) {
      let some = first..<min(first + Self.rowsAtOnce, rows.upperBound)
      let x = pass.hidden(first)
      clock.timed(.norm) {
        calls.norm_rows(
          x, stride, some.count, configuration.hiddenSize, norm.gain, norm.bias,
          configuration.layerNormEpsilon, x, stride)
      }
      next(some)
    }
  }

  /// A layer's last norm (-1: the embeddings'), and what the next layer wants of its rows.
  private func finish(_ layer: Int, _ weights: NormWeights, _ rows: Range<Int>) {
    norm(weights, rows) { some in
      guard layer + 1 < configuration.layerCount else { return }
      prepare(layer + 1, .queryKeyValue, some, of: rows)
    }
    pass.observer?.hidden(
      layer: layer, rows: rows, values: pass.hidden(rows.lowerBound), stride: stride)
  }

  /// The attention's output projection, residual and norm.
  private func finishAttention(_ layer: Int, _ rows: Range<Int>) {
    prepare(layer, .attentionOutput, rows, of: rows)
    multiply(
      layer, .attentionOutput, rows,
      bk_output(addingTo: pass.hidden(rows.lowerBound), stride: stride))
    norm(pass.weights.layers[layer].attentionNorm, rows) { some in
      prepare(layer, .feedForwardUp, some, of: rows)
    }
  }

  /// Both linears of the feed-forward block, and the residual.
  private func feedForward(_ layer: Int, _ rows: Range<Int>) {
    multiply(
      layer, .feedForwardUp, rows,
      bk_output(
        scratch.wide.floats, stride: scratch.wideStride,
        activation: bk_activation(configuration.activation)))
    prepare(layer, .feedForwardDown, rows, of: rows)
    multiply(
      layer, .feedForwardDown, rows,
      bk_output(addingTo: pass.hidden(rows.lowerBound), stride: stride))
  }

  // MARK: Linears

  /// What goes into a linear for some rows of a block: queries, keys and values are quantised for all
  /// workers of the pass, the rest for this one alone.
  private func input(
    _ layer: Int, _ site: LinearSite, _ rows: Range<Int>, of block: Range<Int>
  ) -> (rows: LinearRows, bytes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<Float>)
  {
    let inBlock = rows.lowerBound - block.lowerBound
    let floats: UnsafeMutablePointer<Float>
    switch site {
    case .queryKeyValue, .feedForwardUp: floats = pass.hidden(rows.lowerBound)
    case .attentionOutput: floats = pass.context(rows.lowerBound)
    case .feedForwardDown: floats = scratch.wide.floats + inBlock * scratch.wideStride
    }
    let isShared = site == .queryKeyValue
    let row = isShared ? rows.lowerBound : inBlock
    let bytes =
      (isShared ? pass.space.rows : scratch.bytes).bytes
      + row * pass.weights.layers[layer][site].rowBytes
    let scales = (isShared ? pass.space.rowScales : scratch.scales).floats + row
    return (
      LinearRows(
        count: rows.count, floats: floats,
        stride: site == .feedForwardDown ? scratch.wideStride : stride, bytes: bytes,
        scales: scales), bytes, scales
    )
  }

  /// Quantises rows of a block for a linear, when it is an int8 one.
  private func prepare(
    _ layer: Int, _ site: LinearSite, _ rows: Range<Int>, of block: Range<Int>
  ) {
    let (x, bytes, scales) = input(layer, site, rows, of: block)
    pass.observer?.input(
      layer: layer, site: site, rows: rows, values: x.floats, stride: x.stride)
    let step = pass.weights.layers[layer][site]
    guard var quantizing = step.quantizing else { return }
    clock.timed(.quantize) {
      calls.quantize_rows(
        &quantizing, x.floats, x.stride, x.count, bytes, step.rowBytes, scales,
        scratch.mixed.floats)
    }
  }

  /// One linear over a block of rows, which `prepare` has seen.
  private func multiply(
    _ layer: Int, _ site: LinearSite, _ block: Range<Int>, _ output: bk_output
  ) {
    let linears = pass.weights.layers[layer]
    let step = linears[site]
    let x = input(layer, site, block, of: block).rows
    clock.timed(site.stage) {
      step.run(
        calls, x, output, next: linears[site.following].weights(),
        scratch: scratch.kernel.base)
    }
  }

  // MARK: Heads

  /// Queries, keys and values of a group of heads, for a run of texts.
  private func project(_ layer: Int, _ group: Int, _ run: Range<Int>) {
    let linears = pass.weights.layers[layer]
    let step = linears[.queryKeyValue]
    let groups = pass.weights.heads.groups
    let rows = pass.starts[run.lowerBound]..<pass.starts[run.upperBound]
    let x = input(layer, .queryKeyValue, rows, of: rows).rows
    let next =
      group + 1 < groups.count
      ? step.weights(from: groups[group + 1].panels[0].first)
      : linears[.attentionOutput].weights()
    clock.timed(.queryKeyValue) {
      step.run(
        calls, x, panels: groups[group].panels,
        bk_output(scratch.heads.floats, stride: scratch.headStride), next: next,
        scratch: scratch.kernel.base)
    }
  }

  private func attend(_ layer: Int, _ group: Int, _ run: Range<Int>) {
    clock.timed(.attention) {
      let call = pass.weights.layers[layer].hasInt8Attention ? calls.attend_s8 : calls.attend_f32
      for place in pass.weights.heads.groups[group].places {
        for text in run {
          var head = self.head(place, text, of: run)
          call?(&head, scratch.kernel.base)
        }
      }
    }
  }

  /// A head of a text, of a run whose queries, keys and values were computed.
  private func head(_ place: HeadGroup.Place, _ text: Int, of run: Range<Int>) -> bk_head {
    let (starts, size) = (pass.starts, configuration.headSize)
    let row =
      scratch.heads.floats + (starts[text] - starts[run.lowerBound]) * scratch.headStride
    return bk_head(
      length: starts[text + 1] - starts[text], head_size: size, query: row + place.query,
      key: row + place.key, value: row + place.value, stride: scratch.headStride,
      score_scale: 1 / Float(size).squareRoot(),
      out: pass.context(starts[text]) + place.head * size, out_stride: stride)
  }
}

extension LinearSite {
  /// The part of a profile that its time counts to.
  fileprivate var stage: Stage {
    switch self {
    case .queryKeyValue: .queryKeyValue
    case .attentionOutput: .attentionOutput
    case .feedForwardUp: .feedForwardUp
    case .feedForwardDown: .feedForwardDown
    }
  }

  /// The linear that a worker computes after this one, for the same rows or for its next block.
  fileprivate var following: LinearSite {
    switch self {
    case .queryKeyValue, .feedForwardDown: .attentionOutput
    case .attentionOutput: .feedForwardUp
    case .feedForwardUp: .feedForwardDown
    }
  }
}
