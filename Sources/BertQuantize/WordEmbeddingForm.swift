import BertErrors
import BertModel

/// How the int8 path's word embeddings are stored: they are most of a multilingual model's bytes.
package enum WordEmbeddingForm: String, CaseIterable, Sendable {
  /// As published: the float path's own.
  case float32 = "f32"
  /// Rounded to IEEE binary16: half the bytes.
  case float16 = "f16"
  /// Rounded to int8 with a scale for every 32 numbers of a row: 0.28 of the bytes.
  case int8

  /// Numbers of a row that share a scale.
  static let block = 32

  /// The int8 path's own tensors that hold `[rows, width]` embeddings, in the order of `encode`'s results;
  /// none for float32.
  package func tensors(rows: Int, width: Int) -> [(name: String, type: ElementType, shape: [Int])] {
    switch self {
    case .float32: []
    case .float16: [(CanonicalName.int8Words, .float16, [rows, width])]
    case .int8:
      [
        (CanonicalName.int8Words, .int8, [rows, width]),
        (CanonicalName.int8WordScales, .float32, [rows, Self.blocks(of: width)]),
      ]
    }
  }

  private static func blocks(of width: Int) -> Int { (width + block - 1) / block }

  /// The bytes of each tensor for some rows: rows may be given in pieces, whose bytes follow each
  /// other.
  ///
  /// - Throws: `unsupported` for a number that binary16 cannot hold.
  package func encode(
    _ values: UnsafeBufferPointer<Float>, width: Int
  ) throws(BertError) -> [[UInt8]] {
    switch self {
    case .float32: return []
    case .float16: return [try Self.halves(values, width: width)]
    case .int8:
      var (words, scales): ([UInt8], [UInt8]) = ([], [])
      words.reserveCapacity(values.count)
      for start in stride(from: 0, to: values.count, by: width) {
        for first in stride(from: start, to: start + width, by: Self.block) {
          let end = min(first + Self.block, start + width)
          Self.append(UnsafeBufferPointer(rebasing: values[first..<end]), &words, &scales)
        }
      }
      return [words, scales]
    }
  }

  /// A block as integers from -127 to 127 and what one step of them is worth.
  private static func append(
    _ block: UnsafeBufferPointer<Float>, _ words: inout [UInt8], _ scales: inout [UInt8]
  ) {
    let largest = block.reduce(Float(0)) { max($0, abs($1)) }
    // Below this the scale would lose bits; such a block is as good as zero.
    let scale = largest > 0x1p-100 ? largest / 127 : 0
    for value in block {
      let level = scale > 0 ? (value / scale).rounded(.toNearestOrEven) : 0
      words.append(UInt8(bitPattern: Int8(max(-127, min(127, level)))))
    }
    withUnsafeBytes(of: scale.bitPattern.littleEndian) { scales += $0 }
  }

  private static func halves(
    _ values: UnsafeBufferPointer<Float>, width: Int
  ) throws(BertError) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(2 * values.count)
    for (index, value) in values.enumerated() {
      guard let half = half(value) else {
        throw BertError(
          .unsupported,
          "the word embeddings hold \(value) in column \(index % width); binary16 ends at 65504",
          tensor: CanonicalName.wordEmbeddings)
      }
      bytes.append(UInt8(truncatingIfNeeded: half))
      bytes.append(UInt8(truncatingIfNeeded: half >> 8))
    }
    return bytes
  }

  /// The nearest binary16, ties to even; nil for what it cannot hold.
  static func half(_ value: Float) -> UInt16? {
    let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
    let magnitude = abs(value)
    // 65520 is halfway to the number that would follow the largest.
    guard magnitude < 65520 else { return nil }
    if magnitude < 0x1p-14 {
      // Zero and subnormals are multiples of 2⁻²⁴; 1024 of them are the least normal number.
      return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven))
    }
    let bits = magnitude.bitPattern - (112 << 23)
    let rest = bits & 0x1FFF
    let up: UInt32 = rest > 0x1000 || (rest == 0x1000 && bits & 0x2000 != 0) ? 1 : 0
    return sign | UInt16(bits >> 13 + up)
  }
}
