import BertRuntime

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
    var logarithms = zip(x, w).map { exponent * (SeriesMath.log2($1) - SeriesMath.log2($0)) }
    let mean = logarithms.reduce(0, +) / Double(max(logarithms.count, 1))
    let bound = SeriesMath.log2(most)
    for k in logarithms.indices { logarithms[k] = min(bound, max(-bound, logarithms[k] - mean)) }
    return logarithms.map { Float(SeriesMath.exp2($0)) }
  }

  /// Nil when there is nothing to balance: all are zero, or one is not finite.
  private static func floored(_ energies: [Double]) -> [Double]? {
    let mean = energies.reduce(0, +) / Double(max(energies.count, 1))
    guard mean > 0, mean.isFinite else { return nil }
    return energies.map { max($0, mean * floor) }
  }
}
