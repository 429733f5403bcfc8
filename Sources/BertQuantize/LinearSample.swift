import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// Some of the rows that went into a linear during calibration, to measure its outputs with.
final class LinearSample {
  /// The most rows kept.
  static let mostRows = 512

  private let inputs: Int
  private let rows: AlignedBuffer
  private let capacity: Int
  private(set) var count = 0

  init(inputs: Int, capacity: Int) throws(BertError) {
    self.inputs = inputs
    self.capacity = capacity
    rows = try AlignedBuffer(quantizing: capacity * inputs)
  }

  func add(_ row: UnsafePointer<Float>) {
    guard count < capacity else { return }
    (rows.floats + count * inputs).update(from: row, count: inputs)
    count += 1
  }

  /// 10·log₁₀(Σ y² / Σ (y' - y)²) of the linear's outputs y in float32 and y' in int8, its inputs
  /// rounded as in a run.
  ///
  /// - Parameter float: the weights in float panels.
  func sqnr(
    of linear: QuantizedLinear, float: UnsafePointer<Float>, kernels: KernelSet, team: ThreadTeam
  ) throws(BertError) -> Double {
    let packed = try PackedLinear(linear)
    let compared = try team.each { () throws(BertError) in
      try ComparedLinear(
        float: packed.float(float), int8: packed.int8, input: packed.input, kernels: kernels,
        advice: "calibrate with fewer threads")
    }
    var sums = [VectorDifference](repeating: VectorDifference(), count: blockCount(count))
    let counter = WorkCounter()
    sums.withUnsafeMutableBufferPointer { sums in
      team.run { worker in
        counter.each(below: sums.count) { block in
          let rows = blockOfRows(block, of: count)
          compared[worker].compare(
            rows.count, self.rows.floats + rows.lowerBound * inputs, stride: inputs
          ) { y, found, width in sums[block].add(reference: y, other: found, width: width) }
        }
      }
    }
    return sums.reduce(into: VectorDifference()) { $0.add($1) }.sqnr
  }
}

/// A quantised linear as the kernels want it.
private final class PackedLinear: @unchecked Sendable {
  let outputs: Int
  let inputs: Int
  private let weights: AlignedBuffer
  private let values: AlignedBuffer
  private let rotation: Int32

  init(_ linear: QuantizedLinear) throws(BertError) {
    outputs = linear.outputs
    inputs = linear.inputs
    rotation = linear.rotation.rawValue
    // Bytes: a float has room for a group of four.
    weights = try AlignedBuffer(
      quantizing: roundUp(outputs, to: BK_PANEL) * (roundUp(inputs, to: BK_GROUP) / BK_GROUP))
    bk_pack_s8(
      linear.weights, outputs, inputs, weights.base.assumingMemoryBound(to: Int8.self))
    values = try AlignedBuffer(quantizing: 3 * outputs + inputs)
    for (index, part) in [linear.scale, linear.columnSums, linear.bias].enumerated() {
      (values.floats + index * outputs).update(from: part, count: outputs)
    }
    (values.floats + 3 * outputs).update(from: linear.multiplier, count: inputs)
  }

  var int8: bk_linear_s8 {
    bk_linear_s8(
      outputs: outputs, groups: (inputs + BK_GROUP - 1) / BK_GROUP,
      weights: weights.base.assumingMemoryBound(to: Int8.self), scale: values.floats,
      column_sum: values.floats + outputs, bias: values.floats + 2 * outputs)
  }

  var input: bk_input {
    bk_input(depth: inputs, multiplier: values.floats + 3 * outputs, rotation: rotation)
  }

  func float(_ weights: UnsafePointer<Float>) -> bk_linear_f32 {
    bk_linear_f32(
      outputs: outputs, depth: inputs, weights: weights, bias: values.floats + 2 * outputs)
  }
}
