import BertErrors
import BertKernels
import BertModel

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
    let calls = kernels.calls
    let comparisons = try team.each { () throws(BertError) in try Comparison(packed, calls) }
    var sums = [(signal: Double, noise: Double)](repeating: (0, 0), count: blockCount(count))
    let counter = WorkCounter()
    sums.withUnsafeMutableBufferPointer { sums in
      team.run { worker in
        counter.each(below: sums.count) { block in
          let rows = blockOfRows(block, of: count)
          sums[block] = comparisons[worker].compare(
            self.rows.floats + rows.lowerBound * inputs, count: rows.count, float: float)
        }
      }
    }
    let signal = sums.reduce(0) { $0 + $1.signal }
    let noise = sums.reduce(0) { $0 + $1.noise }
    return decibels(signal, over: noise)
  }
}

/// 10·log₁₀(signal / noise), rounded alike on every CPU; infinite without noise.
func decibels(_ signal: Double, over noise: Double) -> Double {
  guard noise > 0 else { return .infinity }
  guard signal > 0 else { return -.infinity }
  return (Balance.log2(signal) - Balance.log2(noise)) * 3.010_299_956_639_812
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
    weights = try AlignedBuffer(quantizing: roundUp(outputs, to: 32) * (roundUp(inputs, to: 4) / 4))
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
      outputs: outputs, groups: (inputs + 3) / 4,
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

/// A worker's memory for comparing a block of rows.
private final class Comparison {
  private let linear: PackedLinear
  private let calls: bk_kernels
  private let stride: Int
  private let expected: AlignedBuffer
  private let found: AlignedBuffer
  private let bytes: AlignedBuffer
  private let scales: AlignedBuffer
  private let row: AlignedBuffer
  private let scratch: AlignedBuffer

  init(_ linear: PackedLinear, _ calls: bk_kernels) throws(BertError) {
    self.linear = linear
    self.calls = calls
    let rows = FloatProduct.blockRows
    stride = roundUp(linear.outputs, to: 32)
    expected = try AlignedBuffer(quantizing: rows * stride)
    found = try AlignedBuffer(quantizing: rows * stride)
    bytes = try AlignedBuffer(quantizing: rows * (roundUp(linear.inputs, to: 64) / 4))
    scales = try AlignedBuffer(quantizing: rows)
    row = try AlignedBuffer(quantizing: BK_QUANTIZE_ROWS * linear.inputs)
    scratch = try AlignedBuffer(
      quantizing: roundUp(calls.linear_s8_scratch(rows, linear.int8.groups), to: 4) / 4)
  }

  func compare(
    _ x: UnsafePointer<Float>, count: Int, float: UnsafePointer<Float>
  ) -> (signal: Double, noise: Double) {
    let (inputs, panels) = (linear.inputs, stride / 32)
    var (int8, input, reference) = (linear.int8, linear.input, linear.float(float))
    var output = bk_output(
      out: expected.floats, stride: stride, residual: nil, residual_stride: 0,
      activation: BK_ACT_NONE)
    var all = bk_panels(first: 0, last: panels)
    calls.linear_f32(&reference, x, inputs, count, &all, 1, &output)
    calls.quantize_rows(
      &input, x, inputs, count, bytes.bytes, roundUp(inputs, to: 64), scales.floats, row.floats)
    output.out = found.floats
    calls.linear_s8(
      &int8, bytes.bytes, roundUp(inputs, to: 64), scales.floats, count, &all, 1, &output, nil,
      scratch.base)
    var (signal, noise) = (0.0, 0.0)
    for r in 0..<count {
      for n in 0..<linear.outputs {
        let y = Double(expected.floats[r * stride + n])
        let difference = Double(found.floats[r * stride + n]) - y
        signal += y * y
        noise += difference * difference
      }
    }
    return (signal, noise)
  }
}
