import BertErrors
import BertModel
import BertTokenize
import Testing

/// Ids and spans as tokenizers 0.23.3 gives them for the same vocabulary and tokens.
struct AddedTokenTests {
  static let words = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "the", "<e>", "e", "<", ">", "##e",
  ]

  static func tokenizer(
    _ added: [(text: String, change: (inout AddedToken) -> Void)],
    _ change: (inout TokenizerSettings) -> Void = { _ in }
  ) throws -> Tokenizer {
    let bytes = (words + added.map(\.text)).map { Array($0.utf8) }
    let new = words.count..<bytes.count
    let table = try VocabularyTable.build(bytes, unlisted: Set(new))
    var settings = TokenizerSettings()
    settings.addedTokens = words.prefix(5).enumerated().map { AddedToken($1, id: $0) }
    for (id, token) in zip(new, added) {
      var made = AddedToken(token.text, id: id)
      token.change(&made)
      settings.addedTokens.append(made)
    }
    change(&settings)
    return try Tokenizer(vocabulary: try VocabularyTable(copying: table), settings: settings)
  }

  @Test func plainOnesAreFoundInsideWords() throws {
    let tokenizer = try Self.tokenizer([("covid", { _ in })])
    #expect(try tokenizer.encode("a xcovidx COVID", addsSpecials: false).ids == [5, 1, 13, 1, 1])
  }

  @Test func addedTokensAreNoPiecesOfWords() throws {
    // The text is lower-cased to the token's letters, but the model itself does not have it.
    let tokenizer = try Self.tokenizer([("ab", { _ in }), ("##b", { _ in })])
    #expect(try tokenizer.encode("AB", addsSpecials: false).ids == [1])
    #expect(try tokenizer.encode("ab", addsSpecials: false).ids == [13])
    #expect(tokenizer.decode([13, 5], skippingSpecials: false) == "ab a")
  }

  @Test func normalisedOnesAreFoundInNormalisedText() throws {
    let normalized: (inout AddedToken) -> Void = {
      $0.isNormalized = true
      $0.isSpecial = false
    }
    let tokenizer = try Self.tokenizer([("naïve café", normalized), ("日本", normalized)])
    let first = try tokenizer.encode("NAIVE cafe\u{301} b", addsSpecials: false, spans: true)
    #expect(first.ids == [13, 6])
    #expect(first.spans.map { [$0.start, $0.end, $0.word] } == [[0, 10, 0], [12, 13, 1]])
    let second = try tokenizer.encode("a日本b", addsSpecials: false, spans: true)
    #expect(second.ids == [5, 14, 6])
    #expect(
      second.spans.map { [$0.start, $0.end, $0.word] } == [[0, 1, 0], [1, 3, 1], [3, 4, 2]])
    #expect(try tokenizer.encode("[MASK] THE [mask]", addsSpecials: false).ids.first == 4)
  }

  @Test func whiteSpaceAroundBelongsToThoseThatTakeIt() throws {
    let tokenizer = try Self.tokenizer([
      (
        " sp",
        {
          $0.takesSpaceBefore = true
          $0.takesSpaceBehind = true
        }
      )
    ])
    let encoding = try tokenizer.encode("a  sp sp b", addsSpecials: false, spans: true)
    #expect(encoding.ids == [5, 13, 13, 6])
    #expect(encoding.spans.map { [$0.start, $0.end] } == [[0, 1], [1, 6], [6, 9], [9, 10]])
  }

  @Test func wordsOfTheirOwnAreNotFoundInsideOthers() throws {
    let tokenizer = try Self.tokenizer([("w", { $0.isSingleWord = true })])
    #expect(
      try tokenizer.encode("w aw _w w. 日w", addsSpecials: false).ids
        == [13, 1, 1, 1, 13, 1, 1, 1])
  }

  @Test func manyAddedTokensAreFoundAsFewAre() throws {
    let names = (0..<300).map { "[unused\($0)]" }
    let many = try Self.tokenizer(names.map { ($0, { _ in }) })
    let text = "a [unused7][unused71]b [unused] [UNK][unused299]"
    let ids = try many.encode(text, addsSpecials: false).ids
    #expect(ids.prefix(4) == [5, 20, 84, 6])
    #expect(ids.suffix(2) == [1, 312])
  }

  /// What keeps the normalised text whole, and what streams it, are two ways to the same tokens.
  @Test func normalisingWholeTextsChangesNoToken() throws {
    let plain = try Self.tokenizer([])
    let whole = try Self.tokenizer([
      ("\u{10FFFD}", { $0.isNormalized = true }), ("~~~~", { $0.isNormalized = true }),
    ])
    var scalars: [Unicode.Scalar] = []
    for value in stride(from: UInt32(1), to: 0x30000, by: 7) {
      if let scalar = Unicode.Scalar(value) { scalars.append(scalar) }
    }
    for start in stride(from: 0, to: scalars.count, by: 40) {
      var text = String.UnicodeScalarView()
      for scalar in scalars[start..<min(start + 40, scalars.count)] {
        text.append(contentsOf: ["a", "e", scalar, "\u{301}", "\u{323}"])
      }
      let a = try plain.encode(String(text), spans: true)
      let b = try whole.encode(String(text), spans: true)
      #expect(a.ids == b.ids && a.spans == b.spans, "from \(scalars[start].value)")
    }
  }

  @Test func idsOutsideTheVocabularyAreRefused() {
    #expect(throws: BertError(.malformed, "")) {
      try Self.tokenizer([]) { $0.addedTokens.append(AddedToken("x", id: 99)) }
    }
  }

  @Test func tokensWithoutAnEmbeddingAreRefusedByName() throws {
    let table = try VocabularyTable.build(Self.words.map { Array($0.utf8) })
    let tokenizer = try Tokenizer(
      vocabulary: try VocabularyTable(copying: table), embeddingRows: 12)
    #expect(try tokenizer.encode("a <").ids == [2, 5, 10, 3])
    let error = #expect(throws: BertError.self) { try tokenizer.encode("ee") }
    #expect(error?.message.contains("'##e'") == true)
  }
}
