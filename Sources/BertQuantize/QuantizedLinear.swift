import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// A linear in int8: what the `.int8.*` tensors of a file hold.
package struct QuantizedLinear: Sendable {
  /// Outputs N.
  package var outputs: Int
  /// Inputs K.
  package var inputs: Int
  /// `[N, K]`, C order, each -127...127.
  package var weights: [Int8]
  /// `[N]`.
  package var scale: [Float]
  /// `[N]`.
  package var bias: [Float]
  /// `[K]`.
  package var multiplier: [Float]
  /// Which parts of the rotation apply.
  package var rotation: Rotation

  /// Each output's sum of weights: at most 128 · 65 536 = 2²³, so a float holds it exactly.
  package var columnSums: [Float] {
    (0..<outputs).map { n in
      Float(weights[(n * inputs)..<((n + 1) * inputs)].reduce(0) { $0 + Int($1) })
    }
  }

  /// The requirements of the file's tensors for the linear called `name`, in file order.
  package static func tensors(
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
  package func add(to store: TensorStore, named name: String) throws(BertError) {
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
  /// Weights so large that rotating them overflows are rounded unrotated and unbalanced instead.
  ///
  /// - Parameters:
  ///   - weight: `[outputs, inputs]`, C order.
  ///   - bias: `[outputs]`.
  ///   - balance: `[inputs]`, what each input is multiplied by before it is rotated.
  ///   - rotation: what rotates the inputs.
  ///   - team: shares the rows; nil for the caller's thread alone. The result is the same.
  /// - Throws: `system` when there is no memory.
  package static func roundToNearest(
    weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, outputs: Int, inputs: Int,
    balance: [Float], rotation: Rotation, kernels: KernelSet, team: ThreadTeam? = nil
  ) throws(BertError) -> QuantizedLinear {
    var made = QuantizedLinear(
      outputs: outputs, inputs: inputs, weights: [Int8](repeating: 0, count: outputs * inputs),
      scale: [Float](repeating: 1, count: outputs),
      bias: Array(UnsafeBufferPointer(start: bias, count: outputs)),
      multiplier: rotation.inputMultiplier(balance), rotation: rotation)
    let team = team ?? ThreadTeam(count: 1)
    if try made.round(weight, by: rotation.weightMultiplier(balance), kernels, team) { return made }
    let ones = [Float](repeating: 1, count: inputs)
    made.multiplier = ones
    made.rotation = []
    _ = try made.round(weight, by: ones, kernels, team)
    return made
  }

  /// Fills in levels and scales; false when a rotated row is not finite.
  private mutating func round(
    _ weight: UnsafePointer<Float>, by inverse: [Float], _ kernels: KernelSet, _ team: ThreadTeam
  ) throws(BertError) -> Bool {
    let (outputs, inputs, rotation) = (outputs, inputs, rotation)
    let rows = try team.each { () throws(BertError) in
      try AlignedBuffer(quantizing: roundUp(inputs, to: 16))
    }
    let counter = WorkCounter()
    weights.withUnsafeMutableBufferPointer { levels in
      scale.withUnsafeMutableBufferPointer { scale in
        guard let levels = levels.baseAddress, let scale = scale.baseAddress else { return }
        team.run { worker in
          let row = rows[worker].floats
          counter.each(below: blockCount(outputs)) { block in
            for n in blockOfRows(block, of: outputs) {
              rotation.apply(weight + n * inputs, multiplier: inverse, to: row, kernels.calls)
              scale[n] = RowRounding.scale(peak: RowRounding.peak(row, inputs))
              guard scale[n].isFinite else { continue }
              RowRounding.nearest(row, inputs, scale: scale[n], to: levels + n * inputs)
            }
          }
        }
      }
    }
    return scale.allSatisfy(\.isFinite)
  }
}
