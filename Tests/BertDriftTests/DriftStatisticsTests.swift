import BertErrors
import BertModel
import Fixtures
import JSONText
import SystemLibrary
import Testing

@testable import BertDrift

/// Numbers of a drift, against values worked out by hand or by NumPy and SciPy.
struct DriftStatisticsTests {
  private func drift(_ pairs: [([Float], [Float])], keepsCosines: Bool = false) -> VectorDrift {
    var drift = VectorDrift(keepsCosines: keepsCosines)
    for (a, b) in pairs { drift.add(reference: a, other: b, width: a.count) }
    return drift
  }

  @Test func nothingComparedIsNoDrift() {
    let none = VectorDrift()
    #expect(none.sqnr == .infinity && none.cosineMean == 1 && none.cosineWorst == 1)
    #expect(none.largestDifference == 0 && none.cosineFirstPercentile == nil && none.count == 0)
  }

  @Test func twoVectorsByHand() {
    // Signal 25 + 4 = 29, noise 1 + 4 = 5; cosines 20/(5·√17) and 0.
    let found = drift([([3, 4], [4, 4]), ([2, 0], [0, 0])])
    #expect(abs(found.sqnr - 10 * log10(29.0 / 5)) < 1e-12)
    #expect(found.cosineWorst.isNaN && found.worstIndex == 1)
    let other = drift([([3, 4], [4, 4]), ([2, 0], [2, 2])])
    let cosines = [28 / (5 * 32.0.squareRoot()), 4 / (2 * 8.0.squareRoot())]
    #expect(abs(other.cosineMean - (cosines[0] + cosines[1]) / 2) < 1e-12)
    #expect(abs(other.cosineWorst - cosines[1]) < 1e-12)
    #expect(other.largestDifference == 2 && other.count == 2)
  }

  @Test func aLongVectorAsNumPySaysIt() {
    let reference = (0..<1000).map { Float(($0 * 37 % 101) - 50) / 16 }
    let other = reference.map { ($0 * 4).rounded(.toNearestOrEven) / 4 }
    let found = drift([(reference, other)])
    #expect(abs(found.sqnr - 27.466_025_759_367_344) < 1e-9)
    #expect(abs(found.cosineMean - 0.999_103_477_694_776) < 1e-12)
    #expect(found.largestDifference == 0.125)
  }

  @Test func zeroVectorsThatAgreeAreTheSame() {
    let found = drift([([0, 0], [0, 0])])
    #expect(found.cosineWorst == 1 && found.sqnr == .infinity && found.largestDifference == 0)
  }

  /// One NaN among many good vectors must show in every number that it touches.
  @Test func aNaNIsNotHidden() {
    let good: ([Float], [Float]) = ([1, 2], [1, 2.01])
    let found = drift([good, ([1, 2], [.nan, 2]), good])
    #expect(found.sqnr.isNaN && found.cosineMean.isNaN && found.cosineWorst.isNaN)
    #expect(found.largestDifference.isNaN && found.worstIndex == 1)
  }

  @Test func theFirstPercentileIsTheHundredthPart() {
    // Cosines of (1, 0) with (1, t) fall as t grows.
    let pairs = (0..<250).map { ([1, 0] as [Float], [1, Float($0) / 100]) }
    let found = drift(pairs, keepsCosines: true)
    let third = 1 / (1 + 2.47 * 2.47).squareRoot()
    #expect(abs((found.cosineFirstPercentile ?? 0) - third) < 1e-6)
    #expect(found.worstIndex == 249)
  }

  // MARK: Ranks

  /// scipy.stats.spearmanr of the same numbers.
  static let correlations: [([Double], [Double], Double?)] = [
    ([1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0.820_782_681_668_123_3),
    ([1, 2, 3], [10, 20, 30], 1),
    ([1, 2, 3], [3, 2, 1], -1),
    ([1, 2, 2, 3], [1, 3, 2, 4], 0.948_683_298_050_513_8),
    ([1, 1, 2, 2, 3, 3], [1, 2, 1, 2, 1, 2], 0),
    ([0.1, 0.1, 0.1, 0.4], [0.2, 0.3, 0.2, 0.9], 0.816_496_580_927_726_1),
    (
      [106, 100, 86, 101, 99, 103, 97, 113, 112, 110], [7, 27, 2, 50, 28, 29, 20, 12, 6, 17],
      -0.175_757_575_757_575_76
    ),
    ([1, 1, 1], [1, 2, 3], nil), ([1], [1], nil), ([], [], nil), ([1, 2], [1], nil),
  ]

  @Test(arguments: correlations.indices)
  func rankCorrelationsAreThoseOfSciPy(_ index: Int) {
    let (a, b, expected) = Self.correlations[index]
    let found = Ranking.spearman(a, b)
    if let expected {
      #expect(abs((found ?? 9) - expected) < 1e-12)
    } else {
      #expect(found == nil)
    }
  }

  @Test func tiesShareTheirMeanRank() {
    #expect(Ranking.ranks([10, 20, 20, 5, 20]) == [2, 4, 4, 1, 4])
    #expect(Ranking.ranks([]) == [])
    #expect(Ranking.ranks([-0.0, 0.0]) == [1.5, 1.5])
  }
}
