import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// A linear in int8: what the `.int8.*` tensors of a file hold.
public struct QuantizedLinear: Sendable {
  /// Outputs N.
  public var outputs: Int
  /// Inputs K.
  public var inputs: Int
  /// `[N, K + E]`, C order, each -127...127.
  public var weights: [Int8]
  /// `[N]`.
  public var scale: [Float]
  /// `[N]`, the shift folded in.
  public var bias: [Float]
  /// `[K]`.
  public var multiplier: [Float]
  /// `[K]`.
  public var shift: [Float]
  /// `[K + E]`.
  public var dither: [Float]
  /// `[E]`.
  public var source: [Int32]

  /// E, the columns that copy an input.
  public var extra: Int { source.count }

  /// Each output's sum of weights: below 127 · 65 536 < 2²⁴, so a float holds it exactly.
  public var columnSums: [Float] {
    let depth = inputs + extra
    return (0..<outputs).map { n in
      Float(weights[(n * depth)..<((n + 1) * depth)].reduce(0) { $0 + Int($1) })
    }
  }

  /// The requirements of the file's tensors for the linear called `name`, in file order.
  public static func tensors(
    _ name: String, outputs: Int, inputs: Int, extra: Int
  ) -> [(requirement: TensorRequirement, elementType: ElementType)] {
    typealias Part = QuantizedPart
    let depth = inputs + extra
    var list: [(TensorRequirement, ElementType)] = [
      (TensorRequirement(name + Part.weight, [outputs, depth], .int8Panels), .int8),
      (TensorRequirement(name + Part.scale, [outputs]), .float32),
      (TensorRequirement(name + Part.columnSum, [outputs]), .float32),
      (TensorRequirement(name + Part.bias, [outputs]), .float32),
      (TensorRequirement(name + Part.multiplier, [inputs]), .float32),
      (TensorRequirement(name + Part.shift, [inputs]), .float32),
      (TensorRequirement(name + Part.dither, [depth]), .float32),
    ]
    if extra > 0 { list.append((TensorRequirement(name + Part.source, [extra]), .int32)) }
    return list.map { (requirement: $0.0, elementType: $0.1) }
  }

  /// Adds the linear's tensors to a store.
  public func add(to store: TensorStore, named name: String) throws(BertError) {
    typealias Part = QuantizedPart
    try store.add(name + Part.weight, .int8, [outputs, inputs + extra], .int8Panels) { bytes in
      weights.withUnsafeBufferPointer {
        bk_pack_s8(
          $0.baseAddress, outputs, inputs + extra,
          bytes.assumingMemoryBound(to: Int8.self).baseAddress)
      }
    }
    try store.add(name + Part.scale, .float32, [outputs], scale)
    try store.add(name + Part.columnSum, .float32, [outputs], columnSums)
    try store.add(name + Part.bias, .float32, [outputs], bias)
    try store.add(name + Part.multiplier, .float32, [inputs], multiplier)
    try store.add(name + Part.shift, .float32, [inputs], shift)
    try store.add(name + Part.dither, .float32, [inputs + extra], dither)
    if extra > 0 { try store.add(name + Part.source, .int32, [extra], source) }
  }
}

extension QuantizedLinear {
  /// Rounds each output's weights to the nearest of 255 levels, looking at nothing else.
  ///
  /// - Parameters:
  ///   - weight: `[outputs, inputs]`, C order.
  ///   - bias: `[outputs]`.
  public static func roundToNearest(
    weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, outputs: Int, inputs: Int
  ) -> QuantizedLinear {
    var weights = [Int8](repeating: 0, count: outputs * inputs)
    var scale = [Float](repeating: 1, count: outputs)
    for n in 0..<outputs {
      let row = UnsafeBufferPointer(start: weight + n * inputs, count: inputs)
      let largest = row.reduce(Float(0)) { max($0, abs($1)) }
      // A row of zeros, or of values too small for their reciprocal: all levels are zero.
      guard largest > 1e-30 else { continue }
      scale[n] = largest / 127
      for k in 0..<inputs {
        let level = (row[k] / scale[n]).rounded(.toNearestOrEven)
        weights[n * inputs + k] = Int8(max(-127, min(127, level)))
      }
    }
    return QuantizedLinear(
      outputs: outputs, inputs: inputs, weights: weights, scale: scale,
      bias: Array(UnsafeBufferPointer(start: bias, count: outputs)),
      multiplier: [Float](repeating: 1, count: inputs),
      shift: [Float](repeating: 0, count: inputs),
      dither: [Float](repeating: 0, count: inputs), source: [])
  }
}
