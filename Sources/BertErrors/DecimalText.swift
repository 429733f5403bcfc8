/// Numbers as people read them in messages and tables.
package enum DecimalText {
  /// `value` with so many decimals (0 to 15): `∞` or `-∞`, `NaN`, and all digits of what is too large
  /// for decimals to mean anything.
  package static func fixed(_ value: Double, _ decimals: Int) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-∞" : "∞" }
    let scale = (0..<min(max(decimals, 0), 15)).reduce(1.0) { scale, _ in scale * 10 }
    let scaled = (value.magnitude * scale).rounded()
    guard scaled < 1e18 else { return "\(value)" }
    let units = UInt64(scaled)
    let sign = value < 0 && units > 0 ? "-" : ""
    if decimals <= 0 { return "\(sign)\(units)" }
    let fraction = String(units % UInt64(scale))
    let zeros = String(repeating: "0", count: max(0, decimals - fraction.utf8.count))
    return "\(sign)\(units / UInt64(scale)).\(zeros)\(fraction)"
  }

  /// The same of a number that may not have been measured: `n/a` then.
  package static func fixed(_ value: Double?, _ decimals: Int) -> String {
    value.map { fixed($0, decimals) } ?? "n/a"
  }
}
