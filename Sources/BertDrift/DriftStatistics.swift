import JSONText

/// How far vectors of one path lie from those of another, summed over many vectors.
public struct VectorDrift: Sendable {
  /// Vectors compared.
  public private(set) var count = 0
  private var signal = 0.0
  private var noise = 0.0
  private var cosineSum = 0.0
  /// The least cosine of a pair; 1 before any.
  public private(set) var cosineWorst = 1.0
  /// Which pair had it, in order of `add`.
  public private(set) var worstIndex = 0
  /// The largest difference of any element.
  public private(set) var largestDifference = 0.0
  private var cosines: [Float] = []
  private let keepsCosines: Bool

  /// Nothing compared yet.
  ///
  /// - Parameter keepsCosines: remembers each cosine, for percentiles.
  public init(keepsCosines: Bool = false) { self.keepsCosines = keepsCosines }

  /// Compares a vector with its reference.
  public mutating func add(
    reference: UnsafePointer<Float>, other: UnsafePointer<Float>, width: Int
  ) {
    var (ff, qq, fq, nn, most) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for i in 0..<width {
      let (f, q) = (Double(reference[i]), Double(other[i]))
      ff += f * f
      qq += q * q
      fq += f * q
      nn += (q - f) * (q - f)
      // Also takes a NaN, which compares with nothing, and then keeps it.
      if !(abs(q - f) <= most) && !most.isNaN { most = abs(q - f) }
    }
    // Two zero vectors are the same vector.
    let cosine = ff == 0 && qq == 0 ? 1 : fq / (ff * qq).squareRoot()
    signal += ff
    noise += nn
    cosineSum += cosine
    // A NaN must not pass for a good value, nor a good one after it.
    if !cosineWorst.isNaN && !(cosine >= cosineWorst) {
      cosineWorst = cosine
      worstIndex = count
    }
    if !largestDifference.isNaN && !(most <= largestDifference) { largestDifference = most }
    if keepsCosines { cosines.append(Float(cosine)) }
    count += 1
  }

  /// 10·log₁₀(Σ reference² / Σ difference²); infinite when there is no difference.
  public var sqnr: Double { signalToNoise(signal, noise) }
  /// The mean cosine; 1 when nothing was compared.
  public var cosineMean: Double { count == 0 ? 1 : cosineSum / Double(count) }

  /// The cosine that one in a hundred vectors falls short of.
  public var cosineFirstPercentile: Double? {
    guard !cosines.isEmpty else { return nil }
    if cosineWorst.isNaN { return .nan }
    return Double(cosines.sorted()[cosines.count / 100])
  }
}

/// Ranks and rank correlation.
enum Ranking {
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
