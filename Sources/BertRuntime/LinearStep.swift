import BertErrors
import BertKernels
import BertModel

/// One linear of the encoder, ready to run from the bytes of its source.
///
/// Safety: the pointers live as long as the `WeightSource` they came from; `EncoderWeights` keeps it.
enum LinearStep {
  case float(bk_linear_f32)
  case int8(bk_linear_s8, bk_input)

  /// Bytes from one quantised row to the next.
  var rowBytes: Int {
    switch self {
    case .float: 0
    case .int8(let linear, _): rowStride(bytes: linear.groups * 4)
    }
  }

  /// All of its panels.
  var panels: bk_panels {
    switch self {
    case .float(let linear): bk_panels(first: 0, last: (linear.outputs + 31) / 32)
    case .int8(let linear, _): bk_panels(first: 0, last: (linear.outputs + 31) / 32)
    }
  }

  /// The weights from some panel on, where they are in int8: what is worth fetching ahead.
  func weights(from panel: Int = 0) -> UnsafeRawPointer? {
    guard case .int8(let linear, _) = self, let weights = linear.weights else { return nil }
    return UnsafeRawPointer(weights + panel * linear.groups * 128)
  }

  /// Computes ranges of panels, one after the other, for some rows, from floats or from quantised rows, as the linear wants.
  ///
  /// - Parameter next: the weights that are computed with after this.
  func run(
    _ calls: bk_kernels, floats: UnsafePointer<Float>, stride: Int, bytes: UnsafePointer<UInt8>?,
    scales: UnsafePointer<Float>?, rows: Int, panels: [bk_panels], _ output: bk_output,
    next: UnsafeRawPointer?, _ scratch: WorkerScratch
  ) {
    var output = output
    switch self {
    case .float(var linear):
      calls.linear_f32(
        &linear, floats, stride, rows, panels, panels.count, &output)
    case .int8(var linear, _):
      calls.linear_s8(
        &linear, bytes, rowBytes, scales, rows, panels, panels.count, &output, next,
        scratch.kernel.base)
    }
  }
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
    guard source.find(name + QuantizedPart.weight) != nil else { return nil }
    func floats(_ part: String, _ count: Int) throws(BertError) -> UnsafePointer<Float> {
      try source.require(name + part, .float32, [count]).floats
    }
    let weight = try source.require(
      name + QuantizedPart.weight, .int8, [outputs, inputs], .int8Panels)
    let linear = bk_linear_s8(
      outputs: outputs, groups: (inputs + 3) / 4,
      weights: weight.bytes.assumingMemoryBound(to: Int8.self).baseAddress,
      scale: try floats(QuantizedPart.scale, outputs),
      column_sum: try floats(QuantizedPart.columnSum, outputs),
      bias: try floats(QuantizedPart.bias, outputs))
    let input = bk_input(
      depth: inputs, multiplier: try floats(QuantizedPart.multiplier, inputs),
      rotation: try loadRotation(name, inputs: inputs, from: source))
    return .int8(linear, input)
  }

  private static func loadRotation(
    _ name: String, inputs: Int, from source: any WeightSource
  ) throws(BertError) -> Int32 {
    let view = try source.require(name + QuantizedPart.rotation, .int32, [1])
    let rotation = view.bytes.loadUnaligned(as: Int32.self)
    let known = Int32(
      BK_ROTATE_VECTORS.rawValue | BK_ROTATE_THIRDS.rawValue | BK_ROTATE_LANES.rawValue)
    guard rotation & ~known == 0, rotation == 0 || inputs % Int(BK_LANES) == 0 else {
      throw BertError(
        .malformed,
        "is \(rotation) for \(inputs) inputs; expected a combination of the bits "
          + "\(known), and 0 unless the inputs are a multiple of \(BK_LANES)", tensor: view.name)
    }
    return rotation
  }
}

extension TensorView {
  /// The elements as floats; only for a view that was required as such, so it is never empty.
  var floats: UnsafePointer<Float> {
    UnsafePointer(bytes.assumingMemoryBound(to: Float.self).baseAddress.unsafelyUnwrapped)
  }
}
