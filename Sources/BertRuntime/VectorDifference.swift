/// How far vectors lie from those they should be: sums in double precision, element after element.
///
/// The one home of SQNR, cosine and largest difference: reports, the quantiser and tests measure with it.
package struct VectorDifference: Sendable {
  /// Σ reference².
  package private(set) var signal = 0.0
  /// Σ (other − reference)².
  package private(set) var noise = 0.0
  /// Σ other².
  private var energy = 0.0
  /// Σ reference · other.
  private var product = 0.0
  /// The largest difference of any element; NaN once one is NaN.
  package private(set) var largest = 0.0

  /// Nothing compared yet.
  package init() {}

  /// Compares one vector with its reference; they have equally many elements.
  package init<Reference: BinaryFloatingPoint, Other: BinaryFloatingPoint>(
    reference: some Collection<Reference>, other: some Collection<Other>
  ) {
    precondition(reference.count == other.count, "vectors of different widths")
    for (x, y) in zip(reference, other) { add(Double(x), Double(y)) }
  }

  /// Adds the elements of a vector and its reference.
  package mutating func add(
    reference: UnsafePointer<Float>, other: UnsafePointer<Float>, width: Int
  ) {
    for i in 0..<width { add(Double(reference[i]), Double(other[i])) }
  }

  private mutating func add(_ x: Double, _ y: Double) {
    signal += x * x
    energy += y * y
    product += x * y
    noise += (y - x) * (y - x)
    keepLargest(abs(y - x))
  }

  /// Adds what another sum compared.
  package mutating func add(_ other: VectorDifference) {
    signal += other.signal
    energy += other.energy
    product += other.product
    noise += other.noise
    keepLargest(other.largest)
  }

  /// Also takes a NaN, which compares with nothing, and then keeps it.
  private mutating func keepLargest(_ difference: Double) {
    if !(difference <= largest) && !largest.isNaN { largest = difference }
  }

  /// 10·log₁₀(Σ reference² / Σ difference²) in dB; infinite when there is no difference.
  package var sqnr: Double { decibels(signal, over: noise) }

  /// The cosine of the angle between all that was added; two zero vectors are the same vector.
  package var cosine: Double {
    signal == 0 && energy == 0 ? 1 : product / (signal * energy).squareRoot()
  }
}

/// 10·log₁₀(signal / noise), rounded alike on every CPU; infinite without noise.
func decibels(_ signal: Double, over noise: Double) -> Double {
  if signal.isNaN || noise.isNaN || (signal.isInfinite && noise.isInfinite) { return .nan }
  if noise == 0 || signal.isInfinite { return .infinity }
  if signal == 0 || noise.isInfinite { return -.infinity }
  return (SeriesMath.log2(signal) - SeriesMath.log2(noise)) * 3.010_299_956_639_812
}

/// Functions that the C library rounds differently on some CPUs, as series that round alike on all.
///
/// So a file's bytes and a report's numbers do not depend on where they were made. About 10⁻¹⁴ off.
package enum SeriesMath {
  /// The binary logarithm of a finite number above 0.
  package static func log2(_ x: Double) -> Double {
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
  package static func exp2(_ x: Double) -> Double {
    let whole = x.rounded(.toNearestOrEven)
    let y = (x - whole) * 0.693_147_180_559_945_3
    var sum = 1.0
    for n in stride(from: 16, through: 1, by: -1) { sum = 1 + y / Double(n) * sum }
    return Double(sign: .plus, exponent: Int(whole), significand: sum)
  }
}
