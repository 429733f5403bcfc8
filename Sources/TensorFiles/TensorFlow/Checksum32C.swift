/// CRC-32C (Castagnoli), as TensorFlow keeps it: rotated and offset, so that a checksum of bytes
/// that hold checksums stays one.
struct Checksum32C {
  private var state: UInt32 = 0xFFFF_FFFF

  /// Goes on over more bytes.
  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var crc = state
    var at = 0
    Self.tables.withUnsafeBufferPointer { tables in
      // Eight bytes at a time: the table of a byte also moves it past those behind it.
      while bytes.count - at >= 8 {
        let word =
          UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
          ^ UInt64(crc)
        crc = 0
        for byte in 0..<8 {
          crc ^=
            tables[(7 - byte) << 8 | Int(truncatingIfNeeded: word >> (8 * UInt64(byte)) & 0xFF)]
        }
        at += 8
      }
      while at < bytes.count {
        crc = crc >> 8 ^ tables[Int(truncatingIfNeeded: crc & 0xFF) ^ Int(bytes[at])]
        at += 1
      }
    }
    state = crc
  }

  /// The checksum as files have it.
  var masked: UInt32 {
    let crc = ~state
    return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
  }

  /// Of bytes in memory.
  static func masked(_ bytes: [UInt8]) -> UInt32 {
    var sum = Checksum32C()
    bytes.withUnsafeBytes { sum.update($0) }
    return sum.masked
  }

  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 << 8)
    for byte in 0..<256 {
      var crc = UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82F6_3B78 }
      tables[byte] = crc
    }
    for place in 256..<tables.count {
      let crc = tables[place - 256]
      tables[place] = crc >> 8 ^ tables[Int(crc & 0xFF)]
    }
    return tables
  }()
}
