/// What the reference tokenizer does with each Unicode scalar.
///
/// `tools/make/unicode-tables` makes the tables. Scalars are plain `UInt32`s below 0x110000.
enum UnicodeTables {
  /// The one kind of a scalar, and what else happens to it, in six bits.
  struct Category: Equatable {
    let bits: UInt8

    static let plain: UInt8 = 0
    static let removed: UInt8 = 1
    static let space: UInt8 = 2
    static let ideograph: UInt8 = 3
    static let punctuation: UInt8 = 4
    /// A nonspacing mark: dropped where accents are stripped, plain otherwise.
    static let dropped: UInt8 = 5

    var kind: UInt8 { bits & 7 }
    /// Stripping accents leaves something else of it.
    var decomposes: Bool { bits & 8 != 0 }
    var hasLowercase: Bool { bits & 16 != 0 }
    /// Its canonical combining class is not zero: decomposition may move it.
    var combines: Bool { bits & 32 != 0 }
  }

  /// One to three scalars that take the place of one.
  struct Mapped {
    var first: UInt32
    /// 0 where there is none.
    var second: UInt32 = 0
    /// 0 where there is none.
    var third: UInt32 = 0
  }

  @inline(__always)
  static func category(_ scalar: UInt32) -> Category {
    Category(
      bits: DigitTable.digit(
        scalar, blocks: UnicodeTableData.categoryBlocks, digits: UnicodeTableData.categories))
  }

  /// What stripping accents leaves of a scalar whose category says `decomposes`.
  static func withoutAccents(_ scalar: UInt32) -> Mapped {
    mapped(value(of: scalar, in: UnicodeTableData.decompositions) ?? scalar)
  }

  /// The lower case of a scalar whose category says `hasLowercase`.
  static func lowercased(_ scalar: UInt32) -> Mapped {
    mapped(value(of: scalar, in: UnicodeTableData.lowercase) ?? scalar)
  }

  /// The canonical combining class: that of the first scalar of the decomposition.
  static func combiningClass(_ scalar: UInt32) -> UInt32 {
    value(of: scalar, in: UnicodeTableData.combiningClasses) ?? 0
  }

  /// The one to three conjoining letters of a Hangul syllable, by arithmetic (Unicode, 3.12).
  static func hangul(_ syllable: UInt32) -> Mapped {
    let index = syllable - 0xAC00
    let final = index % 28
    return Mapped(
      first: 0x1100 + index / 588, second: 0x1161 + index % 588 / 28,
      third: final == 0 ? 0 : 0x11A7 + final)
  }

  @inline(__always)
  static func isHangulSyllable(_ scalar: UInt32) -> Bool { scalar &- 0xAC00 < 11172 }

  /// Values from 0x110000 on are indices of sequences.
  private static func mapped(_ value: UInt32) -> Mapped {
    guard value >= 0x110000 else { return Mapped(first: value) }
    let start = UnicodeTableData.sequences.utf8Start + Int(value - 0x110000) * 12
    return Mapped(
      first: DigitTable.number(start), second: DigitTable.number(start + 4),
      third: DigitTable.number(start + 8))
  }

  private static func value(of scalar: UInt32, in pairs: StaticString) -> UInt32? {
    DigitTable.value(ofSpelled: DigitTable.spelled(scalar), in: pairs)
  }
}
