/// What the scanner does at each byte of the text, as a table made once per tokenizer.
///
/// Entries 0 to 255 are looked at first, 256 to 511 after no special token was found at the byte. An entry
/// is an action in its high byte and, for letters, the byte that goes into the word in its low one.
enum ByteActions {
  /// The byte is part of a word.
  static let letter: UInt16 = 0
  /// The byte disappears.
  static let removed: UInt16 = 1
  /// The byte ends a word.
  static let space: UInt16 = 2
  /// The byte ends a word and is one itself.
  static let punctuation: UInt16 = 3
  /// A special token may begin here.
  static let special: UInt16 = 4
  /// The byte begins a scalar beyond ASCII, or is not UTF-8.
  static let beyondASCII: UInt16 = 5

  /// Where the entries begin that know of no special tokens.
  static let plain = 256

  static func table(lowercase: Bool, specials: [SpecialToken]) -> [UInt16] {
    var plain = [UInt16](repeating: beyondASCII << 8, count: 256)
    for byte in UInt8(0)..<0x80 {
      let category = UnicodeTables.category(UInt32(byte))
      let lowers = lowercase && category.hasLowercase
      let low = lowers ? UnicodeTables.lowercased(UInt32(byte)).first : UInt32(byte)
      plain[Int(byte)] = action(category.kind) << 8 | UInt16(truncatingIfNeeded: low)
    }
    var first = plain
    for token in specials { first[Int(token.bytes[0])] = special << 8 }
    return first + plain
  }

  private static func action(_ kind: UInt8) -> UInt16 {
    switch kind {
    case UnicodeTables.Category.removed: removed
    case UnicodeTables.Category.space: space
    case UnicodeTables.Category.punctuation: punctuation
    default: letter
    }
  }
}

/// A token that is found in the raw text, before anything is normalised.
struct SpecialToken: Sendable, Equatable {
  /// At least one byte.
  var bytes: [UInt8]
  var id: Int32
}
