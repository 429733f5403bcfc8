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
  /// `[N, K]`, C order, each -127...127.
  public var weights: [Int8]
  /// `[N]`.
  public var scale: [Float]
  /// `[N]`.
  public var bias: [Float]
  /// `[K]`.
  public var multiplier: [Float]
  /// Which parts of the rotation apply.
  public var rotation: Rotation

  /// Each output's sum of weights: below 127 · 65 536 < 2²⁴, so a float holds it exactly.
  public var columnSums: [Float] {
    (0..<outputs).map { n in
      Float(weights[(n * inputs)..<((n + 1) * inputs)].reduce(0) { $0 + Int($1) })
    }
  }

  /// The requirements of the file's tensors for the linear called `name`, in file order.
  public static func tensors(
    _ name: String, outputs: Int, inputs: Int
  ) -> [(requirement: TensorRequirement, elementType: ElementType)] {
    typealias Part = QuantizedPart
    return [
      (TensorRequirement(name + Part.weight, [outputs, inputs], .int8Panels), .int8),
      (TensorRequirement(name + Part.scale, [outputs]), .float32),
      (TensorRequirement(name + Part.columnSum, [outputs]), .float32),
      (TensorRequirement(name + Part.bias, [outputs]), .float32),
      (TensorRequirement(name + Part.multiplier, [inputs]), .float32),
      (TensorRequirement(name + Part.rotation, [1]), .int32),
    ]
  }

  /// Adds the linear's tensors to a store.
  public func add(to store: TensorStore, named name: String) throws(BertError) {
    typealias Part = QuantizedPart
    try store.add(name + Part.weight, .int8, [outputs, inputs], .int8Panels) { bytes in
      weights.withUnsafeBufferPointer {
        bk_pack_s8(
          $0.baseAddress, outputs, inputs, bytes.assumingMemoryBound(to: Int8.self).baseAddress)
      }
    }
    try store.add(name + Part.scale, .float32, [outputs], scale)
    try store.add(name + Part.columnSum, .float32, [outputs], columnSums)
    try store.add(name + Part.bias, .float32, [outputs], bias)
    try store.add(name + Part.multiplier, .float32, [inputs], multiplier)
    try store.add(name + Part.rotation, .int32, [1], [rotation.rawValue])
  }
}

extension QuantizedLinear {
  /// Rounds each output's weights to the nearest of 255 levels, looking at no text.
  ///
  /// - Parameters:
  ///   - weight: `[outputs, inputs]`, C order.
  ///   - bias: `[outputs]`.
  ///   - balance: `[inputs]`, what each input is multiplied by before it is rotated.
  ///   - rotation: what mixes the inputs.
  public static func roundToNearest(
    weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, outputs: Int, inputs: Int,
    balance: [Float], rotation: Rotation, kernels: KernelSet
  ) -> QuantizedLinear {
    let inverse = rotation.weightMultiplier(balance)
    var rotated = [Float](repeating: 0, count: inputs)
    var weights = [Int8](repeating: 0, count: outputs * inputs)
    var scale = [Float](repeating: 1, count: outputs)
    for n in 0..<outputs {
      rotation.apply(weight + n * inputs, multiplier: inverse, to: &rotated, kernels)
      let largest = rotated.reduce(Float(0)) { max($0, abs($1)) }
      // A row of zeros, or of values too small for their reciprocal: all levels are zero.
      guard largest > 1e-30 else { continue }
      scale[n] = largest / 127
      for k in 0..<inputs {
        let level = (rotated[k] / scale[n]).rounded(.toNearestOrEven)
        weights[n * inputs + k] = Int8(max(-127, min(127, level)))
      }
    }
    return QuantizedLinear(
      outputs: outputs, inputs: inputs, weights: weights, scale: scale,
      bias: Array(UnsafeBufferPointer(start: bias, count: outputs)),
      multiplier: rotation.inputMultiplier(balance), rotation: rotation)
  }
}
