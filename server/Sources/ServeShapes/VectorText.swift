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
    let begin = bytes.count
    bytes.append(contentsOf: repeatElement(padding, count: (vector.count * 4 + 2) / 3 * 4))
    bytes.withUnsafeMutableBufferPointer { bytes in
      alphabet.withUnsafeBufferPointer { alphabet in
        var at = begin
        func put(_ digits: UInt64, _ count: Int) {
          for place in (0..<count).reversed() {
            bytes[at] = alphabet[Int(digits >> UInt64(6 * place) & 63)]
            at += 1
          }
        }
        // Bits that wait for others to make six.
        var pending: UInt64 = 0
        var bits = 0
        for number in vector {
          pending = pending << 32 | UInt64(number.bitPattern.byteSwapped)
          bits += 32
          let rest = bits % 6
          put(pending >> UInt64(rest), bits / 6)
          pending &= (1 << UInt64(rest)) - 1
          bits = rest
        }
        if bits > 0 { put(pending << UInt64(6 - bits), 1) }
      }
    }
  }

  private static let padding = UInt8(ascii: "=")
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
}
