import BertErrors
import BertModel

/// Tokens that are found in a text as they stand, before words are looked for.
///
/// At each place the longest that begins there is taken, from left to right; then its flags are asked.
/// One that must be a word of its own and is not takes nothing, but what it covers is not searched again:
/// so the reference does it.
struct AddedTokens: Sendable {
  /// A token, and what is looked for.
  struct Entry: Sendable {
    var bytes: [UInt8]
    var id: Int32
    var takesSpaceBefore: Bool
    var takesSpaceBehind: Bool
    var isSingleWord: Bool
  }

  /// A place of the text that is a token, white space that belongs to it included.
  struct Match: Equatable {
    var start: Int
    var end: Int
    var id: Int32
    /// Where the token itself ends: white space behind it may begin another.
    var searched: Int
  }

  /// In order of their bytes, each once.
  private let entries: [Entry]
  /// For each byte, the entries that begin with it.
  private let ranges: [Range<Int32>]

  var isEmpty: Bool { entries.isEmpty }

  /// Of equal ones the last counts.
  init(_ all: [Entry]) {
    var unique: [[UInt8]: Entry] = [:]
    for entry in all where !entry.bytes.isEmpty { unique[entry.bytes] = entry }
    let sorted = unique.values.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    entries = sorted
    var ranges = [Range<Int32>](repeating: 0..<0, count: 256)
    for (place, entry) in sorted.enumerated() {
      let byte = Int(entry.bytes[0])
      let start = ranges[byte].isEmpty ? Int32(place) : ranges[byte].lowerBound
      ranges[byte] = start..<Int32(place + 1)
    }
    self.ranges = ranges
  }

  /// The first match that begins at `from` or behind; of what it covers, all before `taken` belongs to
  /// earlier ones.
  func next(_ text: UnsafeBufferPointer<UInt8>, from: Int, after taken: Int) -> Match? {
    var at = from
    while at < text.count {
      guard !ranges[Int(text[at])].isEmpty, let entry = longest(text, at) else {
        at += 1
        continue
      }
      let end = at + entry.bytes.count
      if entry.isSingleWord, !Self.isApart(text, at, end) {
        at = end
        continue
      }
      var match = Match(start: max(at, taken), end: max(end, taken), id: entry.id, searched: end)
      if entry.takesSpaceBefore {
        match.start = TextBoundaries.spaceStart(text, before: match.start, notBefore: taken)
      }
      if entry.takesSpaceBehind { match.end = TextBoundaries.spaceEnd(text, from: match.end) }
      return match
    }
    return nil
  }

  private static func isApart(
    _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int
  ) -> Bool {
    !TextBoundaries.endsWithWord(text, start) && !TextBoundaries.startsWithWord(text, end)
  }

  /// The longest entry that begins at `start`: narrows the sorted entries byte by byte.
  private func longest(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Entry? {
    var low = Int(ranges[Int(text[start])].lowerBound)
    var high = Int(ranges[Int(text[start])].upperBound)
    var found: Int?
    var length = 1
    while low < high {
      // All of low..<high begin with the text's `length` bytes; the shortest comes first.
      if entries[low].bytes.count == length {
        found = low
        low += 1
      }
      guard start + length < text.count else { break }
      let byte = text[start + length]
      low = partition(low, high) { $0.bytes[length] >= byte }
      high = partition(low, high) { $0.bytes[length] > byte }
      length += 1
    }
    return found.map { entries[$0] }
  }

  /// The first of low..<high for which the condition holds, which then holds for all behind.
  private func partition(_ low: Int, _ high: Int, _ holds: (Entry) -> Bool) -> Int {
    var low = low
    var high = high
    while low < high {
      let middle = (low + high) / 2
      if holds(entries[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

/// What surrounds a place of a text: parts of words, white space.
///
/// A part of a word is what regular expressions call `\w`: letters, marks, decimal digits, connecting
/// punctuation and the two joiners. The standard library's tables decide, which are those of its Unicode
/// version.
enum TextBoundaries {
  static func startsWithWord(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
    scalar(text, at).map { isWord($0.scalar) } ?? false
  }

  static func endsWithWord(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
    scalar(text, before: at).map { isWord($0.scalar) } ?? false
  }

  /// Where the white space begins that ends at `at`.
  static func spaceStart(
    _ text: UnsafeBufferPointer<UInt8>, before at: Int, notBefore limit: Int
  ) -> Int {
    var at = at
    while at > limit, let (scalar, length) = scalar(text, before: at), isSpace(scalar) {
      at -= length
    }
    return at
  }

  /// Where the white space ends that begins at `at`.
  static func spaceEnd(_ text: UnsafeBufferPointer<UInt8>, from at: Int) -> Int {
    var at = at
    while let (scalar, length) = scalar(text, at), isSpace(scalar) { at += length }
    return at
  }

  private static func scalar(
    _ text: UnsafeBufferPointer<UInt8>, _ at: Int
  ) -> (scalar: UInt32, length: Int)? {
    guard let base = text.baseAddress, at < text.count else { return nil }
    return ScalarDecoding.decode(base, at, text.count)
  }

  private static func scalar(
    _ text: UnsafeBufferPointer<UInt8>, before at: Int
  ) -> (scalar: UInt32, length: Int)? {
    guard let base = text.baseAddress, at > 0 else { return nil }
    for length in 1...min(4, at) where base[at - length] & 0xC0 != 0x80 {
      let decoded = ScalarDecoding.decode(base, at - length, at)
      return decoded.length == length ? decoded : (0xFFFD, 1)
    }
    return (0xFFFD, 1)
  }

  private static func isSpace(_ scalar: UInt32) -> Bool {
    Unicode.Scalar(scalar)?.properties.isWhitespace ?? false
  }

  private static func isWord(_ scalar: UInt32) -> Bool {
    guard let properties = Unicode.Scalar(scalar)?.properties else { return false }
    switch properties.generalCategory {
    case .decimalNumber, .connectorPunctuation, .nonspacingMark, .spacingMark, .enclosingMark:
      return true
    default: return properties.isAlphabetic || properties.isJoinControl
    }
  }
}
