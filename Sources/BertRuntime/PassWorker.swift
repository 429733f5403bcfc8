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
    eachBlock(stage: 0) { block in
      if pass.input.embeds {
        embed(block)
      } else {
        norm(nil, block, before: (0, .queryKeyValue))
      }
    }
    wait()
    for layer in 0..<configuration.layerCount {
      let isLast = layer + 1 == configuration.layerCount
      let selection = isLast ? pass.input.selection : nil
      eachHeads(stage: 2 * layer + 1) { group, run in
        project(layer, group, run, selection)
        turn(layer, group, run, selection)
        attend(layer, group, run, selection)
      }
      wait()
      eachBlock(stage: 2 * layer + 2, of: selection) { block in
        finishAttention(layer, block)
        feedForward(layer, block)
        finish(layer, pass.weights.layers[layer].norms.behindFeedForward, block)
      }
      wait()
    }
  }

  // MARK: Tasks

  private func wait() {
    guard let team = pass.workers.team else { return }
    clock.timed(.wait) { team.barrier() }
  }

  /// Rows that a worker takes through all of a stage.
  private struct Block {
    /// Rows of the pass, or of a selection.
    let rows: Range<Int>
    /// The first one's hidden state.
    let hidden: UnsafeMutablePointer<Float>
  }

  /// Blocks of all rows, or of those of a selection, all about equally high, as many for each worker.
  private func eachBlock(stage: Int, of selection: RowSelection? = nil, _ body: (Block) -> Void) {
    let rows = selection?.tokens.count ?? pass.positions.count
    let workers = pass.workers.count
    let fewest = (rows + WorkerScratch.blockRows - 1) / WorkerScratch.blockRows
    let blocks = min(rows, roundUp(fewest, to: workers))
    pass.shares.each(stage, of: blocks, worker: worker, of: workers) { index in
      let block = (rows * index / blocks)..<(rows * (index + 1) / blocks)
      if let selection {
        gathered(selection, block, body)
      } else {
        body(Block(rows: block, hidden: pass.hidden(block.lowerBound)))
      }
    }
  }

  /// Rows of a selection as a block, whose states are brought together and go back where they were.
  private func gathered(_ selection: RowSelection, _ rows: Range<Int>, _ body: (Block) -> Void) {
    let width = configuration.hiddenSize
    let hidden = scratch.selected.floats
    for (place, row) in rows.enumerated() {
      (hidden + place * stride).update(from: pass.hidden(selection.tokens[row]), count: width)
    }
    body(Block(rows: rows, hidden: hidden))
    for (place, row) in rows.enumerated() {
      pass.hidden(selection.tokens[row]).update(from: hidden + place * stride, count: width)
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

  /// The first hidden states of a block: its embeddings, and the linear behind their norm where there is one.
  private func embed(_ block: Block) {
    let weights = pass.weights
    guard let projection = weights.projection else {
      embed(block.rows, to: block.hidden, stride)
      return finish(-1, weights.embeddingNorm, block)
    }
    let (narrow, width) = (scratch.wide.floats, scratch.wideStride)
    embed(block.rows, to: narrow, width)
    clock.timed(.norm) {
      calls.norm_rows(
        narrow, width, block.rows.count, configuration.embeddingWidth,
        weights.embeddingNorm.weight, weights.embeddingNorm.bias, configuration.layerNormEpsilon,
        narrow, width)
    }
    clock.timed(.embed) {
      // A float linear reads no bytes and no scales.
      let rows = LinearRows(
        count: block.rows.count, floats: narrow, stride: width, bytes: scratch.bytes.bytes,
        scales: scratch.scales.floats)
      projection.run(
        calls, rows, bk_output(block.hidden, stride: stride), next: nil,
        scratch: scratch.kernel.base)
    }
    norm(nil, block, before: (0, .queryKeyValue))
    pass.observer?.hidden(layer: -1, rows: block.rows, values: block.hidden, stride: stride)
  }

  private func embed(_ rows: Range<Int>, to out: UnsafeMutablePointer<Float>, _ stride: Int) {
    let weights = pass.weights
    let first = pass.input.tokens.lowerBound + rows.lowerBound
    guard let word = weights.word.floats else {
      clock.timed(.embed) { embedDecoded(rows, to: out, stride) }
      return
    }
    var embedding = bk_embedding(
      width: configuration.embeddingWidth, word: word, position: weights.position,
      type: weights.type)
    clock.timed(.embed) {
      pass.input.batch.withTokens { ids, types in
        pass.positions.withUnsafeBufferPointer {
          calls.embed_rows(
            &embedding, ids + first, $0.baseAddress.map { $0 + rows.lowerBound }, types + first,
            rows.count, out, stride)
        }
      }
    }
  }

  /// The same with words that are decoded first, a few rows at a time.
  private func embedDecoded(
    _ rows: Range<Int>, to out: UnsafeMutablePointer<Float>, _ stride: Int
  ) {
    let (weights, width) = (pass.weights, configuration.embeddingWidth)
    let start = pass.input.tokens.lowerBound
    let places = (0..<Int32(PassWorker.rowsAtOnce)).map { $0 }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: PassWorker.rowsAtOnce * width) {
      words in
      guard let word = words.baseAddress else { return }
      var embedding = bk_embedding(
        width: width, word: word, position: weights.position, type: weights.type)
      pass.input.batch.withTokens { ids, types in
        for first in Swift.stride(from: rows.lowerBound, to: rows.upperBound, by: places.count) {
          let count = min(places.count, rows.upperBound - first)
          for row in 0..<count {
            weights.word.decode(Int(ids[start + first + row]), into: word + row * width)
          }
          pass.positions.withUnsafeBufferPointer {
            calls.embed_rows(
              &embedding, places, $0.baseAddress.map { $0 + first }, types + start + first, count,
              out + (first - rows.lowerBound) * stride, stride)
          }
        }
      }
    }
  }

  /// Normalises a block's rows where they are, and then makes ready what a layer's linear reads of them: a few rows at a
  /// time, which the first-level cache holds for what follows.
  ///
  /// - Parameters:
  ///   - norm: nil leaves the rows as they are.
  ///   - next: the layer and its linear; nil behind the last layer.
  private func norm(_ norm: NormWeights?, _ block: Block, before next: (Int, LinearSite)?) {
    let before = next.flatMap { pass.weights.layers[$0.0].norms.before($0.1) }
    let step = norm == nil && before == nil ? max(1, block.rows.count) : Self.rowsAtOnce
    for first in Swift.stride(from: block.rows.lowerBound, to: block.rows.upperBound, by: step) {
      let some = first..<min(first + step, block.rows.upperBound)
      let x = block.hidden + (first - block.rows.lowerBound) * stride
      if let norm { normalise(x, some.count, norm, to: x) }
      if let before { normalise(x, some.count, before, to: pass.normalised(first)) }
      if let (layer, site) = next { prepare(layer, site, some, of: block) }
    }
  }

  private func normalise(
    _ x: UnsafeMutablePointer<Float>, _ rows: Int, _ norm: NormWeights,
    to out: UnsafeMutablePointer<Float>
  ) {
    clock.timed(.norm) {
      calls.norm_rows(
        x, stride, rows, configuration.hiddenSize, norm.weight, norm.bias,
        configuration.layerNormEpsilon, out, stride)
    }
  }

  /// The norm behind a layer (-1: the embeddings'), if it has one, and what the next layer wants of its rows.
  private func finish(_ layer: Int, _ weights: NormWeights?, _ block: Block) {
    let isLast = layer + 1 == configuration.layerCount
    norm(weights, block, before: isLast ? nil : (layer + 1, .queryKeyValue))
    pass.observer?.hidden(
      layer: layer, rows: block.rows, values: block.hidden, stride: stride)
  }

  /// The attention's output projection, residual and norm.
  private func finishAttention(_ layer: Int, _ block: Block) {
    prepare(layer, .attentionOutput, block.rows, of: block)
    multiply(layer, .attentionOutput, block, bk_output(addingTo: block.hidden, stride: stride))
    norm(
      pass.weights.layers[layer].norms.behindAttention, block, before: (layer, .feedForwardUp))
  }

  /// Both linears of the feed-forward block, and the residual.
  private func feedForward(_ layer: Int, _ block: Block) {
    let isGated = configuration.gatesFeedForward
    multiply(
      layer, .feedForwardUp, block,
      bk_output(
        scratch.wide.floats, stride: scratch.wideStride,
        activation: isGated ? BK_ACT_NONE : bk_activation(configuration.activation)))
    if isGated { gate(layer, block.rows.count) }
    prepare(layer, .feedForwardDown, block.rows, of: block)
    multiply(layer, .feedForwardDown, block, bk_output(addingTo: block.hidden, stride: stride))
  }

  /// Multiplies what a gated block's first linear has made of some rows by its gates.
  private func gate(_ layer: Int, _ rows: Int) {
    let isCoarse = pass.weights.layers[layer][.feedForwardUp].quantizing != nil
    clock.timed(.feedForwardUp) {
      calls.gate_rows(
        scratch.wide.floats, scratch.wideStride, rows, configuration.intermediateSize,
        bk_gate(configuration.activation, isCoarse: isCoarse))
    }
  }

  // MARK: Linears

  /// What goes into a linear for some rows of a block: queries, keys and values are quantised for all
  /// workers of the pass, the rest for this one alone.
  private func input(
    _ layer: Int, _ site: LinearSite, _ rows: Range<Int>, of block: Block
  ) -> (rows: LinearRows, bytes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<Float>) {
    let inBlock = rows.lowerBound - block.rows.lowerBound
    let floats: UnsafeMutablePointer<Float>
    switch site {
    case .queryKeyValue, .feedForwardUp:
      let isNormalised = pass.weights.layers[layer].norms.before(site) != nil
      floats =
        isNormalised ? pass.normalised(rows.lowerBound) : block.hidden + inBlock * stride
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
    _ layer: Int, _ site: LinearSite, _ rows: Range<Int>, of block: Block
  ) {
    let (x, bytes, scales) = input(layer, site, rows, of: block)
    pass.observer?.input(
      layer: layer, site: site, rows: rows, values: x.floats, stride: x.stride)
    let step = pass.weights.layers[layer][site]
    guard var quantizing = step.quantizing else { return }
    clock.timed(.quantize) {
      calls.quantize_rows(
        &quantizing, x.floats, x.stride, x.count, bytes, step.rowBytes, scales,
        scratch.rotated.floats)
    }
  }

  /// One linear over a block of rows, which `prepare` has seen.
  private func multiply(
    _ layer: Int, _ site: LinearSite, _ block: Block, _ output: bk_output
  ) {
    let linears = pass.weights.layers[layer]
    let step = linears[site]
    let x = input(layer, site, block.rows, of: block).rows
    clock.timed(site.stage) {
      step.run(
        calls, x, output, next: linears[site.following].weights(),
        scratch: scratch.kernel.base)
    }
  }

  // MARK: Heads

  /// Queries, keys and values of a group of heads, for a run of texts.
  private func project(
    _ layer: Int, _ index: Int, _ run: Range<Int>, _ selection: RowSelection?
  ) {
    let linears = pass.weights.layers[layer]
    let step = linears[.queryKeyValue]
    let groups = pass.weights.heads.groups
    let group = groups[index]
    let next =
      index + 1 < groups.count
      ? step.weights(from: groups[index + 1].panels[0].first)
      : linears[.attentionOutput].weights()
    let first = pass.starts[run.lowerBound]
    func project(_ rows: Range<Int>, _ panels: [bk_panels], at column: Int) {
      let block = Block(rows: rows, hidden: pass.hidden(rows.lowerBound))
      let out = scratch.heads.floats + (rows.lowerBound - first) * scratch.headStride + column
      step.run(
        calls, input(layer, .queryKeyValue, rows, of: block).rows, panels: panels,
        bk_output(out, stride: scratch.headStride), next: next, scratch: scratch.kernel.base)
    }
    let all = first..<pass.starts[run.upperBound]
    clock.timed(.queryKeyValue) {
      guard let selection, !linears.hasInt8Attention else {
        return project(all, group.panels, at: 0)
      }
      // In int8 all queries of a text have one scale; in float those of other rows are needed by nobody.
      project(all, group.keysAndValues, at: group.queries[0].width)
      for rows in selection.stretches(of: run) { project(rows, group.queries, at: 0) }
    }
  }

  /// Turns the queries that were computed, and all keys, by their tokens' positions.
  private func turn(
    _ layer: Int, _ group: Int, _ run: Range<Int>, _ selection: RowSelection?
  ) {
    guard let rotary = pass.weights.layers[layer].rotary, let size = configuration.rotarySize else {
      return
    }
    let (half, columns) = (size / 2, scratch.headStride)
    func turn(_ x: UnsafeMutablePointer<Float>, _ rows: Int, from position: Int) {
      calls.turn_rows(
        x, columns, rows, half, rotary.cosines + position * half, rotary.sines + position * half)
    }
    clock.timed(.queryKeyValue) {
      for place in pass.weights.heads.groups[group].places {
        for text in run {
          let first = pass.starts[text]
          let row = scratch.heads.floats + (first - pass.starts[run.lowerBound]) * columns
          turn(row + place.key, pass.starts[text + 1] - first, from: 0)
          guard let selection, !pass.weights.layers[layer].hasInt8Attention else {
            turn(row + place.query, pass.starts[text + 1] - first, from: 0)
            continue
          }
          for index in selection.starts[text]..<selection.starts[text + 1] {
            let position = Int(selection.places[index])
            turn(row + position * columns + place.query, 1, from: position)
          }
        }
      }
    }
  }

  private func attend(
    _ layer: Int, _ group: Int, _ run: Range<Int>, _ selection: RowSelection?
  ) {
    let call = pass.weights.layers[layer].hasInt8Attention ? calls.attend_s8 : calls.attend_f32
    clock.timed(.attention) {
      for place in pass.weights.heads.groups[group].places {
        withRelative(layer, place.head) { relative in
          for text in run {
            var head = self.head(layer, place, text, of: run)
            head.relative = relative
            guard let selection else {
              call?(&head, scratch.kernel.base)
              continue
            }
            let rows = selection.starts[text]..<selection.starts[text + 1]
            if rows.isEmpty { continue }
            selection.places.withUnsafeBufferPointer {
              head.wanted = $0.baseAddress.map { $0 + rows.lowerBound }
              head.wanted_rows = rows.count
              head.out = pass.context(rows.lowerBound) + place.head * head.head_size
              call?(&head, scratch.kernel.base)
            }
          }
        }
      }
    }
  }

  /// A head's tables by distance; nil where there are none.
  private func withRelative(
    _ layer: Int, _ head: Int, _ body: (UnsafePointer<bk_relative>?) -> Void
  ) {
    guard let terms = configuration.relative else { return body(nil) }
    let tables = pass.weights.layers[layer].relative
    let column = head * configuration.headSize
    pass.weights.relativeRows.withUnsafeBufferPointer { rows in
      var relative = bk_relative(
        key: tables.key.map { $0 + column }, query: tables.query.map { $0 + column },
        stride: configuration.hiddenSize, row: rows.baseAddress, span: terms.span,
        scratch: scratch.relative.base)
      body(&relative)
    }
  }

  /// A head of a text, of a run whose queries, keys and values were computed.
  private func head(
    _ layer: Int, _ place: HeadGroup.Place, _ text: Int, of run: Range<Int>
  ) -> bk_head {
    let (starts, size) = (pass.starts, configuration.headSize)
    let span = configuration.biasSpan ?? 0
    let row =
      scratch.heads.floats + (starts[text] - starts[run.lowerBound]) * scratch.headStride
    let unseen = pass.input.batch.unseen[pass.input.texts.lowerBound + text]
    return bk_head(
      length: starts[text + 1] - starts[text] - unseen, head_size: size, query: row + place.query,
      key: row + place.key, value: row + place.value, stride: scratch.headStride,
      score_scale: 1 / Float(size * configuration.termsOfScore).squareRoot(),
      out: pass.context(starts[text]) + place.head * size, out_stride: stride, wanted: nil,
      wanted_rows: 0, bias: pass.weights.bias.map { $0 + place.head * (2 * span + 1) },
      bias_span: span, unseen: unseen, window: pass.weights.layers[layer].reach ?? 0,
      relative: nil)
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
