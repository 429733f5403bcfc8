import BertErrors
import BertModel
import Fixtures
import JSONText
import Testing

@testable import BertTokenize

/// Cases from other projects' test suites, by stage.
@Suite(
  .enabled(if: SharedData.isPresent("foreign/wordpiece/cases.jsonl"), "needs the shared data"))
struct ForeignWordPieceTests {
  private static func cases(_ stage: String) throws -> [JSON] {
    try jsonLines("foreign/wordpiece/cases.jsonl").filter { $0.string("stage") == stage }
  }

  private static func vocabulary(_ name: String) throws -> [[UInt8]]? {
    if name == "bert_base_uncased" {
      if MiniLM.vocabulary == nil { print("skipped: a case that needs all-MiniLM-L6-v2") }
      return MiniLM.vocabulary
    }
    let bytes = try SharedData.bytes("foreign/wordpiece/vocabs/\(name).txt")
    return VocabularyTable.tokens(ofText: bytes)
  }

  private static func apply(_ options: JSON?, to settings: inout TokenizerSettings) {
    var rules = WordPieceRules()
    rules.lowercase = options?["do_lower_case"]?.boolValue ?? rules.lowercase
    rules.stripAccents = options?["strip_accents"]?.boolValue
    rules.spaceChinese = options?["tokenize_chinese_chars"]?.boolValue ?? rules.spaceChinese
    settings.kind = .wordPiece(rules)
  }

  private static func tokenizer(_ test: JSON) throws -> Tokenizer? {
    guard let tokens = try vocabulary(test.string("vocab")) else { return nil }
    return try makeTokenizer(bytes: tokens) { apply(test["options"], to: &$0) }
  }

  @Test func basicWords() throws {
    for test in try Self.cases("basic") {
      let tokenizer = try makeTokenizer { Self.apply(test["options"], to: &$0) }
      #expect(tokenizer.words(test.string("text")) == test["expected_words"]?.strings)
    }
  }

  /// The reference's normaliser ends in text; ours ends in the words of that text.
  @Test func normalizing() throws {
    for test in try Self.cases("normalize") {
      let tokenizer = try makeTokenizer {
        $0.wordPiece?.lowercase = test["flags"]?["lowercase"]?.boolValue ?? true
        $0.wordPiece?.stripAccents = test["flags"]?["strip_accents"]?.boolValue
        $0.wordPiece?.spaceChinese = test["flags"]?["handle_chinese_chars"]?.boolValue ?? true
      }
      let expected = test.string("expected_text").split(separator: " ").map(String.init)
      #expect(tokenizer.words(test.string("text")) == expected)
    }
  }

  @Test func characterClasses() throws {
    for test in try Self.cases("character") {
      let scalar = try #require(test.string("text").unicodeScalars.first)
      let kinds = [
        "whitespace": UnicodeTables.Category.space, "control": UnicodeTables.Category.removed,
        "punctuation": UnicodeTables.Category.punctuation,
        "chinese": UnicodeTables.Category.ideograph,
      ]
      let kind = try #require(kinds[test.string("class")], "class \(test.string("class"))")
      let isOne = UnicodeTables.category(scalar.value).kind == kind
      #expect(isOne == test["expected"]?.boolValue, "\(test.string("text"))")
    }
  }

  @Test func wordsToPieces() throws {
    for test in try Self.cases("wordpiece") {
      let tokens = try #require(try Self.vocabulary(test.string("vocab")))
      let tokenizer = try makeTokenizer(bytes: tokens) {
        $0.wordPiece?.lowercase = false
        $0.wordPiece?.maximumWordLength = test["max_input_chars_per_word"]?.integerValue ?? 100
      }
      let ids = try tokenizer.encode(test.string("text"), addsSpecials: false).integerIDs
      #expect(ids == test.integers("expected_ids"))
    }
  }

  @Test func textsToIDs() throws {
    for test in try Self.cases("full") {
      guard let tokenizer = try Self.tokenizer(test) else { continue }
      let ids = try tokenizer.encode(test.string("text"), addsSpecials: false).integerIDs
      #expect(ids == test.integers("expected_ids"), "\(test.string("text"))")
    }
  }

  @Test func specialsTypesAndSpans() throws {
    for test in try Self.cases("encode") {
      guard let tokenizer = try Self.tokenizer(test) else { continue }
      let encoding = try tokenizer.encode(
        test.string("text"), pair: test["pair"]?.stringValue,
        addsSpecials: test["add_special_tokens"]?.boolValue ?? true, spans: true)
      #expect(encoding.integerIDs == test.integers("expected_ids"))
      #expect(encoding.integerTypes == test.integers("expected_type_ids"))
      let offsets = test["expected_offsets"]?.arrayValue?.map(\.integers)
      #expect(encoding.spans.map { [Int($0.start), Int($0.end)] } == offsets)
      let mask = encoding.spans.map { $0.word < 0 ? 1 : 0 }
      #expect(mask == test.integers("special_tokens_mask"))
    }
  }

  @Test func lengthsAfterTruncation() throws {
    for test in try Self.cases("truncate") {
      let lengths = test.integers("lengths")
      let tokens = test["max_length"]?.integerValue ?? 0
      let strategy = try #require(ReferenceTests.strategies[test.string("strategy")])
      let specials = test["special_tokens"]?.integerValue ?? 0
      let kept = try TokenLimit(tokens, strategy).kept(
        first: lengths[0], second: lengths.count > 1 ? lengths[1] : nil, specials: specials)
      let expected = test.integers("expected_lengths")
      #expect([kept.first, kept.second] == [expected[0], expected.count > 1 ? expected[1] : 0])
    }
  }

  /// Cutting from the left is not ours.
  @Test func truncatedTexts() throws {
    for test in try Self.cases("encode_truncated") where test.string("direction") != "left" {
      guard let tokenizer = try Self.tokenizer(test) else { continue }
      let strategy = try #require(ReferenceTests.strategies[test.string("strategy")])
      let limit = TokenLimit(test["max_length"]?.integerValue ?? 0, strategy)
      func encode() throws -> TokenizedText {
        try tokenizer.encode(
          test.string("text"), pair: test["pair"]?.stringValue, limit: limit,
          addsSpecials: test["add_special_tokens"]?.boolValue ?? true)
      }
      if test["expected_error"] != nil {
        #expect(throws: BertError(.usage, "")) { try encode() }
        continue
      }
      let encoding = try encode()
      #expect(encoding.integerIDs == test.integers("expected_ids"))
      #expect(encoding.integerTypes == test.integers("expected_type_ids"))
    }
  }

  @Test func paddedBatches() throws {
    for test in try Self.cases("pad") {
      guard let tokenizer = try Self.tokenizer(test) else { continue }
      let rows = test["expected_ids"]?.arrayValue?.map(\.integers) ?? []
      let masks = test["attention_mask"]?.arrayValue?.map(\.integers) ?? []
      for (text, (row, mask)) in zip(test["texts"]?.strings ?? [], zip(rows, masks)) {
        let kept = zip(row, mask).filter { $0.1 == 1 }.map(\.0)
        #expect(try tokenizer.encode(text, addsSpecials: false).integerIDs == kept)
      }
    }
  }

  @Test func decoding() throws {
    for test in try Self.cases("decode") {
      let tokens = test["tokens"]?.strings ?? []
      let tokenizer = try makeTokenizer(tokens)
      let text = tokenizer.decode(
        tokens.indices.map(Int32.init),
        skippingSpecials: test["skip_special_tokens"]?.boolValue ?? true,
        cleaningUp: test["cleanup"]?.boolValue ?? true)
      #expect(text == test.string("expected_text"))
    }
  }

  @Test func oddVocabularies() throws {
    for test in try Self.cases("vocab") {
      let tokens = try #require(try Self.vocabulary(test.string("vocab")))
      if let expected = test["expected_tokens"]?.strings {
        #expect(tokens == expected.map { Array($0.utf8) })
      }
      let table = try VocabularyTable(copying: try VocabularyTable.build(tokens))
      for (token, id) in test["expected_ids"]?.members ?? [] {
        #expect(table.id(of: token) == id.integerValue.map(Int32.init))
      }
      if test["expected_error"]?.boolValue == true {
        let tokenizer = try Tokenizer(vocabulary: table)
        #expect(throws: BertError(.malformed, "")) { try tokenizer.encode("unknown") }
      }
    }
  }
}
