/// What the reference tokenizer does with each Unicode scalar.
///
/// The tables are text of 6-bit digits (see `tools/make/unicode-tables`) in the read-only part of
/// the executable: they cost nothing at start-up. Scalars are plain `UInt32`s below 0x110000.
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

  private static let zeroDigit: UInt8 = 0x30

  @inline(__always)
  static func category(_ scalar: UInt32) -> Category {
    // 0x110000 >> 8 blocks are all there: callers pass scalars that were decoded or mapped.
    let entry = Int(scalar >> 8) << 1
    let blocks = UnicodeTableData.categoryBlocks.utf8Start
    let block = Int(blocks[entry] &- zeroDigit) << 6 | Int(blocks[entry + 1] &- zeroDigit)
    let digit = UnicodeTableData.categories.utf8Start[block << 8 | Int(scalar & 0xFF)]
    return Category(bits: digit &- zeroDigit)
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
    return Mapped(first: number(start), second: number(start + 4), third: number(start + 8))
  }

  /// Binary search among sorted pairs of four digits each.
  private static func value(of key: UInt32, in pairs: StaticString) -> UInt32? {
    let start = pairs.utf8Start
    let wanted = spelled(key)
    var low = 0
    var high = pairs.utf8CodeUnitCount / 8
    while low < high {
      let middle = (low + high) / 2
      let found = UInt32(
        bigEndian: UnsafeRawPointer(start + middle * 8).loadUnaligned(as: UInt32.self))
      if found == wanted { return number(start + middle * 8 + 4) }
      if found < wanted { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  /// Four digits as they lie in the text, so that keys are compared without decoding each.
  private static func spelled(_ value: UInt32) -> UInt32 {
    let digits =
      (value >> 18 & 63) << 24 | (value >> 12 & 63) << 16 | (value >> 6 & 63) << 8 | value & 63
    return digits + 0x3030_3030
  }

  private static func number(_ digits: UnsafePointer<UInt8>) -> UInt32 {
    var value: UInt32 = 0
    for place in 0..<4 { value = value << 6 | UInt32(digits[place] &- zeroDigit) }
    return value
  }
}
