import BertErrors
import BertImport
import BertModel
import Fixtures
import JSONText
import Testing

/// A SentencePiece model beside a checkpoint, without a `tokenizer.json`.
@Suite struct SentencePieceFileTests {
  private static func field(_ number: UInt8, _ value: [UInt8]) -> [UInt8] {
    [number << 3 | 2, UInt8(value.count)] + value
  }

  /// A piece: 1 for a piece of text, 2 unknown, 3 control, 4 of the user.
  private static func piece(_ text: String, _ score: Float = 0, kind: UInt8 = 1) -> [UInt8] {
    let score = (0..<4).map { UInt8(score.bitPattern >> (8 * UInt32($0)) & 0xFF) }
    return field(1, field(1, Array(text.utf8)) + [0x15] + score + [0x18, kind])
  }

  private static let pieces =
    piece("[PAD]", kind: 3) + piece("[CLS]", kind: 3) + piece("[SEP]", kind: 3)
    + piece("[UNK]", kind: 2) + piece("\u{2581}a", -1.5) + piece("b", -2) + piece("<e>", kind: 4)
  /// `model_type` Unigram.
  private static let trainer = field(2, [0x18, 1])
  private static let normalizer = field(3, [0x18, 1, 0x20, 1, 0x28, 1])

  /// A small DeBERTa with these bytes beside it.
  private func model(_ bytes: [UInt8], _ settings: JSONObject? = nil) throws -> SmallModel {
    var model = try SmallModel()
    model.config["model_type"] = "deberta-v2"
    model.config["architectures"] = ["DebertaV2Model"]
    model.config["vocab_size"] = 9
    model.tensors[model.position("embeddings.word_embeddings.weight")] = (
      "embeddings.word_embeddings.weight", [9, 4], [Float](repeating: 1, count: 36)
    )
    for place in model.tensors.indices {
      model.tensors[place].name = ["query", "key", "value"].reduce(model.tensors[place].name) {
        $0.replacing("attention.self.\($1)", with: "attention.self.\($1)_proj")
      }
    }
    try model.write()
    try model.folder.write("spm.model", bytes)
    if let settings {
      try model.folder.write("tokenizer_config.json", JSON.object(settings).text())
    }
    return model
  }

  @Test func piecesBecomeATokenizerAsTheClassMakesIt() throws {
    let model = try model(
      Self.pieces + Self.trainer + Self.normalizer,
      ["do_lower_case": true, "vocab_type": "spm"])
    let imported = try ModelImport.read(input: model.folder.path)
    let settings = try #require(imported.description.tokenizer)
    let rules = try #require(settings.kind.textRules)
    #expect(rules.normalization == [.lowercase, .stripLeft, .stripRight, .collapseSpaces])
    #expect(
      rules.splitting == [.metaspace(prefixesFirst: true, prefixesAlways: true, splits: true)])
    // The mask has an id behind the pieces, and what the user defined is found as it stands.
    let tokens = imported.vocabulary.map { String(decoding: $0, as: UTF8.self) }
    #expect(
      tokens == ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "\u{2581}a", "b", "<e>", "[MASK]"])
    let added = settings.addedTokens
    #expect(added.first { $0.text == "<e>" }?.isSpecial == false)
    #expect(added.first { $0.text == "[MASK]" }?.id == 7)
    #expect(settings.classToken == "[CLS]" && settings.unknownToken == "[UNK]")
    #expect(imported.tokenizer.scores[4] == -1.5 && imported.tokenizer.unknownID == 3)
  }

  static let refused: [(String, [UInt8], BertError.Code, String)] = [
    ("byte pairs", pieces + field(2, [0x18, 2]), .unsupported, "model_type"),
    ("bytes", pieces + piece("<0x41>", kind: 6), .unsupported, "byte"),
    ("an unknown kind", pieces + piece("x", kind: 9), .unsupported, "type 9"),
    ("no mark before texts", pieces + field(3, [0x18, 0]), .unsupported, "add_dummy_prefix"),
    ("spaces as they are", pieces + field(3, [0x28, 0]), .unsupported, "escape_whitespaces"),
    (
      "marks behind", pieces + field(2, [0xC0, 1, 1]), .unsupported, "treat_whitespace_as_suffix"
    ),
    ("fallback to bytes", pieces + field(2, [0x98, 2, 1]), .unsupported, "byte_fallback"),
    ("no unknown piece", piece("[CLS]", kind: 3), .malformed, "unknown"),
    ("no frame", piece("[UNK]", kind: 2) + piece("[CLS]", kind: 3), .unsupported, "sep_token"),
    ("nothing", [], .malformed, "unknown"),
    ("a piece that ends early", [0x0A, 9, 0x0A, 1, 97], .malformed, "spm.model"),
    ("a score that is no number", pieces + piece("c", .nan), .malformed, "spm.model"),
    ("no text", pieces + field(1, field(1, [0xFF, 0xFE])), .malformed, "UTF-8"),
  ]

  @Test(arguments: refused.indices)
  func whatIsNoSuchModelIsRefusedByName(_ index: Int) throws {
    let (what, bytes, code, word) = Self.refused[index]
    let folder = try model(bytes).folder
    let error = #expect(throws: BertError.self, "\(what)") {
      try ModelImport.read(input: folder.path)
    }
    #expect(error?.code == code, "\(what): \(error?.description ?? "")")
    #expect(error?.description.contains(word) == true, "\(what): \(error?.description ?? "")")
  }

  /// Every byte changed, and every length: an error or a model, and nothing else.
  @Test func damagedModelsAreErrors() throws {
    let whole = Self.pieces + Self.trainer + Self.normalizer
    let folder = try model(whole).folder
    func read(_ bytes: [UInt8]) throws {
      try folder.write("spm.model", bytes)
      _ = try? ModelImport.read(input: folder.path)
    }
    for place in whole.indices {
      for value in [0xFF, whole[place] ^ 8] {
        var bytes = whole
        bytes[place] = value
        try read(bytes)
      }
      try read(Array(whole[..<place]))
    }
  }
}
