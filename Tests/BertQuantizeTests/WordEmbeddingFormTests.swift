import BertErrors
import BertModel
import Testing

@testable import BertQuantize

/// Word embeddings in fewer bytes.
struct WordEmbeddingFormTests {
  private func encode(_ form: WordEmbeddingForm, _ values: [Float], width: Int) throws -> [[UInt8]]
  {
    try values.withUnsafeBufferPointer { (values) throws(BertError) in
      try form.encode(values, width: width)
    }
  }

  /// Every value halfway between two neighbours, and just beside it, against the processor's own.
  @Test func halvesAreTheNearestTiesToEven() {
    for bits: UInt16 in 0..<0x7C00 {
      let (low, high) = (Float(Float16(bitPattern: bits)), Float(Float16(bitPattern: bits + 1)))
      if !high.isFinite { continue }
      let middle = (low + high) / 2
      for value in [low, middle.nextDown, middle, middle.nextUp] {
        #expect(WordEmbeddingForm.half(value) == Float16(value).bitPattern)
        #expect(WordEmbeddingForm.half(-value) == Float16(-value).bitPattern)
      }
    }
    #expect(WordEmbeddingForm.half(65519.996) == 0x7BFF)
    #expect(WordEmbeddingForm.half(65520) == nil && WordEmbeddingForm.half(-.infinity) == nil)
    #expect(WordEmbeddingForm.half(.nan) == nil)
  }

  @Test func int8HasAScaleForEvery32OfARow() throws {
    let width = 40
    let row: [Float] = (0..<width).map { $0 < 32 ? Float($0) : Float(1000 - $0) }
    let values = row + row.map { -$0 }
    let parts = try encode(.int8, values, width: width)
    let scales = parts[1].withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    // The largest of each block: 31 and 968 of the first row, the second row is like it.
    let expected = [Float(31), 968, 31, 968].map { $0 / 127 }
    #expect(scales == expected)
    for (index, byte) in parts[0].enumerated() {
      let scale = scales[index / width * 2 + (index % width < 32 ? 0 : 1)]
      #expect(abs(Float(Int8(bitPattern: byte)) * scale - values[index]) <= scale / 2 * 1.0001)
    }
    #expect(
      try encode(.int8, [Float](repeating: 0, count: 3), width: 3) == [[0, 0, 0], [0, 0, 0, 0]])
    #expect(try encode(.int8, [1e-38, -1e-38, 0], width: 3)[0] == [0, 0, 0])
  }

  @Test func piecesFollowEachOther() throws {
    let values = (0..<90).map { Float($0) * 0.37 - 11 }
    #expect(try encode(.float32, values, width: 45).isEmpty, "they are the float path's")
    for form in [WordEmbeddingForm.float16, .int8] {
      let whole = try encode(form, values, width: 45)
      let (a, b) = try (
        encode(form, Array(values[..<45]), width: 45), encode(form, Array(values[45...]), width: 45)
      )
      #expect(whole == zip(a, b).map { $0 + $1 })
      let tensors = form.tensors(rows: 2, width: 45)
      let sizes = tensors.map {
        TensorLayout.rowMajor.byteCount(shape: $0.shape, elementType: $0.type)
      }
      #expect(whole.map(\.count) == sizes)
    }
  }

  @Test func whatBinary16CannotHoldIsRefused() {
    let error = #expect(throws: BertError.self) { try encode(.float16, [1, 70_000], width: 2) }
    #expect(error?.code == .unsupported && error?.tensor == CanonicalName.wordEmbeddings)
  }
}
