import Fixtures
import Testing

@testable import TensorFiles

/// What is said of a tensor's values.
struct TensorStatisticsTests {
  static func of(_ values: [Float]) -> TensorStatistics {
    values.withUnsafeBufferPointer { TensorStatistics($0) }
  }

  @Test func theyAreThoseOfTheDefinition() {
    var random = SeededGenerator(seed: 3)
    for count in [0, 1, 2, 15, 16, 17, 33, 100, 1000] {
      for kinds in 0..<4 {
        let values = (0..<count).map { _ -> Float in
          switch Int.random(in: 0..<20, using: &random) {
          case 0 where kinds > 0: .nan
          case 1 where kinds > 1: .infinity
          case 2 where kinds > 2: -.infinity
          default: Float.random(in: -8...8, using: &random)
          }
        }
        let finite = values.filter(\.isFinite)
        let found = Self.of(values)
        #expect(found.minimum == finite.min() && found.maximum == finite.max(), "\(count)")
        #expect(found.nonFinite == count - finite.count)
      }
    }
  }

  @Test func extremesAreFound() {
    let most = Float.greatestFiniteMagnitude
    let values = [Float](repeating: 0, count: 20) + [most, -most, .leastNonzeroMagnitude]
    let found = Self.of(values)
    #expect(found.minimum == -most && found.maximum == most && found.nonFinite == 0)
    let none = Self.of([.nan, .infinity])
    #expect(none.minimum == nil && none.maximum == nil && none.nonFinite == 2)
  }
}
