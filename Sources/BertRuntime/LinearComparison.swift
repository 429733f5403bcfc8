import BertErrors
import BertKernels
import BertModel

/// The float32 and the int8 form of one linear, to run over the same float rows.
///
/// For one caller at a time: it holds the memory that both need. The weights are the caller's, who keeps
/// them.
package final class ComparedLinear {
  private let float: bk_linear_f32
  private let int8: bk_linear_s8
  private let input: bk_input
  private let calls: bk_kernels
  private let panels: bk_panels
  private let rowBytes: Int
  private let expected: AlignedBuffer
  private let found: AlignedBuffer
  private let bytes: AlignedBuffer
  private let scales: AlignedBuffer
  private let mixed: AlignedBuffer
  private let scratch: AlignedBuffer

  /// Makes room for a block of rows.
  ///
  /// - Parameter advice: how to do with less memory, as a message says it.
  /// - Throws: `system` when there is none.
  package init(
    float: bk_linear_f32, int8: bk_linear_s8, input: bk_input, kernels: KernelSet, advice: String
  ) throws(BertError) {
    self.float = float
    self.int8 = int8
    self.input = input
    calls = kernels.calls
    panels = bk_panels(columns: 0..<int8.outputs)
    let rows = WorkerScratch.blockRows
    rowBytes = rowStride(bytes: int8.groups * BK_GROUP)
    func memory(_ bytes: Int) throws(BertError) -> AlignedBuffer {
      try AlignedBuffer(checkedBytes: bytes, for: "comparing linears", advice: advice)
    }
    expected = try memory(4 * rows * panels.width)
    found = try memory(4 * rows * panels.width)
    bytes = try memory(rows * rowBytes)
    scales = try memory(4 * rows)
    mixed = try memory(4 * BK_QUANTIZE_ROWS * input.depth)
    scratch = try memory(calls.linear_s8_scratch(rows, int8.groups))
  }

  /// Hands out, for each row in turn, the float and the int8 linear's outputs.
  package func compare(
    _ rows: Int, _ values: UnsafePointer<Float>, stride: Int,
    _ body: (_ float: UnsafePointer<Float>, _ int8: UnsafePointer<Float>, _ width: Int) -> Void
  ) {
    var (float, int8, input, panels) = (float, int8, input, panels)
    for first in Swift.stride(from: 0, to: rows, by: WorkerScratch.blockRows) {
      let count = min(WorkerScratch.blockRows, rows - first)
      let x = values + first * stride
      var output = bk_output(expected.floats, stride: panels.width)
      calls.linear_f32(&float, x, stride, count, &panels, 1, &output)
      output.out = found.floats
      calls.quantize_rows(
        &input, x, stride, count, bytes.bytes, rowBytes, scales.floats, mixed.floats)
      calls.linear_s8(
        &int8, bytes.bytes, rowBytes, scales.floats, count, &panels, 1, &output, nil,
        scratch.base)
      for row in 0..<count {
        body(
          expected.floats + row * panels.width, found.floats + row * panels.width, int8.outputs)
      }
    }
  }
}

/// Runs both forms of a model's linears over the same float rows.
///
/// Where the int8 path itself goes, errors of earlier layers come along; here each linear stands
/// alone. Any number of threads may call it.
package final class LinearComparison: Sendable {
  private let float: EncoderWeights
  private let int8: EncoderWeights
  private let kernels: KernelSet

  /// Takes both forms of a model's linears.
  ///
  /// - Throws: `malformed` for missing or damaged tensors.
  package init(source: any WeightSource, kernels: KernelSet) throws(BertError) {
    float = try EncoderWeights(source: source, precision: .float32)
    int8 = try EncoderWeights(source: source, precision: .int8)
    self.kernels = kernels
  }

  /// Hands out, for each row in turn, the float and the int8 linear's outputs; nothing where the
  /// linear is float in the int8 path too.
  ///
  /// - Throws: `system` when there is no memory.
  package func compare(
    layer: Int, site: LinearSite, rows: Int, values: UnsafePointer<Float>, stride: Int,
    _ body: (_ float: UnsafePointer<Float>, _ int8: UnsafePointer<Float>, _ width: Int) -> Void
  ) throws(BertError) {
    guard case .float(let reference) = float.layers[layer][site].arithmetic,
      case .int8(let linear, let input) = int8.layers[layer][site].arithmetic
    else { return }
    try ComparedLinear(
      float: reference, int8: linear, input: input, kernels: kernels, advice: "leave the drift out"
    ).compare(rows, values, stride: stride, body)
  }
}
