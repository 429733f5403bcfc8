/// Tables as text of 6-bit digits, each the character 0x30 + digit, the most significant first.
///
/// Scripts of `tools/make` write them. They lie in the read-only part of the executable: nothing is initialised at
/// start-up, and comparing text compares numbers.
enum DigitTable {
  private static let zero: UInt8 = 0x30

  /// The digit of a scalar below 0x110000, of blocks of 256 scalars; two digits name a block.
  @inline(__always)
  static func digit(_ scalar: UInt32, blocks: StaticString, digits: StaticString) -> UInt8 {
    // 0x110000 >> 8 blocks are all there: callers pass scalars that were decoded or mapped.
    let entry = Int(scalar >> 8) << 1
    let start = blocks.utf8Start
    let block = Int(start[entry] &- zero) << 6 | Int(start[entry + 1] &- zero)
    return digits.utf8Start[block << 8 | Int(scalar & 0xFF)] &- zero
  }

  /// Four digits as they lie in the text, so that keys are compared without decoding each.
  static func spelled(_ value: UInt32) -> UInt32 {
    let digits =
      (value >> 18 & 63) << 24 | (value >> 12 & 63) << 16 | (value >> 6 & 63) << 8 | value & 63
    return digits + 0x3030_3030
  }

  /// The number that four digits spell.
  static func number(_ digits: UnsafePointer<UInt8>) -> UInt32 {
    var value: UInt32 = 0
    for place in 0..<4 { value = value << 6 | UInt32(digits[place] &- zero) }
    return value
  }

  /// Binary search among sorted keys of as many digits as the key has bytes, each with four digits behind it.
  static func value<Key: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    ofSpelled key: Key, in pairs: StaticString
  ) -> UInt32? {
    let start = pairs.utf8Start
    let width = MemoryLayout<Key>.size
    var low = 0
    var high = pairs.utf8CodeUnitCount / (width + 4)
    while low < high {
      let middle = (low + high) / 2
      let entry = start + middle * (width + 4)
      let found = Key(bigEndian: UnsafeRawPointer(entry).loadUnaligned(as: Key.self))
      if found == key { return number(entry + width) }
      if found < key { low = middle + 1 } else { high = middle }
    }
    return nil
  }
}
