import BertErrors
import BertKernels
import BertModel
import Synchronization

/// Scores of some rows and outputs, on the worker that computed them: row `rows.lowerBound`'s first,
/// `stride` floats to the next row.
struct HeadBlock {
  let rows: Range<Int>
  let columns: Range<Int>
  let values: UnsafePointer<Float>
  let stride: Int
}

/// A linear of a head: panels of the file in float32 or int8, used in place, or row-major weights
/// that are laid out in panels a few at a time.
///
/// A worker computes a few panels for all rows given, so that weights come from memory once, and
/// hands each block of rows on; nothing as large as rows times outputs is kept.
final class HeadLinear {
  let outputs: Int
  private let inputs: Int
  private let source: HeadSource
  private let weights: Weights

  private enum Weights {
    case panels(LinearStep)
    /// Laid out when the head was made; the step points into the buffer.
    case packed(LinearStep, AlignedBuffer)
    /// Laid out whenever they are used.
    case rows(HeadWeightRows, bias: UnsafePointer<Float>)
  }

  /// Row-major weights of up to so many bytes in float32 are laid out once, larger ones whenever they are used.
  static let mostPackedBytes = 4 << 20
  /// The most panels that a worker computes one after the other.
  private static let panelsAtOnce = 4

  /// The linear called `stem`.
  ///
  /// - Parameters:
  ///   - orWords: whether the word embeddings are its weights where it has none of its own.
  ///   - hasBias: whether a bias that is absent is malformed, or zeros.
  /// - Throws: `malformed` for missing or damaged tensors.
  init(
    _ stem: String, outputs: Int, inputs: Int, from source: HeadSource,
    orWords: Bool = false, hasBias: Bool = true
  ) throws(BertError) {
    self.outputs = outputs
    self.inputs = inputs
    self.source = source
    let tensors = source.weights
    if source.precision == .int8,
      let step = try LinearStep.loadInt8(stem, outputs: outputs, inputs: inputs, from: tensors)
    {
      weights = .panels(step)
      return
    }
    var zeros: AlignedBuffer?
    let bias: UnsafePointer<Float>
    if !hasBias, tensors.find(stem + FloatPart.bias) == nil {
      let buffer = try AlignedBuffer(checkedFloats: outputs, for: "a bias of zeros")
      zeros = buffer
      bias = UnsafePointer(buffer.floats)
    } else {
      bias = try tensors.require(stem + FloatPart.bias, .float32, [outputs]).floats
    }
    noBias = zeros
    func step(_ weights: UnsafePointer<Float>) -> LinearStep {
      LinearStep(bk_linear_f32(outputs: outputs, depth: inputs, weights: weights, bias: bias))
    }
    let name = stem + FloatPart.weight
    let own = tensors.find(name)
    let rows: HeadWeightRows
    if own == nil, orWords {
      rows = try HeadWeightRows(wordsOf: tensors, source.precision)
    } else {
      let layout = own?.layout == .rowMajor ? TensorLayout.rowMajor : .floatPanels
      let view = try tensors.require(name, .float32, [outputs, inputs], layout)
      if layout == .floatPanels {
        weights = .panels(step(view.floats))
        return
      }
      rows = .floats(view.floats)
    }
    if 4 * outputs * inputs > Self.mostPackedBytes {
      weights = .rows(rows, bias: bias)
      return
    }
    let panels = try AlignedBuffer(
      checkedFloats: roundUp(outputs, to: BK_PANEL) * inputs, for: "the weights of a head")
    let decoded = try AlignedBuffer(
      checkedFloats: rows.areDecoded ? outputs * inputs : 0, for: "the word embeddings as float32")
    rows.layOut(0..<outputs, inputs: inputs, decoded: decoded.floats, into: panels.floats)
    weights = .packed(step(UnsafePointer(panels.floats)), panels)
  }

  /// Keeps the zeros of a linear without bias.
  private var noBias: AlignedBuffer?

  /// Computes all outputs of up to `HeadScratch.mostRows` rows and hands them to `sink`, block by
  /// block, on the team's threads: blocks of the same outputs one after the other on one thread.
  ///
  /// - Throws: `notFinite` when an output is NaN or infinite.
  func run(
    _ x: HeadRows, activation: bk_activation = BK_ACT_NONE, _ sink: (HeadBlock) -> Void
  ) throws(BertError) {
    let scratch = source.scratch
    let panels = (outputs + BK_PANEL - 1) / BK_PANEL
    let workers = source.team.count
    let chunk = max(1, min(Self.panelsAtOnce, panels / (4 * workers)))
    let chunks = (panels + chunk - 1) / chunk
    try scratch.reserve(
      outputs: 4 * WorkerScratch.blockRows * chunk * BK_PANEL, kernel: kernelBytes,
      panels: laidOutRows == nil ? 0 : 4 * chunk * BK_PANEL * inputs,
      decoded: laidOutRows?.areDecoded == true ? 4 * chunk * BK_PANEL * inputs : 0)
    let input = try quantized(x)
    let overflows = Atomic(false)
    let next = WorkCounter()
    func work(_ worker: Int) {
      while true {
        let index = next.take()
        if index >= chunks { return }
        let some = (index * chunk)..<min((index + 1) * chunk, panels)
        if !compute(some, input, activation, scratch.workers[worker], sink) {
          overflows.store(true, ordering: .relaxed)
        }
      }
    }
    // Waking others takes longer than a panel or two.
    if workers > 1, chunks > 1 { source.team.run(work) } else { work(0) }
    if overflows.load(ordering: .relaxed) { throw Self.overflow }
  }

  static let overflow = BertError(
    .notFinite, "the result holds NaN or infinity: the model's weights overflow float32")

  /// What is laid out whenever it is used.
  private var laidOutRows: HeadWeightRows? {
    if case .rows(let rows, _) = weights { rows } else { nil }
  }

  private var step: LinearStep? {
    switch weights {
    case .panels(let step), .packed(let step, _): step
    case .rows: nil
    }
  }

  private var kernelBytes: Int {
    guard case .int8(let linear, _)? = step?.arithmetic else { return 0 }
    return source.kernels.calls.linear_s8_scratch(WorkerScratch.blockRows, linear.groups)
  }

  /// The rows, and what an int8 linear makes of them.
  private func quantized(_ x: HeadRows) throws(BertError) -> LinearRows {
    guard let step, var quantizing = step.quantizing else {
      // A float linear reads floats only; the rest is never looked at.
      let unused = source.scratch.workers[0].kernel
      return LinearRows(
        count: x.count, floats: x.base, stride: x.stride, bytes: unused.bytes, scales: unused.floats
      )
    }
    let scratch = source.scratch
    let bytes = try scratch.memory(.bytes, bytes: HeadScratch.mostRows * step.rowBytes)
    let scales = try scratch.memory(.scales, bytes: 4 * HeadScratch.mostRows)
    let rotated = try scratch.memory(.rotated, bytes: 4 * Int(BK_QUANTIZE_ROWS) * inputs)
    source.kernels.calls.quantize_rows(
      &quantizing, x.base, x.stride, x.count, bytes.bytes, step.rowBytes, scales.floats,
      rotated.floats)
    return LinearRows(
      count: x.count, floats: x.base, stride: x.stride, bytes: bytes.bytes, scales: scales.floats)
  }

  /// Some panels of all rows; false when an output is not finite.
  private func compute(
    _ panels: Range<Int>, _ x: LinearRows, _ activation: bk_activation,
    _ worker: HeadScratch.Worker, _ sink: (HeadBlock) -> Void
  ) -> Bool {
    let columns = (panels.lowerBound * BK_PANEL)..<min(panels.upperBound * BK_PANEL, outputs)
    let stride = panels.count * BK_PANEL
    // What is laid out here is a linear of these outputs alone.
    let laidOut = layOut(columns, worker)
    let range =
      laidOut == nil
      ? bk_panels(first: panels.lowerBound, last: panels.upperBound)
      : bk_panels(first: 0, last: panels.count)
    guard let step = laidOut ?? step else { return true }
    let output = bk_output(worker.outputs.floats, stride: stride, activation: activation)
    var isFinite = true
    for first in Swift.stride(from: 0, to: x.count, by: WorkerScratch.blockRows) {
      let rows = first..<min(first + WorkerScratch.blockRows, x.count)
      let block = LinearRows(
        count: rows.count, floats: x.floats + first * x.stride, stride: x.stride,
        bytes: x.bytes + first * step.rowBytes, scales: x.scales + first)
      step.run(
        source.kernels.calls, block, panels: [range], output, next: nil,
        scratch: worker.kernel.base)
      isFinite =
        isFinite && Self.isFinite(worker.outputs.floats, stride, rows.count, columns.count)
      sink(
        HeadBlock(
          rows: rows, columns: columns, values: UnsafePointer(worker.outputs.floats),
          stride: stride))
    }
    return isFinite
  }

  /// Row-major weights of some outputs in panels, in the worker's memory; nil where they lie in
  /// panels already.
  private func layOut(_ columns: Range<Int>, _ worker: HeadScratch.Worker) -> LinearStep? {
    guard case .rows(let rows, let bias) = weights else { return nil }
    rows.layOut(
      columns, inputs: inputs, decoded: worker.decoded.floats, into: worker.panels.floats)
    return LinearStep(
      bk_linear_f32(
        outputs: columns.count, depth: inputs, weights: UnsafePointer(worker.panels.floats),
        bias: bias + columns.lowerBound))
  }

  private static func isFinite(
    _ values: UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ columns: Int
  ) -> Bool {
    // x − x is 0, or NaN where x is not finite.
    for row in 0..<rows {
      var bits: UInt32 = 0
      for column in 0..<columns {
        let value = values[row * stride + column]
        bits |= (value - value).bitPattern
      }
      if bits & 0x7FFF_FFFF != 0 { return false }
    }
    return true
  }
}

extension HeadLinear {
  /// Computes all outputs of some rows into rows of memory: `stride` floats apart, the first
  /// `outputs` of each.
  func write(
    _ x: HeadRows, activation: bk_activation = BK_ACT_NONE, to out: UnsafeMutablePointer<Float>,
    stride: Int
  ) throws(BertError) {
    try run(x, activation: activation) { block in
      for (index, row) in block.rows.enumerated() {
        (out + row * stride + block.columns.lowerBound).update(
          from: block.values + index * block.stride, count: block.columns.count)
      }
    }
  }
}
