/// The characters that stand for bytes in the tokens of a byte-level tokenizer.
///
/// Bytes that print in Latin-1 stand for themselves; the others, in order, are U+0100, U+0101 and so on.
package enum ByteAlphabet {
  /// The scalar of each byte, all below U+0144.
  package static let scalars: [UInt32] = {
    var next: UInt32 = 0x100
    return (UInt32(0)..<256).map { byte in
      switch byte {
      case 33...126, 161...172, 174...255: return byte
      default:
        next += 1
        return next - 1
      }
    }
  }()

  /// The UTF-8 of each byte's scalar; where it is one byte long, the second is 0.
  package static let spelled: [(UInt8, UInt8)] = scalars.map { scalar in
    scalar < 0x80
      ? (UInt8(scalar), 0) : (0xC0 | UInt8(scalar >> 6), 0x80 | UInt8(scalar & 0x3F))
  }

  private static let bytes: [UInt32: UInt8] = Dictionary(
    uniqueKeysWithValues: scalars.enumerated().map { ($1, UInt8($0)) })

  /// The bytes that a token's characters stand for; nil where one stands for none.
  package static func bytes(of token: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    for scalar in String(decoding: token, as: UTF8.self).unicodeScalars {
      guard let byte = bytes[scalar.value] else { return nil }
      result.append(byte)
    }
    return result
  }
}
