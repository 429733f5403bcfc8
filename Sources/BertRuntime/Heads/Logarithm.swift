/// The kernels' logarithm for single numbers: the same polynomial, in operations that every CPU
/// rounds alike.
enum Logarithm {
  /// Of the mantissa less 1, the highest power first.
  private static let coefficients: [Float] = [
    -0x1.a762dep-6, 0x1.f2e258p-4, -0x1.1c9336p-2, 0x1.d487c6p-2, -0x1.6fb0bcp-1, 0x1.714aa0p+0,
  ]

  /// log₂ x of a normal x > 0; absolute error 2.3e-6.
  static func base2(_ x: Float) -> Float {
    let exponent = Float(Int32(bitPattern: x.bitPattern >> 23) - 127)
    let m = Float(bitPattern: x.bitPattern & 0x007F_FFFF | 0x3F80_0000) - 1
    var p = coefficients[0]
    for c in coefficients.dropFirst() { p = c.addingProduct(p, m) }
    return exponent.addingProduct(p, m)
  }

  /// ln(1 + x) for x ≥ 0, above 0 where x is; absolute error 1.6e-6 before rounding.
  static func ofOnePlus(_ x: Float) -> Float {
    let sum = 1 + x
    // What 1 + x rounds off is put back in proportion.
    if sum == 1 { return x }
    return base2(sum) * 0x1.62e430p-1 * (x / (sum - 1))
  }
}
