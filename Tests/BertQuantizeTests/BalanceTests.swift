import BertRuntime
import SystemLibrary
import Testing

@testable import BertQuantize

/// What inputs are multiplied by.
struct BalanceTests {
  @Test func logarithmsAndPowersAreThoseOfTheLibrary() {
    for x in [1e-300, 3e-9, 0.1, 0.7, 0.70711, 1, 1.41421, 1.5, 2, 3, 10, 12345.678, 1e300] {
      #expect(abs(SeriesMath.log2(x) - log2(x)) <= 1e-13 * max(1, abs(log2(x))))
    }
    for x in [-40.0, -3, -1.5, -0.5, -0.1, 0, 0.3, 0.5, 1, 2.99, 40] {
      #expect(abs(SeriesMath.exp2(x) - exp2(x)) <= 1e-13 * exp2(x))
    }
  }

  @Test func factorsFollowTheFormula() {
    let (inputs, weights) = ([1.0, 4, 0.25, 2, 9], [2.0, 1, 8, 0.5, 3])
    let raw = zip(inputs, weights).map { pow($1 / $0, 0.2) }
    let mean = pow(raw.reduce(1, *), 1.0 / 5)
    let found = Balance.factors(inputs: inputs, weights: weights, exponent: 0.2)
    for (factor, value) in zip(found, raw) { #expect(abs(Double(factor) - value / mean) < 1e-6) }
  }

  @Test func noFactorIsBeyondTheBound() {
    let found = Balance.factors(
      inputs: [1e-30, 1, 1, 1, 1e20], weights: [1e20, 1, 1, 1, 1e-30], exponent: 2)
    #expect(found.allSatisfy { $0 >= 0.125 && $0 <= 8 })
    #expect(found.first == 8 && found.last == 0.125)
  }

  static let useless: [(inputs: [Double], weights: [Double])] = [
    ([0, 0, 0], [1, 2, 3]), ([1, 2, 3], [0, 0, 0]), ([.nan, 1, 1], [1, 1, 1]),
    ([1, 1, 1], [.infinity, 1, 1]),
  ]

  @Test(arguments: useless.indices)
  func nothingToGoByMeansNoBalance(_ index: Int) {
    let (inputs, weights) = Self.useless[index]
    #expect(Balance.factors(inputs: inputs, weights: weights, exponent: 0.2) == [1, 1, 1])
  }

  @Test func aZeroInputStaysFinite() {
    let found = Balance.factors(inputs: [0, 1, 1], weights: [1, 0, 1], exponent: 0.2)
    #expect(found.allSatisfy { $0.isFinite && $0 > 0 })
  }
}
