import BertModel

/// Tables by distance, made of published tensors: the table of distances that all layers share, its norm, and a linear.
///
/// Sums are in binary64, in the order of the inputs, and rounded once: a file is the same wherever it is converted.
struct RelativeParts: Sendable {
  /// What the plan calls the published table of distances.
  static let table = "relative.table"
  /// The stem of its norm.
  static let norm = "relative.norm"
  /// The stem of a layer's linear for keys of distances, where it is there for nothing else.
  static func keys(_ layer: Int) -> String { "relative.\(layer).keys" }
  /// The same for queries.
  static func queries(_ layer: Int) -> String { "relative.\(layer).queries" }

  /// The canonical tensors that are made so.
  let names: Set<String>
  private let distances: RelativeDistances
  private let width: Int
  private let epsilon: Double

  init(_ distances: RelativeDistances, _ configuration: BertConfiguration) {
    self.distances = distances
    width = configuration.hiddenSize
    epsilon = Double(configuration.layerNormEpsilon)
    names = Set(
      (0..<configuration.storedLayerCount).flatMap {
        configuration.relativeTables($0).map(\.name)
      })
  }

  /// A table `[classes of distances, hidden]`.
  ///
  /// - Parameter parts: the published table; its norm's weight and bias, if it has one; the linear's weight and bias.
  func table(_ parts: [[Float]]) -> [Float] {
    let (weight, bias) = (parts[parts.count - 2], parts[parts.count - 1])
    let rows = distances.rows.map { row in
      let values = parts[0][row * width..<(row + 1) * width].map { Double($0) }
      return distances.isNormalised ? normalised(values, parts[1], parts[2]) : values
    }
    return product(rows.flatMap { $0 }, weight, bias)
  }

  private func normalised(_ x: [Double], _ weight: [Float], _ bias: [Float]) -> [Double] {
    let mean = x.reduce(0, +) / Double(width)
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
    let deviation = (variance + epsilon).squareRoot()
    return x.indices.map { (x[$0] - mean) / deviation * Double(weight[$0]) + Double(bias[$0]) }
  }

  /// Rows of x times the transposed weight, plus the bias: several rows at once, which share each number of the weight.
  private func product(_ x: [Double], _ weight: [Float], _ bias: [Float]) -> [Float] {
    let count = x.count / width
    var y = [Float](repeating: 0, count: x.count)
    for first in stride(from: 0, to: count, by: 8) {
      // Lane r of input i is that of row first + r; lanes behind the last row stay 0.
      let block = (0..<width).map { input in
        var lanes = SIMD8<Double>()
        for row in first..<min(first + 8, count) { lanes[row - first] = x[row * width + input] }
        return lanes
      }
      block.withUnsafeBufferPointer { block in
        weight.withUnsafeBufferPointer { weight in
          for output in 0..<width {
            var sum = SIMD8<Double>()
            for input in 0..<width { sum += block[input] * Double(weight[output * width + input]) }
            for row in first..<min(first + 8, count) {
              y[row * width + output] = Float(sum[row - first] + Double(bias[output]))
            }
          }
        }
      }
    }
    return y
  }
}
