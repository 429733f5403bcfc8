import BertModel
import BertTokenize
import Bertq
import Fixtures
import Testing

/// Tables of a multilingual vocabulary's size, looked up where they lie.
struct LargeVocabularyTests {
  static let pieces = 250_002

  /// A file with so many pieces and small weights.
  private func writeFile(to path: String) throws {
    let configuration = BertConfiguration(
      vocabularySize: Self.pieces, hiddenSize: 8, layerCount: 1, headCount: 1, intermediateSize: 8,
      maximumPositions: 32, tokenTypeCount: 1, layerNormEpsilon: 1e-12, activation: .relu)
    var settings = TokenizerSettings()
    var rules = TextRules()
    rules.splitting = [.metaspace(prefixesFirst: true, prefixesAlways: true, splits: true)]
    settings.kind = .unigram(rules)
    (settings.classToken, settings.separatorToken) = ("<s>", "</s>")
    (settings.unknownToken, settings.padToken, settings.maskToken) = ("<unk>", "<pad>", "<mask>")
    var vocabulary = TokenizerVocabulary()
    vocabulary.tokens = ["<s>", "<pad>", "</s>", "<unk>"].map { Array($0.utf8) }
    var random = SeededGenerator(seed: 5)
    var known: Set<[UInt8]> = []
    while vocabulary.tokens.count < Self.pieces - 1 {
      let length = Int.random(in: 1...9, using: &random)
      var piece = (0..<length).map { _ in UInt8.random(in: 97...122, using: &random) }
      if Bool.random(using: &random) { piece = Array("▁".utf8) + piece }
      if known.insert(piece).inserted { vocabulary.tokens.append(piece) }
    }
    vocabulary.tokens.append(Array("<mask>".utf8))
    vocabulary.scores = vocabulary.tokens.indices.map { -Double($0) / 1e4 }
    vocabulary.unknownID = 3
    settings.addedTokens = [("<s>", 0), ("<pad>", 1), ("</s>", 2), ("<mask>", Self.pieces - 1)].map
    {
      AddedToken($0.0, id: $0.1)
    }
    let store = try GeneratedModel(configuration).store()
    for table in try vocabulary.tables(settings) {
      try store.add(table.name, .uint8, [table.bytes.count], table.bytes)
    }
    var description = store.model
    description.tokenizer = settings
    try write(store, description, to: path)
  }

  @Test func idsAreThoseOfTheirPieces() throws {
    let folder = try TemporaryFolder()
    let path = folder / "large.bertq"
    try writeFile(to: path)
    let tokenizer = try #require(try ServedModel(path: path).tokenizer)
    let ids = try tokenizer.encode("abc def").ids
    #expect(ids.count >= 4 && ids.first == 0 && ids.last == 2)
    #expect(tokenizer.decode(ids) == "abc def")
  }
}
