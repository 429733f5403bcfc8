import BertErrors
import BertModel
import BertTokenize
import Fixtures
import Testing

/// Small vocabularies of byte pairs and Unigram, whose answers can be worked out by hand.
@Suite struct PieceTests {
  static func unigram(
    _ pieces: [(String, Double)], charsmap: [UInt8] = [],
    _ change: (inout TextRules) -> Void = { _ in }
  ) throws -> Tokenizer {
    var rules = TextRules()
    rules.splitting = [.metaspace(prefixesFirst: true, prefixesAlways: true, splits: true)]
    change(&rules)
    var settings = TokenizerSettings()
    settings.kind = .unigram(rules)
    (settings.classToken, settings.separatorToken, settings.unknownToken) = ("<s>", "</s>", "<unk>")
    settings.addedTokens = [AddedToken("<s>", id: 0), AddedToken("</s>", id: 1)]
    var mask = AddedToken("<mask>", id: 3)
    mask.takesSpaceBefore = true
    settings.addedTokens.append(mask)
    var vocabulary = TokenizerVocabulary()
    let all = [("<s>", 0.0), ("</s>", 0), ("<unk>", 0), ("<mask>", 0)] + pieces
    vocabulary.tokens = all.map { Array($0.0.utf8) }
    vocabulary.scores = all.map(\.1)
    vocabulary.unknownID = 2
    vocabulary.charsmap = charsmap
    let tables = try vocabulary.tables(settings)
    return try Tokenizer(tables: TokenizerTables(copying: tables), settings: settings)
  }

  static let cases: [(String, [Int32])] = [
    ("", []), ("ab", [4]), ("a", [5, 6]), ("ab ab", [4, 4]), ("  ab", [5, 4]),
    // The way of the highest sum: ▁ab + c beats ▁ + abc.
    ("abc", [4, 8]),
    // Unknown scalars in a row are one token.
    ("xy", [5, 2]), ("axyb", [5, 6, 2, 7]), ("ab<mask>ab", [4, 3, 4]), ("ab <mask> ab", [4, 3, 4]),
    ("\u{2581}ab", [4]),
  ]

  @Test(arguments: cases)
  func aUnigramTakesTheWayOfTheHighestSum(text: String, ids: [Int32]) throws {
    let tokenizer = try Self.unigram([
      ("▁ab", -1), ("▁", -2), ("a", -2), ("b", -2), ("c", -2), ("abc", -2),
    ])
    #expect(try tokenizer.encode(text).ids == [0] + ids + [1])
  }

  @Test func spansAreThoseOfTheText() throws {
    let tokenizer = try Self.unigram([("▁ab", -1), ("▁", -2), ("é", -2)])
    let made = try tokenizer.encode("ab é <mask>", spans: true)
    #expect(made.ids == [0, 4, 5, 6, 3, 1])
    #expect(made.spans.map(\.start) == [0, 0, 2, 3, 4, 0])
    #expect(made.spans.map(\.end) == [0, 2, 3, 4, 11, 0])
    #expect(made.spans.map(\.word) == [-1, 0, 1, 1, 2, -1])
    #expect(tokenizer.decode(made.ids, skippingSpecials: true) == "ab é")
  }

  @Test func stepsThatAreNotComputedAreRefused() {
    for change: @Sendable (inout TextRules) -> Void in [
      { $0.normalization = [.precompiled] },
      { $0.normalization = [.replace(pattern: "", content: "a")] },
      {
        $0.normalization = Array(repeating: .replace(pattern: "a", content: "aaaaaaaa"), count: 5)
      },
      { $0.splitting = [] }, { $0.splitting = [.byteLevel(prefixesFirst: false, splits: true)] },
      { $0.splitting.append(.whitespace) }, { $0.fallsBackToBytes = true },
    ] {
      #expect(throws: BertError.self) { try Self.unigram([("a", -1)], change) }
    }
  }

  /// A trie of one unit, which replaces nothing, and strings that it could replace by.
  @Test(arguments: [
    ("", true), (String(repeating: "a", count: 256) + "\0b\0", true),
    ("b\0" + String(repeating: "a", count: 257) + "\0", false), ("a", false), ("\u{E9}\0", true),
  ])
  func aCharsmapsReplacementsAreBounded(strings: String, isTaken: Bool) throws {
    let trie: [UInt8] = [4, 0, 0, 0, 0, 0, 0, 0]
    let charsmap = trie + (strings.isEmpty ? [0] : Array(strings.utf8))
    func make() throws -> Tokenizer {
      try Self.unigram([("▁a", -1)], charsmap: charsmap) { $0.normalization = [.precompiled] }
    }
    if isTaken {
      #expect(try make().encode("a").ids == [0, 4, 1])
    } else {
      let error = try #require(throws: BertError.self) { try make() }
      #expect(error.code == .malformed && error.message.contains("precompiled normalisation"))
    }
  }

  /// What steps leave of a text, and the scalars that each byte of it stands for, as `tokenizers` answers.
  static let normalisations:
    [(steps: [NormalizationStep], text: String, left: String, places: [[Int]])] = [
      ([.nfd], "\u{E9}", "e\u{301}", [[0, 1], [0, 1], [0, 1]]),
      ([.nfkd], "x\u{FB03}", "xffi", [[0, 1], [1, 2], [1, 2], [1, 2]]),
      // Marks change places; each takes the turn of the one that stood there.
      (
        [.nfd], "q\u{307}\u{323}", "q\u{323}\u{307}", [[0, 1], [1, 2], [1, 2], [2, 3], [2, 3]]
      ),
      (
        [.nfc], "a\u{301}\u{323}b", "\u{1EA1}\u{301}b",
        [[0, 1], [0, 1], [0, 1], [2, 3], [2, 3], [3, 4]]
      ),
      ([.nfc], "\u{1100}\u{1161}\u{11A8}z", "\u{AC01}z", [[0, 1], [0, 1], [0, 1], [3, 4]]),
      ([.stripAccents], "\u{301}ab\u{301}c\u{903}", "abc", [[1, 2], [2, 3], [4, 5]]),
      ([.lowercase], "\u{130}A", "i\u{307}a", [[0, 1], [0, 1], [0, 1], [1, 2]]),
      ([.replace(pattern: "``", content: "\"")], "``a`", "\"a`", [[1, 2], [2, 3], [3, 4]]),
      ([.nfkd, .stripAccents, .lowercase], "\u{C9}", "e", [[0, 1]]),
    ]

  @Test(arguments: normalisations)
  func normalisationKeepsPlaces(
    steps: [NormalizationStep], text: String, left: String, places: [[Int]]
  ) throws {
    let tokenizer = try Self.bytePairs([]) { $0.normalization = steps }
    let made = try tokenizer.encode(text, spans: true)
    #expect(tokenizer.decode(made.ids.dropFirst().dropLast()).utf8.elementsEqual(left.utf8))
    let spans = made.spans.dropFirst().dropLast().map { [Int($0.start), Int($0.end)] }
    #expect(spans == places)
  }

  static func bytePairs(
    _ merges: [(String, String)], normalization: [NormalizationStep] = [],
    _ change: (inout TextRules) -> Void = { _ in }
  ) throws -> Tokenizer {
    var settings = TokenizerSettings()
    var rules = TextRules()
    rules.normalization = normalization
    rules.splitting = [.byteLevel(prefixesFirst: false, splits: true)]
    change(&rules)
    settings.kind = .bytePairs(rules)
    (settings.classToken, settings.separatorToken) = ("<s>", "</s>")
    settings.addedTokens = [AddedToken("<s>", id: 0), AddedToken("</s>", id: 1)]
    var vocabulary = TokenizerVocabulary()
    var tokens =
      ["<s>", "</s>"]
      + ByteAlphabet.scalars.compactMap { Unicode.Scalar($0).map { String(Character($0)) } }
    for (left, right) in merges where !tokens.contains(left + right) { tokens.append(left + right) }
    func id(_ token: String) -> UInt32 { UInt32(tokens.firstIndex(of: token) ?? 0) }
    vocabulary.tokens = tokens.map { Array($0.utf8) }
    vocabulary.byteTokens = (2..<258).map { UInt32($0) }
    vocabulary.merges = merges.map { (id($0), id($1), id($0 + $1)) }
    let tables = try vocabulary.tables(settings)
    return try Tokenizer(tables: TokenizerTables(copying: tables), settings: settings)
  }

  static let words: [(String, [String])] = [
    ("abc", ["ab", "c"]), ("bc", ["bc"]), ("aabc", ["a", "ab", "c"]), (" abc", ["Ġ", "ab", "c"]),
    ("ab's", ["ab", "'", "s"]), ("é", ["Ã", "©"]), ("a  b", ["a", "Ġ", "Ġ", "b"]),
    ("abab", ["abab"]),
  ]

  @Test(arguments: words)
  func theLowestRankIsMergedFirst(text: String, tokens: [String]) throws {
    let tokenizer = try Self.bytePairs([("a", "b"), ("b", "c"), ("ab", "ab")])
    let ids = try tokenizer.encode(text).ids.dropFirst().dropLast()
    #expect(
      ids.map { tokenizer.vocabulary.token(Int($0)).map { String(decoding: $0, as: UTF8.self) } }
        == tokens)
    #expect(tokenizer.decode(ids) == text)
  }

  /// Scalars, and what canonical composition makes of them: Unicode's own examples of marks in another order,
  /// blocked marks, compositions that are excluded, singletons and Hangul.
  static let composed: [([UInt32], [UInt32])] = [
    ([0x65, 0x301], [0xE9]), ([0xE9], [0xE9]), ([0x41, 0x30A, 0x42], [0xC5, 0x42]),
    ([0x212B], [0xC5]), ([0x1E0B, 0x323], [0x1E0D, 0x307]),
    ([0x64, 0x307, 0x323], [0x1E0D, 0x307]),
    ([0x1E69], [0x1E69]), ([0x73, 0x307, 0x323], [0x1E69]), ([0x301], [0x301]),
    ([0x301, 0x65, 0x301], [0x301, 0xE9]), ([0x61, 0x5AE, 0x300], [0xE0, 0x5AE]),
    ([0x61, 0x35C, 0x315, 0x300, 0x5AE, 0x62], [0xE0, 0x5AE, 0x315, 0x35C, 0x62]),
    ([0x958], [0x915, 0x93C]), ([0x915, 0x93C], [0x915, 0x93C]), ([0x344], [0x308, 0x301]),
    ([0x1100, 0x1161], [0xAC00]), ([0x1100, 0x1161, 0x11A8], [0xAC01]),
    ([0xAC00, 0x11A8], [0xAC01]),
    ([0xAC01, 0x11A8], [0xAC01, 0x11A8]), ([0xAC00, 0x11A7], [0xAC00, 0x11A7]),
    ([0x1F85], [0x1F85]), ([0x3B1, 0x314, 0x301, 0x345], [0x1F85]),
    ([0x1D15E], [0x1D157, 0x1D165]),
  ]

  @Test(arguments: composed)
  func scalarsAreComposedCanonically(scalars: [UInt32], expected: [UInt32]) throws {
    func text(_ scalars: [UInt32]) -> String {
      String(String.UnicodeScalarView(scalars.compactMap(Unicode.Scalar.init)))
    }
    let tokenizer = try Self.bytePairs([], normalization: [.nfc])
    let plain = try Self.bytePairs([])
    #expect(try tokenizer.encode(text(scalars)).ids == plain.encode(text(expected)).ids)
  }

  @Test func aLongWordTakesTimeInProportion() throws {
    let tokenizer = try Self.bytePairs([("a", "b"), ("b", "c"), ("ab", "ab")])
    let text = String(repeating: "ab", count: 200_000)
    #expect(try tokenizer.encode(text).ids.count == 100_002)
    let unigram = try Self.unigram([("a", -1), ("b", -1)])
    #expect(try unigram.encode(text).ids.count == 400_003)
  }

  /// A damaged table may give wrong answers; no read leaves it.
  @Test func damagedTablesNeverTrap() throws {
    var random = SeededGenerator(seed: 17)
    var settings = TokenizerSettings()
    var rules = TextRules()
    rules.splitting = [.metaspace(prefixesFirst: true, prefixesAlways: true, splits: true)]
    settings.kind = .unigram(rules)
    settings.addedTokens = [AddedToken("[CLS]", id: 0), AddedToken("[SEP]", id: 1)]
    let pieces = try PieceTable.build(
      ["[CLS]", "[SEP]", "<unk>", "▁ab", "b", "é"].map { Array($0.utf8) },
      scores: [0, 0, 0, -1, -2, -3], unknownID: 2)
    var (opened, refused) = (0, 0)
    for _ in 0..<4_000 {
      var bytes = pieces
      for _ in 0...Int(random.next() % 3) {
        bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      let tables = TokenizerTables(copying: [(CanonicalName.pieces, bytes)])
      guard let tokenizer = try? Tokenizer(tables: tables, settings: settings) else {
        refused += 1
        continue
      }
      opened += 1
      _ = try? tokenizer.encode("ab é xé bb", spans: true)
      _ = tokenizer.decode([0, 1, 2, 3, 4, 5, 6, -1])
    }
    #expect(opened > 0 && refused > 0)
  }
}
