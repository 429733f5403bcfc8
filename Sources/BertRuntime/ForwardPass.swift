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

/// One run of the encoder over tokens that fit the workspace.
///
/// Every worker runs `work`. Between barriers each row, and each head of each sequence, belongs to
/// one worker, and what is computed for it reads nothing of any other text: so results do not
/// depend on the number of workers or on the batch.
struct ForwardPass {
  let weights: EncoderWeights
  let calls: bk_kernels
  let team: ThreadTeam
  let space: Workspace
  let ids: UnsafePointer<Int32>
  let types: UnsafePointer<UInt8>
  /// Starts of the sequences within the pass, and behind the last its end.
  let starts: [Int]
  /// Sequences, longest first: the order in which attention is handed out.
  let order: [Int]
  let positions: [Int32]
  let blocks: Int
  let counters: [WorkCounter]
  let observer: (any EncoderObserver)?
  let clock: StageClock?
  /// Hidden states to start from, `hiddenStride` apart, instead of embeddings.
  var given: UnsafePointer<Float>?

  var tokens: Int { starts[starts.count - 1] }
  var configuration: BertConfiguration { weights.configuration }

  /// Blocks of rows, all about equally high, as many for each worker.
  static func blockCount(tokens: Int, workers: Int) -> Int {
    let fewest = (tokens + WorkerScratch.blockRows - 1) / WorkerScratch.blockRows
    return min(tokens, roundUp(fewest, to: workers))
  }

  func rows(_ block: Int) -> Range<Int> {
    (tokens * block / blocks)..<(tokens * (block + 1) / blocks)
  }

  func work(_ worker: Int) {
    let scratch = space.scratches[worker]
    eachBlock(counters[0]) { rows in
      timed(.embed, scratch) { embed(rows) }
      observer?.hidden(
        layer: -1, rows: rows, values: hidden(rows.lowerBound), stride: space.hiddenStride)
      projectHeads(0, rows, scratch)
    }
    wait(scratch)
    for layer in 0..<configuration.layerCount {
      timed(.attention, scratch) { attend(layer, counters[2 * layer + 1], scratch) }
      wait(scratch)
      eachBlock(counters[2 * layer + 2]) { rows in
        finishAttention(layer, rows, scratch)
        feedForward(layer, rows, scratch)
        observer?.hidden(
          layer: layer, rows: rows, values: hidden(rows.lowerBound), stride: space.hiddenStride)
        if layer + 1 < configuration.layerCount { projectHeads(layer + 1, rows, scratch) }
      }
      wait(scratch)
    }
  }

  private func wait(_ scratch: WorkerScratch) { timed(.wait, scratch) { team.barrier() } }

  @inline(__always)
  private func timed(_ stage: Stage, _ scratch: WorkerScratch, _ body: () -> Void) {
    guard let clock else { return body() }
    let start = StageClock.now()
    body()
    clock.add(stage, worker: scratch.worker, since: start)
  }

  private func eachBlock(_ counter: WorkCounter, _ body: (Range<Int>) -> Void) {
    while true {
      let block = counter.take()
      if block >= blocks { return }
      body(rows(block))
    }
  }

  private func hidden(_ row: Int) -> UnsafeMutablePointer<Float> {
    space.hidden.floats + row * space.hiddenStride
  }

  private func context(_ row: Int) -> UnsafeMutablePointer<Float> {
    space.context.floats + row * space.hiddenStride
  }

  // MARK: Rows

  private func embed(_ rows: Range<Int>) {
    if let given {
      let stride = space.hiddenStride
      hidden(rows.lowerBound).update(
        from: given + rows.lowerBound * stride, count: rows.count * stride)
      return
    }
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
      x, space.hiddenStride, rows, configuration.hiddenSize, norm.gain, norm.bias,
      configuration.layerNormEpsilon, x, space.hiddenStride)
  }

  /// Hidden states to the queries, keys and values of a layer's attention.
  private func projectHeads(_ layer: Int, _ rows: Range<Int>, _ scratch: WorkerScratch) {
    let c = configuration
    let isInt8 = weights.layers[layer].hasInt8Attention
    let stride = isInt8 ? scratch.wideStride : space.floatHeadStride
    let out = isInt8 ? scratch.wide.floats : space.heads.floats + rows.lowerBound * stride
    run(
      layer, .queryKeyValue, hidden(rows.lowerBound), space.hiddenStride, rows, scratch,
      destination(out, stride))
    guard isInt8 else { return }
    timed(.quantizeHeads, scratch) {
      for (index, row) in rows.enumerated() {
        calls.quantize_heads(
          out + index * stride, c.headCount, c.headSize,
          space.heads.bytes + row * space.int8HeadStride, space.tokens * space.int8HeadStride,
          space.headScales.floats + row, space.tokens)
      }
    }
  }

  /// The attention's output projection, residual and norm.
  private func finishAttention(_ layer: Int, _ rows: Range<Int>, _ scratch: WorkerScratch) {
    let x = hidden(rows.lowerBound)
    run(
      layer, .attentionOutput, context(rows.lowerBound), space.hiddenStride, rows, scratch,
      destination(x, space.hiddenStride, residual: x))
    timed(.norm, scratch) { norm(weights.layers[layer].attentionNorm, x, rows.count) }
  }

  /// Both linears of the feed-forward block, residual and norm.
  private func feedForward(_ layer: Int, _ rows: Range<Int>, _ scratch: WorkerScratch) {
    let x = hidden(rows.lowerBound)
    let activation = bk_activation(configuration.activation)
    run(
      layer, .feedForwardUp, x, space.hiddenStride, rows, scratch,
      destination(scratch.wide.floats, scratch.wideStride, activation: activation))
    run(
      layer, .feedForwardDown, scratch.wide.floats, scratch.wideStride, rows, scratch,
      destination(x, space.hiddenStride, residual: x))
    timed(.norm, scratch) { norm(weights.layers[layer].feedForwardNorm, x, rows.count) }
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
    _ scratch: WorkerScratch, _ output: bk_output
  ) {
    observer?.input(layer: layer, site: site, rows: rows, values: x, stride: stride)
    var output = output
    switch weights.layers[layer][site] {
    case .float(var linear):
      timed(site.stage, scratch) {
        calls.linear_f32(
          &linear, x, stride, rows.count, 0, (linear.outputs + 31) / 32, &output)
      }
    case .int8(var linear, var input):
      let rowBytes = roundUp(linear.groups * 4, to: 64)
      timed(.quantize, scratch) {
        calls.quantize_rows(
          &input, x, stride, rows.count, scratch.bytes.bytes, rowBytes, scratch.rowScales,
          scratch.row.floats)
      }
      timed(site.stage, scratch) {
        calls.linear_s8(
          &linear, scratch.bytes.bytes, rowBytes, scratch.rowScales, rows.count, 0,
          (linear.outputs + 31) / 32, &output, scratch.kernel.base)
      }
    }
  }

  // MARK: Attention

  private func attend(_ layer: Int, _ counter: WorkCounter, _ scratch: WorkerScratch) {
    let heads = configuration.headCount
    while true {
      let task = counter.take()
      if task >= order.count * heads { return }
      let sequence = order[task / heads]
      let (start, length) = (starts[sequence], starts[sequence + 1] - starts[sequence])
      if weights.layers[layer].hasInt8Attention {
        attendInt8(start, length, head: task % heads, scratch)
      } else {
        attendFloat(start, length, head: task % heads, scratch)
      }
    }
  }

  private func attendInt8(_ start: Int, _ length: Int, head: Int, _ scratch: WorkerScratch) {
    let c = configuration
    let stride = space.int8HeadStride
    // A head's slices of all tokens lie together, so that attention reads whole cache lines.
    let base = space.heads.bytes + (head * space.tokens + start) * stride
    let signed = UnsafeMutableRawPointer(base).assumingMemoryBound(to: Int8.self)
    let part = c.headCount * space.tokens
    let scales = space.headScales.floats + head * space.tokens + start
    var arguments = bk_head_s8(
      length: length, head_size: c.headSize, head_stride: stride, query: base,
      key: signed + part * stride, value: signed + 2 * part * stride, stride: stride,
      query_scale: scales, key_scale: scales + part, value_scale: scales + 2 * part,
      scale_stride: 1, score_scale: 0x1.715476p+0 / Float(c.headSize).squareRoot(),
      out: context(start) + head * c.headSize, out_stride: space.hiddenStride)
    calls.attend_s8(&arguments, scratch.kernel.base)
  }

  private func attendFloat(_ start: Int, _ length: Int, head: Int, _ scratch: WorkerScratch) {
    let c = configuration
    let stride = space.floatHeadStride
    let base = space.heads.floats + start * stride + head * c.headSize
    var arguments = bk_head_f32(
      length: length, head_size: c.headSize, query: base, key: base + c.hiddenSize,
      value: base + 2 * c.hiddenSize, stride: stride,
      score_scale: 1 / Float(c.headSize).squareRoot(), out: context(start) + head * c.headSize,
      out_stride: space.hiddenStride)
    calls.attend_f32(&arguments, scratch.kernel.base)
  }
}

extension WorkerScratch {
  var rowScales: UnsafeMutablePointer<bk_row_scale> {
    scales.base.assumingMemoryBound(to: bk_row_scale.self)
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
}
