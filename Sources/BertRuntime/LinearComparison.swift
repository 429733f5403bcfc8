import BertErrors
import BertKernels
import BertModel

/// Runs both forms of a linear over the same float rows.
///
/// Where the int8 path itself goes, errors of earlier layers come along; here each linear stands
/// alone.
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

  /// Hands out, for each row, the float and the int8 linear's outputs; nothing where the linear is
  /// float in the int8 path too.
  ///
  /// Safe to call from several threads.
  ///
  /// - Throws: `system` when there is no memory.
  package func compare(
    layer: Int, site: LinearSite, rows: Int, values: UnsafePointer<Float>, stride: Int,
    _ body: (_ float: UnsafePointer<Float>, _ int8: UnsafePointer<Float>, _ width: Int) -> Void
  ) throws(BertError) {
    guard case .float(var reference) = float.layers[layer][site],
      case .int8(var linear, var input) = int8.layers[layer][site]
    else { return }
    let calls = kernels.calls
    let panels = (linear.outputs + 31) / 32
    var all = bk_panels(first: 0, last: panels)
    func memory(_ bytes: Int) throws(BertError) -> AlignedBuffer {
      try AlignedBuffer(
        checkedBytes: bytes, for: "comparing linears", advice: "leave the drift out")
    }
    let outputs = (try memory(panels * 32 * 4), try memory(panels * 32 * 4))
    let bytes = try memory(roundUp(linear.groups * 4, to: 64))
    let row = try memory(BK_QUANTIZE_ROWS * input.depth * 4)
    let scratch = try memory(calls.linear_s8_scratch(1, linear.groups))
    for index in 0..<rows {
      let x = values + index * stride
      var output = bk_output(
        out: outputs.0.floats, stride: panels * 32, residual: nil, residual_stride: 0,
        activation: BK_ACT_NONE)
      calls.linear_f32(&reference, x, stride, 1, &all, 1, &output)
      output.out = outputs.1.floats
      var scale: Float = 0
      calls.quantize_rows(&input, x, stride, 1, bytes.bytes, bytes.count, &scale, row.floats)
      calls.linear_s8(
        &linear, bytes.bytes, bytes.count, &scale, 1, &all, 1, &output, nil, scratch.base)
      body(outputs.0.floats, outputs.1.floats, linear.outputs)
    }
  }
}
