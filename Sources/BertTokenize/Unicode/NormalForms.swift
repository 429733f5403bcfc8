/// What Unicode's normalisation forms make of scalars, as the reference has them.
///
/// It has a Unicode version of its own; the tables (made by `tools/make/normal-forms`) are what it answered for every
/// scalar. Scalars are below 0x110000.
enum NormalForms {
  /// What may happen to a scalar, a bit each.
  struct Traits: OptionSet {
    let rawValue: UInt8

    static let decomposesCanonically = Traits(rawValue: 1)
    static let decomposesCompatibly = Traits(rawValue: 2)
    /// Its canonical combining class is not zero.
    static let combines = Traits(rawValue: 4)
    /// Stripping accents drops it: a combining mark, spacing or not.
    static let isStripped = Traits(rawValue: 8)
    /// It is not left by NFC, or may compose with what is before it.
    static let recomposes = Traits(rawValue: 16)
    /// As `recomposes`, by NFKC.
    static let recomposesCompatibly = Traits(rawValue: 32)
  }

  @inline(__always)
  static func traits(_ scalar: UInt32) -> Traits {
    Traits(
      rawValue: DigitTable.digit(
        scalar, blocks: NormalFormData.blocks, digits: NormalFormData.classes))
  }

  /// Gives the scalars that a scalar decomposes to, whole, to `body`.
  static func decompose(_ scalar: UInt32, compatibly: Bool, _ body: (UInt32) -> Void) {
    if UnicodeTables.isHangulSyllable(scalar) {
      let parts = UnicodeTables.hangul(scalar)
      body(parts.first)
      body(parts.second)
      if parts.third != 0 { body(parts.third) }
      return
    }
    let key = DigitTable.spelled(scalar)
    let own = compatibly ? DigitTable.value(ofSpelled: key, in: NormalFormData.compatible) : nil
    guard let place = own ?? DigitTable.value(ofSpelled: key, in: NormalFormData.canonical) else {
      return body(scalar)
    }
    let start = NormalFormData.sequences.utf8Start + Int(place >> 5) * 4
    for index in 0..<Int(place & 31) { body(DigitTable.number(start + index * 4)) }
  }

  /// The scalar that two compose to; nil where they stay two.
  static func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    // Hangul, by arithmetic (Unicode, 3.12).
    if first &- 0x1100 < 19, second &- 0x1161 < 21 {
      return 0xAC00 + ((first - 0x1100) * 21 + second - 0x1161) * 28
    }
    if UnicodeTables.isHangulSyllable(first), (first - 0xAC00) % 28 == 0, second &- 0x11A8 < 27 {
      return first + second - 0x11A7
    }
    let key = UInt64(DigitTable.spelled(first)) << 32 | UInt64(DigitTable.spelled(second))
    return DigitTable.value(ofSpelled: key, in: NormalFormData.compositions)
  }
}
