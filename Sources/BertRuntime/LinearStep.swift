import BertErrors
import BertKernels
import BertModel

/// One linear of the encoder, ready to run from the bytes of its source.
///
/// Safety: the pointers live as long as the `WeightSource` they came from; `EncoderWeights` keeps it.
enum LinearStep {
  case float(bk_linear_f32)
  case int8(bk_linear_s8, bk_input)

  /// Bytes of a quantised row: the depth with its extra columns, rounded up to whole vectors.
  var rowBytes: Int {
    switch self {
    case .float: 0
    case .int8(let linear, _): roundUp(linear.groups * 4, to: 64)
    }
  }
}

/// The names of the tensors of a quantised linear, after the linear's own name.
public enum QuantizedPart {
  /// `[N, K + E]`, int8 panels.
  public static let weight = ".int8.weight"
  /// `[N]`: what one step of an output's int8 weights is worth.
  public static let scale = ".int8.scale"
  /// `[N]`: the sum of an output's int8 weights.
  public static let columnSum = ".int8.column_sum"
  /// `[N]`: the bias, with the shift folded in.
  public static let bias = ".int8.bias"
  /// `[K]`: multiplies each input before it is quantised.
  public static let multiplier = ".int8.multiplier"
  /// `[K]`: added to each input after that.
  public static let shift = ".int8.shift"
  /// `[K + E]`: added before rounding, so that the copies of a wide input round differently.
  public static let dither = ".int8.dither"
  /// `[E]`: which input each extra column copies; absent when there are none.
  public static let source = ".int8.source"
}

extension LinearStep {
  /// A float linear from `name.weight` and `name.bias`.
  static func loadFloat(
    _ name: String, outputs: Int, inputs: Int, from source: any WeightSource
  ) throws(BertError) -> LinearStep {
    let weight = try source.require(name + ".weight", .float32, [outputs, inputs], .floatPanels)
    let bias = try source.require(name + ".bias", .float32, [outputs])
    return .float(
      bk_linear_f32(
        outputs: outputs, depth: inputs, weights: weight.floats, bias: bias.floats))
  }

  /// The int8 linear called `name`, or nil when the source has none.
  static func loadInt8(
    _ name: String, outputs: Int, inputs: Int, from source: any WeightSource
  ) throws(BertError) -> LinearStep? {
    guard let found = source.find(name + QuantizedPart.weight) else { return nil }
    let extra = found.shape.count == 2 ? found.shape[1] - inputs : -1
    guard extra >= 0, inputs + extra <= Int(BK_MAX_DEPTH) else {
      throw BertError(
        .malformed,
        "has shape \(found.shape); expected \(outputs) outputs and \(inputs) or more"
          + " inputs, at most \(BK_MAX_DEPTH)", tensor: found.name)
    }
    func floats(_ part: String, _ count: Int) throws(BertError) -> UnsafePointer<Float> {
      try source.require(name + part, .float32, [count]).floats
    }
    let weight = try source.require(
      name + QuantizedPart.weight, .int8, [outputs, inputs + extra], .int8Panels)
    var columns: UnsafePointer<Int32>?
    if extra > 0 {
      let view = try source.require(name + QuantizedPart.source, .int32, [extra])
      let pointer = view.bytes.assumingMemoryBound(to: Int32.self)
      if let bad = pointer.first(where: { $0 < 0 || Int($0) >= inputs }) {
        throw BertError(.malformed, "names input \(bad) of \(inputs)", tensor: view.name)
      }
      columns = pointer.baseAddress
    }
    let linear = bk_linear_s8(
      outputs: outputs, groups: (inputs + extra + 3) / 4,
      weights: weight.bytes.assumingMemoryBound(to: Int8.self).baseAddress,
      scale: try floats(QuantizedPart.scale, outputs),
      column_sum: try floats(QuantizedPart.columnSum, outputs),
      bias: try floats(QuantizedPart.bias, outputs))
    let input = bk_input(
      depth: inputs, extra: extra,
      multiplier: try floats(QuantizedPart.multiplier, inputs),
      shift: try floats(QuantizedPart.shift, inputs),
      dither: try floats(QuantizedPart.dither, inputs + extra), source: columns)
    return .int8(linear, input)
  }
}

extension TensorView {
  /// The elements as floats; only for a view that was required as such, so it is never empty.
  var floats: UnsafePointer<Float> {
    UnsafePointer(bytes.assumingMemoryBound(to: Float.self).baseAddress.unsafelyUnwrapped)
  }
}
