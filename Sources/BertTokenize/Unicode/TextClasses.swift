/// How the reference classes Unicode scalars where it splits text for byte pairs and normalises it for Unigram.
///
/// Its regular expressions and its grapheme clusters have Unicode versions of their own; the tables (made by
/// `tools/make/text-classes`) are what it answered for every scalar.
struct TextClass: Equatable {
  let bits: UInt8

  /// What a regular expression sees.
  enum Kind: UInt8 { case other, letter, number, space }

  var kind: Kind { Kind(rawValue: bits & 3) ?? .other }
  var isSpace: Bool { bits & 3 == Kind.space.rawValue }
  /// It belongs to the grapheme cluster before it.
  var extendsCluster: Bool { bits & 12 == 4 }
  /// It belongs to the grapheme cluster behind it.
  var prependsCluster: Bool { bits & 12 == 8 }
  /// It is a grapheme cluster of its own.
  var isControl: Bool { bits & 12 == 12 }

  /// The class of a scalar below 0x110000.
  @inline(__always)
  init(_ scalar: UInt32) {
    bits = DigitTable.digit(
      scalar, blocks: TextClassData.blocks, digits: TextClassData.classes)
  }
}
