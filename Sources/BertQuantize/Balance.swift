/// What each input of a linear is multiplied by before it is rotated and rounded.
///
/// A wide input with narrow weights is made narrower and its weights wider, and the other way
/// round, so that rounding either costs alike.
package enum Balance {
  /// How far balance goes: 0 leaves inputs as they are, 0.5 gives both sides the same width.
  package static let exponent = 0.2
  /// No input is multiplied by more, nor by less than one over it.
  static let most = 8.0
  /// What is below this part of the mean counts as this part.
  static let floor = 1e-3

  /// (weight energy / input energy)^exponent for each input, over their geometric mean.
  ///
  /// - Parameters:
  ///   - inputs: each input's mean square.
  ///   - weights: the sum of the squares of each input's weights.
  package static func factors(inputs: [Double], weights: [Double], exponent: Double) -> [Float] {
    guard let x = floored(inputs), let w = floored(weights), exponent != 0 else {
      return [Float](repeating: 1, count: inputs.count)
    }
    var logarithms = zip(x, w).map { exponent * (log2($1) - log2($0)) }
    let mean = logarithms.reduce(0, +) / Double(max(logarithms.count, 1))
    let bound = log2(most)
    for k in logarithms.indices { logarithms[k] = min(bound, max(-bound, logarithms[k] - mean)) }
    return logarithms.map { Float(exp2($0)) }
  }

  /// Nil when there is nothing to balance: all are zero, or one is not finite.
  private static func floored(_ energies: [Double]) -> [Double]? {
    let mean = energies.reduce(0, +) / Double(max(energies.count, 1))
    guard mean > 0, mean.isFinite else { return nil }
    return energies.map { max($0, mean * floor) }
  }

  // The C library's logarithm rounds differently on some CPUs; these do not, so that a file's bytes
  // do not depend on where it was made. About 10⁻¹⁴ off.

  /// The binary logarithm of a positive, normal number.
  static func log2(_ x: Double) -> Double {
    var exponent = Double(x.exponent)
    var m = x.significand
    if m > 1.414_213_562_373_095 {
      m /= 2
      exponent += 1
    }
    // ln m = 2 artanh s with |s| ≤ 0.172: s²⁹ is below 10⁻²².
    let s = (m - 1) / (m + 1)
    var sum = 0.0
    for power in stride(from: 27, through: 1, by: -2) { sum = sum * s * s + 1 / Double(power) }
    return exponent + 2 * s * sum / 0.693_147_180_559_945_3
  }

  /// Two to a power of moderate size.
  static func exp2(_ x: Double) -> Double {
    let whole = x.rounded(.toNearestOrEven)
    let y = (x - whole) * 0.693_147_180_559_945_3
    var sum = 1.0
    for n in stride(from: 16, through: 1, by: -1) { sum = 1 + y / Double(n) * sum }
    return Double(sign: .plus, exponent: Int(whole), significand: sum)
  }
}
