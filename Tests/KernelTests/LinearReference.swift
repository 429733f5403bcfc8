import BertKernels
import Testing

/// The numeric contract of a linear, one scalar at a time.
extension LinearCase {
  /// The exact integer sum of one row and output.
  func sum(row: Int, output: Int) -> Int64 {
    var sum: Int64 = 0
    for k in 0..<depth {
      sum += (Int64(q.base[row * rowStride + k]) - 128) * Int64(weights[output * depth + k])
    }
    return sum
  }

  /// What `out` holds at one place; only for activations none and ReLU.
  func expected(row: Int, output n: Int, float: Bool) throws -> Float {
    var y: Float
    if float {
      y = 0
      for k in 0..<depth {
        y.addProduct(x.base[row * rowStride + k], floatWeights[n * depth + k])
      }
      y += bias.base[n]
    } else {
      let exact = try #require(Int32(exactly: sum(row: row, output: n)))
      y = bias.base[n].addingProduct(Float(exact) * rowScales.base[row], scale.base[n])
    }
    if activation == BK_ACT_RELU { y = y > 0 ? y : 0 }
    return hasResidual ? y + residual.base[row * residualStride + n] : y
  }
}

/// The numeric contract of reductions and quantising, one scalar at a time.
enum Reference {
  /// 16 lanes by halves.
  static func reduce(_ lanes: [Float], _ combine: (Float, Float) -> Float) -> Float {
    var lanes = lanes
    var width = 8
    while width > 0 {
      for lane in 0..<width { lanes[lane] = combine(lanes[lane], lanes[lane + width]) }
      width /= 2
    }
    return lanes[0]
  }

  static func laneSum(_ values: [Float]) -> Float {
    var lanes = [Float](repeating: 0, count: 16)
    for (index, value) in values.enumerated() { lanes[index % 16] += value }
    return reduce(lanes, +)
  }

  static func laneSumOfSquares(_ values: [Float]) -> Float {
    var lanes = [Float](repeating: 0, count: 16)
    for (index, value) in values.enumerated() { lanes[index % 16].addProduct(value, value) }
    return reduce(lanes, +)
  }

  /// The nearest integer of a small value, ties to even.
  static func rounded(_ value: Float) -> Int { Int(value.rounded(.toNearestOrEven)) }
}
