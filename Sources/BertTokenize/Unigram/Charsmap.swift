import BertErrors

/// A precompiled normalisation, as it is published and as it lies in a file: a trie of what is replaced, and what by.
///
/// | byte | what |
/// | --- | --- |
/// | 0 | t, the bytes of the trie: a multiple of 4 |
/// | 4 | the trie: units of 32 bits, little-endian |
/// | 4 + t | strings of UTF-8, each ended by a zero byte |
///
/// The trie is a double array. In a unit, bit 8 says that a string is replaced that ends here; bits 10 to 31, shifted
/// by 8 more where bit 9 is set, are XORed to the unit's place, and the next byte to that, for the place of the next
/// unit, whose low byte, with bit 31 clear, is that byte. Where a string ends, the unit before a next byte is XORed
/// holds where its replacement begins.
struct Charsmap: Sendable {
  private let table: TableBytes
  private let units: Int
  private let strings: Int
  /// Whether an ASCII byte is replaced.
  private var changesASCII = [Bool](repeating: true, count: 128)

  private static let longestReplacement = 256

  /// Bytes of which the owner keeps care.
  private struct TableBytes: @unchecked Sendable {
    let base: UnsafePointer<UInt8>
    let count: Int
  }

  /// Opens a table, checking its sizes; `malformed` when they contradict each other.
  init(_ bytes: UnsafeRawBufferPointer) throws(BertError) {
    func malformed(_ what: String) -> BertError {
      BertError(.malformed, "the tokenizer's precompiled normalisation \(what)")
    }
    guard let base = bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count >= 8 else {
      throw malformed("has \(bytes.count) bytes")
    }
    let size = Int(UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)))
    guard size > 0, size % 4 == 0, size < bytes.count - 4 else {
      throw malformed("says its trie has \(size) bytes of \(bytes.count)")
    }
    guard bytes[bytes.count - 1] == 0 else { throw malformed("does not end with a zero byte") }
    table = TableBytes(base: base, count: bytes.count)
    units = size / 4
    strings = 4 + size
    let text = UnsafeBufferPointer(start: base + strings, count: bytes.count - strings)
    guard String(validating: text, as: UTF8.self) != nil else { throw malformed("is not UTF-8") }
    // Each replacement is bounded, so that a text does not grow without bound.
    var length = 0
    for byte in text {
      length = byte == 0 ? 0 : length + 1
      guard length <= Self.longestReplacement else {
        throw malformed("replaces by more than \(Self.longestReplacement) bytes")
      }
    }
    changesASCII = (UInt8(0)..<128).map { byte in
      withUnsafePointer(to: byte) { replacement($0, 1) != nil }
    }
  }

  /// How many ASCII characters a text begins with that stay as they are, each with no mark behind it.
  ///
  /// A carriage return is none of them: with a line feed it is one cluster.
  func unchangedASCII(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int {
    changesASCII.withUnsafeBufferPointer { changes in
      var at = 0
      while at < count, text[at] < 0x80, text[at] != 0x0D, !changes[Int(text[at])] { at += 1 }
      // What is not ASCII may extend the cluster of the last.
      return at > 0 && at < count && text[at] >= 0x80 ? at - 1 : at
    }
  }

  private func unit(_ place: Int) -> UInt32 {
    let bytes = UnsafeRawPointer(table.base + 4)
    return UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: 4 &* place, as: UInt32.self))
  }

  private static func offset(_ unit: UInt32) -> Int {
    Int((unit >> 10) << ((unit & 0x200) >> 6))
  }

  /// What replaces a piece of text, by the shortest string that is replaced and that it begins with; nil for none.
  func replacement(
    _ text: UnsafePointer<UInt8>, _ count: Int
  ) -> UnsafeBufferPointer<UInt8>? {
    var place = Self.offset(unit(0))
    for index in 0..<count {
      let byte = text[index]
      if byte == 0 { return nil }
      place ^= Int(byte)
      guard place < units else { return nil }
      let unit = unit(place)
      guard unit & 0x8000_00FF == UInt32(byte) else { return nil }
      place ^= Self.offset(unit)
      if unit & 0x100 != 0 {
        guard place < units else { return nil }
        return string(Int(self.unit(place) & 0x7FFF_FFFF))
      }
    }
    return nil
  }

  private func string(_ start: Int) -> UnsafeBufferPointer<UInt8>? {
    let first = strings + start
    guard first < table.count else { return nil }
    var end = first
    // The last byte is zero.
    while table.base[end] != 0 { end += 1 }
    return UnsafeBufferPointer(start: table.base + first, count: end - first)
  }
}
