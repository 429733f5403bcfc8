import BertModel
import Fixtures
import JSONText
import Testing

@testable import BertTokenize

/// UTF-8 by Swift's own encoder.
private func utf8(_ scalar: UInt32) -> [UInt8] {
  UnicodeScalar(scalar).flatMap { UTF8.encode($0) }.map(Array.init) ?? []
}

/// What happens to every Unicode scalar, against the facts about the reference.
struct UnicodeTests {
  /// The facts as the file tells them, without the generator or the tables.
  private struct Facts {
    var removed: [Bool]
    var space: [Bool]
    var ideograph: [Bool]
    var punctuation: [Bool]
    var strip: [UInt32: [UInt32]]
    var lower: [UInt32: [UInt32]]
    var isMentioned = [Bool](repeating: false, count: 0x110000)

    init(_ json: JSON) {
      func members(_ key: String) -> [Bool] {
        var found = [Bool](repeating: false, count: 0x110000)
        for range in json[key]?.arrayValue ?? [] {
          for scalar in range.integers[0]...range.integers[1] { found[scalar] = true }
        }
        return found
      }
      func mapping(_ key: String) -> [UInt32: [UInt32]] {
        var found: [UInt32: [UInt32]] = [:]
        for (scalar, target) in json[key]?["map"]?.members ?? [] {
          let parts = (target.stringValue ?? "").split(separator: " ")
          found[UInt32(scalar, radix: 16) ?? 0] = parts.compactMap { UInt32($0, radix: 16) }
        }
        return found
      }
      removed = members("removed_by_clean_text")
      space = members("mapped_to_space_by_clean_text")
      space[0x20] = true
      ideograph = members("spaced_as_cjk")
      punctuation = members("split_as_punctuation_by_pre_tokenizer")
      strip = mapping("strip_accents")
      lower = mapping("lowercase")
      for scalar in 0..<0x110000 {
        isMentioned[scalar] =
          removed[scalar] || space[scalar] || ideograph[scalar] || punctuation[scalar]
          || 0xAC00...0xD7A3 ~= scalar
      }
      for scalar in [strip.keys, lower.keys].joined() { isMentioned[Int(scalar)] = true }
    }

    /// The words of `a` + scalar + `b`.
    func words(_ scalar: UInt32, _ settings: WordPieceRules) -> [[UInt32]] {
      if removed[Int(scalar)] { return [[0x61, 0x62]] }
      if space[Int(scalar)] { return [[0x61], [0x62]] }
      var parts = [scalar]
      if settings.stripsAccents {
        parts = 0xAC00...0xD7A3 ~= scalar ? Self.jamo(scalar) : strip[scalar] ?? parts
      }
      if settings.lowercase { parts = parts.flatMap { lower[$0] ?? [$0] } }
      let isAlone = ideograph[Int(scalar)] && settings.spaceChinese
      if isAlone || (parts.count == 1 && punctuation[Int(parts[0])]) {
        return [[0x61], parts, [0x62]]
      }
      return [[0x61] + parts + [0x62]]
    }

    /// By counting through the syllables in order, not by the arithmetic under test.
    private static let jamoTable: [[UInt32]] = (0x1100...0x1112).flatMap { first in
      (0x1161...0x1175).flatMap { second in
        (0x11A7...0x11C2).map { third in
          third == 0x11A7 ? [first, second] : [first, second, third]
        }
      }
    }

    private static func jamo(_ syllable: UInt32) -> [UInt32] { jamoTable[Int(syllable) - 0xAC00] }
  }

  @Test(
    .enabled(if: SharedData.isPresent("oracle/codepoints.json"), "needs the shared data"),
    arguments: [(true, true), (true, false), (false, true), (false, false)])
  func everyScalarIsTreatedAsByTheReference(_ lowercase: Bool, _ strip: Bool) throws {
    let facts = Facts(try JSON.parse(try SharedData.bytes("oracle/codepoints.json")))
    let tokenizer = try makeTokenizer {
      $0.wordPiece?.lowercase = lowercase
      $0.wordPiece?.stripAccents = strip
      $0.wordPiece?.spaceChinese = lowercase
    }
    let rules = try #require(tokenizer.settings.wordPiece)
    var wrong: [UInt32] = []
    var encoding = TokenizedText()
    guard case .wordPiece(let pieces) = tokenizer.engine else {
      Issue.record("a tokenizer of another kind")
      return
    }
    pieces.withScanner(&encoding, spans: false, words: true) { scanner in
      for scalar in UInt32(0)..<0x110000 where UnicodeScalar(scalar) != nil {
        // That a scalar is left alone is asked once with every step on, and once with none.
        let isMentioned = facts.isMentioned[Int(scalar)]
        if !isMentioned, lowercase != strip { continue }
        scanner.words.removeAll(keepingCapacity: true)
        let text = [0x61] + utf8(scalar) + [0x62]
        text.withUnsafeBufferPointer { scanner.scan($0) }
        let expected =
          isMentioned
          ? facts.words(scalar, rules).map { $0.flatMap(utf8) } : [text]
        if scanner.words != expected { wrong.append(scalar) }
      }
    }
    #expect(wrong.isEmpty)
  }

  static let sequences: [(String, [String])] = [
    // A mark that Unicode 8 did not know stays, and moves past one of a higher class...
    ("a\u{1D165}\u{1DFB}b", ["a\u{1D165}\u{1DFB}b"]),
    ("a\u{1DFB}\u{1D165}b", ["a\u{1D165}\u{1DFB}b"]),
    // ...also past one that is dropped, but not past a starter, even one that is dropped.
    ("a\u{1DFB}\u{301}\u{1D165}b", ["a\u{1D165}\u{1DFB}b"]),
    ("a\u{1DFB}\u{93E}\u{1D165}b", ["a\u{1DFB}\u{93E}\u{1D165}b"]),
    ("a\u{1DFB}\u{941}\u{1D165}b", ["a\u{1DFB}\u{1D165}b"]),
    ("A\u{30A}\u{212B}\u{212A}", ["aak"]),
    ("\u{1E9E}\u{130}\u{3A3}", ["ßiσ"]),
    ("a\u{226E}b", ["a", "<", "b"]),
    ("한국", ["\u{1112}\u{1161}\u{11AB}\u{1100}\u{116E}\u{11A8}"]),
    ("\u{F900}", ["\u{8C48}"]),
    ("a\u{2B820}", ["a\u{2B820}"]),
  ]

  @Test(arguments: sequences)
  func marksComeInCanonicalOrder(_ text: String, _ expected: [String]) throws {
    let words = try makeTokenizer().words(text).map { Array($0.unicodeScalars) }
    #expect(words == expected.map { Array($0.unicodeScalars) })
  }
}
