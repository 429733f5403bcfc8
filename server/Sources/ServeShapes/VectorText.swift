import JSONText

/// Vectors as clients read them.
package enum VectorText {
  /// Appends a vector in the encoding asked for.
  package static func write(
    _ vector: [Float], _ encoding: EmbeddingRequest.Encoding, into bytes: inout [UInt8]
  ) {
    switch encoding {
    case .float: JSON.write(vector, into: &bytes)
    case .base64:
      bytes.append(UInt8(ascii: "\""))
      writeBase64(vector, into: &bytes)
      bytes.append(UInt8(ascii: "\""))
    }
  }

  /// Appends the float32 values, little endian, in base64 with padding (RFC 4648).
  package static func writeBase64(_ vector: [Float], into bytes: inout [UInt8]) {
    bytes.reserveCapacity(bytes.count + (vector.count * 4 + 2) / 3 * 4)
    var pending: UInt32 = 0
    var bits = 0
    for number in vector {
      var word = number.bitPattern
      for _ in 0..<4 {
        pending = pending << 8 | (word & 0xFF)
        word >>= 8
        bits += 8
        while bits >= 6 {
          bits -= 6
          bytes.append(alphabet[Int(pending >> UInt32(bits) & 63)])
        }
        // What is left fits six bits.
        pending &= (1 << UInt32(bits)) - 1
      }
    }
    if bits > 0 {
      bytes.append(alphabet[Int(pending << UInt32(6 - bits) & 63)])
      for _ in 0..<(bits == 4 ? 1 : 2) { bytes.append(UInt8(ascii: "=")) }
    }
  }

  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
}
