import BertErrors
import BertKernels
import BertModel

/// Rows that go into a linear: floats, or what an int8 linear makes of them.
struct LinearRows {
  let count: Int
  /// The first row; only a float linear reads it.
  let floats: UnsafePointer<Float>
  /// Floats from one row to the next.
  let stride: Int
  /// The first row quantised and its scale; only an int8 linear reads them.
  let bytes: UnsafePointer<UInt8>
  let scales: UnsafePointer<Float>
}

/// One linear, ready to run from the bytes of its source.
///
/// Safety: the pointers live as long as the `WeightSource` they came from, which whoever loads a step
/// keeps. Any number of threads may run it.
struct LinearStep {
  enum Arithmetic {
    case float(bk_linear_f32)
    case int8(bk_linear_s8, bk_input)
  }

  let arithmetic: Arithmetic
  let outputs: Int
  /// Bytes from one quantised row to the next.
  let rowBytes: Int

  init(_ linear: bk_linear_f32) {
    arithmetic = .float(linear)
    outputs = linear.outputs
    rowBytes = 0
  }

  init(_ linear: bk_linear_s8, _ input: bk_input) {
    arithmetic = .int8(linear, input)
    outputs = linear.outputs
    rowBytes = rowStride(bytes: linear.groups * BK_GROUP)
  }

  /// How floats become its quantised rows; nil for a float linear.
  var quantizing: bk_input? {
    guard case .int8(_, let input) = arithmetic else { return nil }
    return input
  }

  /// The weights from some panel on, where they are in int8: what is worth fetching ahead.
  func weights(from panel: Int = 0) -> UnsafeRawPointer? {
    guard case .int8(let linear, _) = arithmetic, let weights = linear.weights else { return nil }
    return UnsafeRawPointer(weights + panel * linear.groups * BK_GROUP * BK_PANEL)
  }

  /// Computes ranges of panels, one after the other, for some rows.
  ///
  /// - Parameters:
  ///   - panels: all of them when nil.
  ///   - next: the weights that are computed with after this.
  ///   - scratch: what an int8 linear of so many rows needs, aligned to 64 bytes.
  func run(
    _ calls: bk_kernels, _ rows: LinearRows, panels: [bk_panels]? = nil, _ output: bk_output,
    next: UnsafeRawPointer?, scratch: UnsafeMutableRawPointer
  ) {
    func run(_ panels: UnsafePointer<bk_panels>, _ ranges: Int) {
      var output = output
      switch arithmetic {
      case .float(var linear):
        calls.linear_f32(
          &linear, rows.floats, rows.stride, rows.count, panels, ranges, &output)
      case .int8(var linear, _):
        calls.linear_s8(
          &linear, rows.bytes, rowBytes, rows.scales, rows.count, panels, ranges, &output, next,
          scratch)
      }
    }
    if let panels {
      run(panels, panels.count)
    } else {
      var all = bk_panels(columns: 0..<outputs)
      run(&all, 1)
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
    return LinearStep(
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
      outputs: outputs, groups: (inputs + BK_GROUP - 1) / BK_GROUP,
      weights: weight.bytes.assumingMemoryBound(to: Int8.self).baseAddress,
      scale: try floats(QuantizedPart.scale, outputs),
      column_sum: try floats(QuantizedPart.columnSum, outputs),
      bias: try floats(QuantizedPart.bias, outputs))
    let input = bk_input(
      depth: inputs, multiplier: try floats(QuantizedPart.multiplier, inputs),
      rotation: try loadRotation(name, inputs: inputs, from: source))
    return LinearStep(linear, input)
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
