import BertRuntime
import JSONText

/// How far vectors of one path lie from those of another, summed over many vectors.
package struct VectorDrift: Sendable {
  /// Vectors compared.
  package private(set) var count = 0
  private var difference = VectorDifference()
  private var cosineSum = 0.0
  /// The least cosine of a pair; 1 before any.
  package private(set) var cosineWorst = 1.0
  /// Which pair had it, in order of `add`.
  package private(set) var worstIndex = 0
  /// The largest difference of any element.
  package var largestDifference: Double { difference.largest }
  /// Each cosine, when they are kept.
  package private(set) var cosines: [Float] = []
  private let keepsCosines: Bool

  /// Nothing compared yet.
  ///
  /// - Parameter keepsCosines: remembers each cosine, for percentiles.
  package init(keepsCosines: Bool = false) { self.keepsCosines = keepsCosines }

  /// Compares a vector with its reference.
  package mutating func add(
    reference: UnsafePointer<Float>, other: UnsafePointer<Float>, width: Int
  ) {
    var one = VectorDifference()
    one.add(reference: reference, other: other, width: width)
    difference.add(one)
    let cosine = one.cosine
    cosineSum += cosine
    // A NaN must not pass for a good value, nor a good one after it.
    if !cosineWorst.isNaN && !(cosine >= cosineWorst) {
      cosineWorst = cosine
      worstIndex = count
    }
    if keepsCosines { cosines.append(Float(cosine)) }
    count += 1
  }

  /// Adds what another sum compared.
  mutating func add(_ other: VectorDrift) {
    difference.add(other.difference)
    cosineSum += other.cosineSum
    if other.count > 0, !cosineWorst.isNaN, !(other.cosineWorst >= cosineWorst) {
      cosineWorst = other.cosineWorst
      worstIndex = count + other.worstIndex
    }
    cosines += other.cosines
    count += other.count
  }

  /// 10·log₁₀(Σ reference² / Σ difference²); infinite when there is no difference.
  package var sqnr: Double { difference.sqnr }
  /// The mean cosine; 1 when nothing was compared.
  package var cosineMean: Double { count == 0 ? 1 : cosineSum / Double(count) }

  /// The cosine that one in a hundred vectors falls short of.
  package var cosineFirstPercentile: Double? {
    guard !cosines.isEmpty else { return nil }
    if cosineWorst.isNaN { return .nan }
    // Kept in fewer digits than the worst, below which it is not.
    return max(Double(cosines.sorted()[cosines.count / 100]), cosineWorst)
  }
}

/// Whether similarities order texts alike: ranks, rank correlation and neighbours.
package struct RankingDrift: Sendable {
  /// Rank correlation of the similarities of every pair; nil for fewer than three texts.
  package let spearman: Double?
  /// The share of texts whose nearest other text stays the same; nil for fewer than three texts.
  package let top1: Double?
  /// The mean share of a text's ten nearest that stay among them; nil for fewer than twelve texts.
  package let top10: Double?

  /// Compares the embeddings of the same texts.
  init(reference: [[Float]], other: [[Float]]) {
    let a = Ranking.similarities(reference)
    let b = Ranking.similarities(other)
    let count = reference.count
    var lower: ([Double], [Double]) = ([], [])
    for i in 0..<count {
      lower.0 += a[(i * count)..<(i * count + i)]
      lower.1 += b[(i * count)..<(i * count + i)]
    }
    spearman = count > 2 ? Ranking.spearman(lower.0, lower.1) : nil
    func agreement(_ k: Int) -> Double {
      var shared = 0
      for i in 0..<count {
        let row = (i * count)..<((i + 1) * count)
        let x = Ranking.nearest(a[row], k, but: i)
        shared += Set(x).intersection(Ranking.nearest(b[row], k, but: i)).count
      }
      return Double(shared) / Double(count * k)
    }
    top1 = count > 2 ? agreement(1) : nil
    top10 = count > 11 ? agreement(10) : nil
  }
}

/// Ranks and rank correlation.
enum Ranking {
  /// Cosines of every text with every other, row by row.
  static func similarities(_ vectors: [[Float]]) -> [Double] {
    let units = vectors.map { vector -> [Float] in
      let length = vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      return length > 0 ? vector.map { Float(Double($0) / length) } : vector
    }
    let count = vectors.count
    var all = [Double](repeating: 1, count: count * count)
    for i in 0..<count {
      for j in 0..<i {
        var sum = 0.0
        for k in units[i].indices { sum += Double(units[i][k]) * Double(units[j][k]) }
        all[i * count + j] = sum
        all[j * count + i] = sum
      }
    }
    return all
  }

  /// The `k` most similar, without the text itself; of equal ones the first.
  static func nearest(_ row: ArraySlice<Double>, _ k: Int, but own: Int) -> [Int] {
    var best: [(index: Int, value: Double)] = []
    for (index, value) in row.enumerated() where index != own {
      if best.count == k, let last = best.last, value <= last.value { continue }
      let place = best.firstIndex { $0.value < value } ?? best.count
      best.insert((index: index, value: value), at: place)
      if best.count > k { best.removeLast() }
    }
    return best.map(\.index)
  }

  /// The place of the largest value; of equal ones the first.
  static func best(_ row: ArraySlice<Float>) -> Int {
    var best = row.startIndex
    for index in row.indices where row[index] > row[best] { best = index }
    return best - row.startIndex
  }

  /// Ranks of values from 1, ties sharing their mean.
  static func ranks(_ values: [Double]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var ranks = [Double](repeating: 0, count: values.count)
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
      for i in start..<end { ranks[order[i]] = Double(start + end + 1) / 2 }
      start = end
    }
    return ranks
  }

  /// Spearman's rank correlation; nil for fewer than two values or when all are equal.
  static func spearman(_ a: [Double], _ b: [Double]) -> Double? {
    guard a.count == b.count, a.count > 1 else { return nil }
    let (x, y) = (ranks(a), ranks(b))
    let mean = Double(a.count + 1) / 2
    var (xy, xx, yy) = (0.0, 0.0, 0.0)
    for i in x.indices {
      xy += (x[i] - mean) * (y[i] - mean)
      xx += (x[i] - mean) * (x[i] - mean)
      yy += (y[i] - mean) * (y[i] - mean)
    }
    return xx > 0 && yy > 0 ? xy / (xx * yy).squareRoot() : nil
  }
}
