/// The shortest decimals that read back as the same `Float`, as `Float.description` gives them, in a fraction of the time.
///
/// By R. Giulietti's method ("The Schubfach way to render doubles", 2020) for binary32: the value and the bounds of what rounds to it
/// are scaled by one power of ten, of 64 bits, so that four times the decimal is an integer below 2³², rounded to odd.
enum FloatText {
  /// The most bytes that are written of a number: a sign, "0.", 3 zeros, 9 digits, and what a whole word of them writes beyond.
  private static let most = 24

  /// Appends numbers, with a comma between them; `null` for those that are not finite.
  static func write(_ numbers: UnsafeBufferPointer<Float>, into bytes: inout [UInt8]) {
    powers.withUnsafeBufferPointer { powers in
      var first = 0
      while first < numbers.count {
        let piece = numbers[first..<min(numbers.count, first + 256)]
        withUnsafeTemporaryAllocation(byteCount: piece.count * most, alignment: 8) { buffer in
          guard let start = buffer.baseAddress else { return }
          var at = start
          for place in piece.indices {
            if place > 0 { at.put(UInt8(ascii: ",")) }
            let number = numbers[place]
            if put(number, powers, &at) { continue }
            // What has an exponent, and what is none, comes out the slow way; it has at most 15 bytes.
            for byte in (number.isFinite ? number.description : "null").utf8 { at.put(byte) }
          }
          bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: at - start))
        }
        first += piece.count
      }
    }
  }

  /// Writes a number between 10⁻⁴, below which there is an exponent, and 2²⁴; says whether it is one.
  @inline(__always)
  private static func put(
    _ number: Float, _ powers: UnsafeBufferPointer<UInt64>, _ at: inout UnsafeMutableRawPointer
  ) -> Bool {
    let bits = number.bitPattern
    let magnitude = bits & 0x7FFF_FFFF
    guard magnitude >= 0x38D1_B717, magnitude < 0x4B80_0000 else { return false }
    let (decimal, exponent) = decimal(magnitude, powers)
    if bits >> 31 != 0 { at.put(UInt8(ascii: "-")) }
    // A first digit, if there are nine, and eight more, the first of them in the lowest byte.
    let (lead, rest) = decimal.quotientAndRemainder(dividingBy: 100_000_000)
    let eight = eightDigits(rest)
    let before = lead > 0 ? 0 : eight.trailingZeroBitCount / 8
    let count = (lead > 0 ? 9 : 8) - before
    let significant = count - (eight == 0 ? 8 : eight.leadingZeroBitCount / 8)
    let whole = count + exponent
    let start = at
    if whole <= 0 {
      // "0.", and as many zeros as the first digit is away from the point.
      at.storeBytes(of: 0x3030_2E30, as: UInt32.self)
      (at + 4).storeBytes(of: 0x30, as: UInt8.self)
      at += 2 - whole
    }
    let digits = at
    if lead > 0 { at.put(UInt8(truncatingIfNeeded: lead) + 0x30) }
    at.storeBytes(
      of: (eight >> UInt64(8 * before)) | 0x3030_3030_3030_3030, as: UInt64.self)
    at = digits + significant
    if whole <= 0 { return true }
    if whole < significant {
      var place = significant
      while place > whole {
        start.storeBytes(
          of: digits.load(fromByteOffset: place - 1, as: UInt8.self),
          toByteOffset: digits - start + place,
          as: UInt8.self)
        place -= 1
      }
      (digits + whole).storeBytes(of: UInt8(ascii: "."), as: UInt8.self)
      at += 1
      return true
    }
    for _ in significant..<whole { at.put(0x30) }
    at.put(UInt8(ascii: "."))
    at.put(0x30)
    return true
  }

  /// The decimal digits of a number below 10⁸, a byte each, the first in the lowest.
  @inline(__always)
  private static func eightDigits(_ number: UInt32) -> UInt64 {
    let (high, low) = number.quotientAndRemainder(dividingBy: 10_000)
    // Two numbers of four digits, then four of two, then eight of one. The products divide by 100 and by 10.
    let fours = UInt64(high) | UInt64(low) << 32
    let hundreds = (fours &* 10_486) >> 20 & 0x0000_007F_0000_007F
    let twos = hundreds | (fours &- 100 &* hundreds) << 16
    let tens = (twos &* 103) >> 10 & 0x000F_000F_000F_000F
    return tens | (twos &- 10 &* tens) << 8
  }

  /// The digits and the power of ten of a positive number; the digits may end in zeros.
  @inline(__always)
  private static func decimal(
    _ bits: UInt32, _ powers: UnsafeBufferPointer<UInt64>
  ) -> (digits: UInt32, exponent: Int) {
    let fraction = bits & 0x7F_FFFF
    let c = 0x80_0000 | fraction
    let q = Int(bits >> 23) - 150
    if q <= 0, q > -24, c & (1 << UInt32(-q) - 1) == 0 { return (c >> UInt32(-q), 0) }
    // Below a power of two the numbers lie twice as close.
    let isCloser = fraction == 0
    let odd = c & 1
    // ⌊log₁₀ 2^q⌋, or ⌊log₁₀ ¾·2^q⌋, and ⌊log₂ 10^-k⌋, right for all exponents of binary32.
    let k = (q * 1_262_611 - (isCloser ? 524_031 : 0)) >> 22
    let shift = UInt32(truncatingIfNeeded: q + (-k * 1_741_647) >> 19 + 1)
    let power = powers[-k - firstPower]
    let lower = scaled(power, (4 * c - (isCloser ? 1 : 2)) << shift) + odd
    let value = scaled(power, (4 * c) << shift)
    let upper = scaled(power, (4 * c + 2) << shift) - odd
    let s = value / 4
    if s >= 10 {
      let tens = s / 10
      let (below, above) = (lower <= 40 * tens, 40 * tens + 40 <= upper)
      if below != above { return (tens + (above ? 1 : 0), k + 1) }
    }
    let (below, above) = (lower <= 4 * s, 4 * s + 4 <= upper)
    if below != above { return (s + (above ? 1 : 0), k) }
    let middle = 4 * s + 2
    return (s + (value > middle || value == middle && s & 1 == 1 ? 1 : 0), k)
  }

  /// ⌊power · factor / 2⁶⁴⌋, with the last bit set where anything beyond a rounding error is cut off.
  @inline(__always)
  private static func scaled(_ power: UInt64, _ factor: UInt32) -> UInt32 {
    let (high, low) = power.multipliedFullWidth(by: UInt64(factor))
    return UInt32(truncatingIfNeeded: high) | (low >> 32 > 1 ? 1 : 0)
  }

  /// 10⁻⁸ to 10¹³, which numbers from 10⁻⁴ to 2²⁴ are scaled by: the first 64 bits, rounded up where there are more.
  private static let firstPower = -8
  private static let powers: [UInt64] = (firstPower...13).map { exponent in
    let power = (0..<exponent.magnitude).reduce(UInt128(1)) { power, _ in power * 10 }
    let value = exponent < 0 ? UInt128.max / power : power
    let width = 128 - value.leadingZeroBitCount
    return width <= 64
      ? UInt64(value << UInt128(64 - width)) : UInt64(value >> UInt128(width - 64)) + 1
  }
}

extension UnsafeMutableRawPointer {
  @inline(__always)
  fileprivate mutating func put(_ byte: UInt8) {
    storeBytes(of: byte, as: UInt8.self)
    self += 1
  }
}
