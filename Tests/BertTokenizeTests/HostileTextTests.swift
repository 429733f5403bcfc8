import BertErrors
import Fixtures
import Testing

@testable import BertTokenize

/// Text that nobody means well with: always an answer, in time that grows with its length.
struct HostileTextTests {
  private static func encode(
    _ text: [UInt8], spans: Bool = false
  ) throws -> (ids: [Int32], spans: [TokenSpan]) {
    let tokenizer = try makeTokenizer()
    var encoding = TokenizedText()
    try text.withUnsafeBufferPointer {
      _ = try tokenizer.encode($0, addsSpecials: false, spans: spans, appendingTo: &encoding)
    }
    return (encoding.ids, encoding.spans)
  }

  @Test func hugeTextsTakeLinearTime() throws {
    let million = 1_000_000
    #expect(try Self.encode(Array(repeating: 0x61, count: 10 * million)).ids == [1])
    #expect(try Self.encode(Array(repeating: 0, count: 10 * million)).ids == [])
    #expect(try Self.encode(Array(repeating: 0xFF, count: million)).ids == [])
    #expect(try Self.encode(Array(repeating: 0x5B, count: million)).ids.count == million)
    let accents = Array(repeating: Array("\u{301}".utf8), count: 100_000).flatMap { $0 }
    for spans in [false, true] {
      #expect(try Self.encode([0x61] + accents, spans: spans).ids == [13])
      for mark in ["\u{1DFB}\u{1D165}", "\u{1D165}", "\u{93F}", "é", "한", "ß"] {
        let marks = Array(repeating: Array(mark.utf8), count: 100_000).flatMap { $0 }
        #expect(try Self.encode([0x61] + marks, spans: spans).ids.count == 1)
      }
    }
    // Words just short enough to be looked up piece by piece.
    let word = Array("playing".utf8) + Array(repeating: 0x62, count: 93)
    let words = Array(repeating: word + [0x20], count: 1000).flatMap { $0 }
    #expect(
      try Self.encode(words).ids
        == Array(repeating: [5, 6] + Array(repeating: 14, count: 93), count: 1000).flatMap { $0 })
  }

  /// A vocabulary with one endless token makes every prefix of a word worth a look.
  @Test func hostileVocabulariesCostBoundedTime() throws {
    let endless = String(repeating: "a", count: 100_000)
    let tokenizer = try makeTokenizer(smallVocabulary + [endless, "##a"]) {
      $0.wordPiece?.maximumWordLength = 1024
    }
    let word = String(repeating: "a", count: 256)
    let ids = try tokenizer.encode(word + " " + word + "x", addsSpecials: false).ids
    #expect(ids == [13] + Array(repeating: 25, count: 255) + [1])
  }

  static let invalid: [[UInt8]] = [
    [0x80], [0xC0, 0xAF], [0xC1], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
    [0xF4, 0x90, 0x80, 0x80], [0xF5], [0xFF], [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98],
    [0xE2, 0x28], [0xC3, 0x61], [0xF0, 0x9F, 0x20],
  ]

  /// Swift's own decoder says how many U+FFFD there are; the reference drops them.
  @Test(arguments: invalid)
  func invalidUTF8IsReplacedAsSwiftDoes(_ bytes: [UInt8]) throws {
    let text = [0x61, 0x20] + bytes + Array(" the".utf8)
    let repaired = String(decoding: text, as: UTF8.self)
    let ours = try Self.encode(text, spans: true)
    let theirs = try Self.encode(Array(repaired.utf8), spans: true)
    #expect(ours.ids == theirs.ids && ours.spans == theirs.spans)
    #expect(ours.spans.last?.end == Int32(repaired.unicodeScalars.count))
    // A text that ends in the middle of a scalar.
    _ = try Self.encode([0x61] + bytes, spans: true)
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func randomBytesAreReplacedAsSwiftDoes(_ seed: UInt64) throws {
    let tokenizer = try makeTokenizer()
    var random = SeededGenerator(seed: seed)
    let leads: [UInt8] = [0x5B, 0x61, 0x20, 0xC3, 0xE4, 0xED, 0xF0, 0xF4, 0x80, 0xA0, 0xBF, 0xCC]
    for round in 0..<1000 {
      let bytes = (0..<Int.random(in: 0...24, using: &random)).map { _ in
        Bool.random(using: &random)
          ? leads.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
      }
      let repaired = String(decoding: bytes, as: UTF8.self)
      var ours = TokenizedText()
      try bytes.withUnsafeBufferPointer {
        _ = try tokenizer.encode($0, spans: true, appendingTo: &ours)
      }
      #expect(
        ours == (try tokenizer.encode(repaired, spans: true)), "seed \(seed), text \(round)")
      // Spans must not change ids: the two ways through the scanner agree.
      #expect(ours.ids == (try tokenizer.encode(repaired)).ids, "seed \(seed), text \(round)")
    }
  }
}
