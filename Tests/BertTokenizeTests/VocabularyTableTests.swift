import BertErrors
import BertTokenize
import Fixtures
import Testing

struct VocabularyTableTests {
  static let odd: [[UInt8]] = [
    Array("a".utf8), [], Array("##a".utf8), [0xFF, 0x00, 0x80], Array("a".utf8), [0x0D],
    Array("ключ".utf8),
  ]

  @Test func findsEveryTokenAndTheLastOfEqualOnes() throws {
    let table = try VocabularyTable(copying: try VocabularyTable.build(Self.odd))
    #expect(table.count == Self.odd.count)
    for (id, token) in Self.odd.enumerated() {
      #expect(table.token(id) == token)
      #expect(table.id(of: token) == (id == 0 ? 4 : Int32(id)))
    }
    for absent in ["b", "aa", "##", "клю", "ключи"] { #expect(table.id(of: absent) == nil) }
    #expect(table.token(7) == nil && table.token(-1) == nil)
  }

  @Test func holdsNoTokensAtAll() throws {
    let table = try VocabularyTable(copying: try VocabularyTable.build([]))
    #expect(table.count == 0 && table.id(of: "a") == nil && table.token(0) == nil)
  }

  @Test func findsAmongManyTokens() throws {
    let tokens = (0..<20_000).map { Array("t\($0 * 7919)".utf8) }
    let table = try VocabularyTable(copying: try VocabularyTable.build(tokens))
    #expect(tokens.indices.allSatisfy { table.id(of: tokens[$0]) == Int32($0) })
    #expect((0..<20_000).allSatisfy { table.id(of: "u\($0)") == nil })
  }

  /// The layout of the documentation, read by other means: a search through the slots from scratch.
  @Test func layoutIsTheDocumentedOne() throws {
    let bytes = try VocabularyTable.build(Self.odd)
    func word(_ at: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
    }
    #expect(Array(bytes[0..<4]) == Array("BVT1".utf8))
    #expect(word(4) == 7 && word(8) == 16 && word(12) == 17 && word(16) == 8 && word(28) == 0)
    #expect(bytes.count == 36 + 4 * 16 + 4 * 7 + 17)
    for (id, token) in Self.odd.enumerated() where id != 0 {
      var hash = word(24)
      for byte in token { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
      hash ^= hash >> 16
      hash &*= 0x85EB_CA6B
      hash ^= hash >> 13
      let wanted = (hash >> 24) << 24 | UInt32(id + 1)
      let steps = (0..<word(20)).map { word(32 + 4 * Int((hash &+ $0) & 15)) }
      #expect(steps.prefix { $0 != 0 }.contains(wanted))
    }
  }

  @Test func refusesTablesThatContradictThemselves() throws {
    let good = try VocabularyTable.build(Self.odd)
    for length in 0..<good.count {
      #expect(throws: BertError(.malformed, "")) {
        try VocabularyTable(copying: Array(good[..<length]))
      }
    }
    #expect(throws: BertError(.malformed, "")) { try VocabularyTable(copying: good + [0]) }
    for (at, value) in [(0, 0), (4, 0xFF), (7, 0xFF), (8, 15), (11, 0x80), (15, 0x80), (20, 65)] {
      var bad = good
      bad[at] = UInt8(value)
      #expect(throws: BertError(.malformed, "")) { try VocabularyTable(copying: bad) }
    }
  }

  /// Any bytes at all after the header: wrong answers are allowed, reads outside are not.
  @Test func survivesHostileBodies() throws {
    let good = try VocabularyTable.build(smallVocabulary.map { Array($0.utf8) })
    var random = SeededGenerator(seed: 1)
    for round in 0..<400 {
      var bad = good
      for _ in 0..<(round % 40 + 1) {
        bad[Int.random(in: 32..<bad.count, using: &random)] =
          [0, 1, 0x7F, 0xFF].randomElement(using: &random) ?? 0
      }
      let table = try VocabularyTable(copying: bad)
      for token in smallVocabulary { _ = table.id(of: token) }
      for id in -1...table.count { _ = table.token(id) }
      guard let tokenizer = try? Tokenizer(vocabulary: table) else { continue }
      _ = try? tokenizer.encode("playing the [MASK] unknown café, 你好.", spans: true)
      _ = tokenizer.decode(0..<40)
    }
  }

  static let texts: [(String, [String])] = [
    ("", []), ("\n", [""]), ("a", ["a"]), ("a\nb\n", ["a", "b"]), ("a\r\nb\r\n", ["a", "b"]),
    ("a\rb", ["a", "b"]), ("a\n\nb", ["a", "", "b"]),
    (" a \n\u{85}\n\u{2028}", [" a ", "\u{85}", "\u{2028}"]),
  ]

  @Test(arguments: texts)
  func readsOneTokenALine(_ text: String, _ expected: [String]) {
    #expect(VocabularyTable.tokens(ofText: Array(text.utf8)) == expected.map { Array($0.utf8) })
  }
}
