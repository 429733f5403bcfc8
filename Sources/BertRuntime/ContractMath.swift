/// Functions of the numeric contract for single numbers; `formats/bertq.md` states them.
///
/// They are made of operations that every CPU rounds alike, so they have the kernels' own bits.
enum ContractMath {
  /// Adding it rounds a number of magnitude up to 2²² to an integer.
  private static let magic: Float = 12_582_912
  private static let exp2Coefficients: [Float] = [
    0x1.41d334p-13, 0x1.5f456ap-10, 0x1.3b2dbcp-7, 0x1.c6aed4p-5, 0x1.ebfbdap-3, 0x1.62e430p-1,
    0x1p+0,
  ]

  /// eˣ, for x held to −87 … 88.
  static func exp(_ x: Float) -> Float {
    let atLeast: Float = x > -87 ? x : -87
    let t = (atLeast < 88 ? atLeast : 88) * 0x1.715476p+0
    let shifted = t + magic
    let f = t - (shifted - magic)
    var p = exp2Coefficients[0]
    for c in exp2Coefficients.dropFirst() { p = c.addingProduct(p, f) }
    return Float(bitPattern: p.bitPattern &+ shifted.bitPattern << 23)
  }

  /// 1 / (1 + e⁻ˣ).
  static func sigmoid(_ x: Float) -> Float { 1 / (exp(-x) + 1) }

  /// x / (1 + e⁻ˣ) of each number of a row: an encoder's silu.
  static func applySilu(_ row: UnsafeMutablePointer<Float>, _ count: Int) {
    for i in 0..<count { row[i] = row[i] / (1 + exp(-row[i])) }
  }

  /// The hyperbolic tangent.
  static func tanh(_ x: Float) -> Float {
    let a = abs(x)
    let y = 1 - 2 / (exp(a + a) + 1)
    return x < 0 ? -y : y
  }
}
