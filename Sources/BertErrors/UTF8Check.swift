/// Whether bytes are UTF-8, as RFC 3629 has it.
package enum UTF8Check {
  /// The place of the first byte that begins no scalar, or whose scalar is cut short; nil where all are right.
  package static func firstInvalid(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    guard let start = bytes.baseAddress else { return nil }
    let raw = UnsafeRawPointer(start)
    var at = 0
    while at < bytes.count {
      // Eight bytes of ASCII at a time.
      while at + 8 <= bytes.count,
        raw.loadUnaligned(fromByteOffset: at, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
      {
        at += 8
      }
      guard at < bytes.count else { return nil }
      guard let length = length(bytes, at) else { return at }
      at += length
    }
    return nil
  }

  /// Bytes of the scalar that begins at a place; nil where none does.
  private static func length(_ bytes: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int? {
    let first = bytes[at]
    if first < 0x80 { return 1 }
    // What the second byte may be keeps out overlong forms, surrogates and what is beyond U+10FFFF.
    let (length, second): (Int, ClosedRange<UInt8>)
    switch first {
    case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: return nil
    }
    guard at + length <= bytes.count, second.contains(bytes[at + 1]) else { return nil }
    for next in at + 2..<at + max(length, 2) where bytes[next] & 0xC0 != 0x80 { return nil }
    return length
  }

  /// Refuses bytes that are no UTF-8.
  ///
  /// - Throws: `notUTF8` with the place of the first.
  package static func require(_ bytes: [UInt8]) throws(BertError) {
    guard let place = bytes.withUnsafeBufferPointer(firstInvalid) else { return }
    let byte = String(bytes[place], radix: 16, uppercase: true)
    throw BertError(
      .notUTF8, "the byte 0x\(byte.utf8.count < 2 ? "0" : "")\(byte) is no UTF-8",
      byteOffset: place,
      remedy: .replaceInvalidUTF8)
  }
}
