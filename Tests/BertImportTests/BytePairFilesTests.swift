import BertErrors
import BertImport
import BertModel
import Fixtures
import FoundationEssentials
import JSONText
import Testing

/// `vocab.json` and `merges.txt`, where no `tokenizer.json` lies beside them.
///
/// `tools/check/tokenizer-files` compares what they mean with the library that publishes them.
@Suite struct BytePairFilesTests {
  /// How a byte is written: itself where it is a printable character, else the next one from U+0100 on.
  static let alphabet: [String] = {
    var next: UInt32 = 0x100
    return (UInt32(0)..<256).map { byte in
      let isPrintable =
        (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
      defer { if !isPrintable { next += 1 } }
      return String(Character(Unicode.Scalar(isPrintable ? byte : next) ?? " "))
    }
  }()
  static let specials = ["<s>", "<pad>", "</s>", "<unk>"]
  static let merges = ["t h", "th e", "\u{120} the"]

  static var vocabulary: JSON {
    let tokens = specials + alphabet + merges.map { $0.replacing(" ", with: "") } + ["<mask>"]
    return .object(JSONObject(tokens.enumerated().map { ($1, .integer($0)) }))
  }

  private func model(
    _ vocabulary: JSON, _ merges: String, settings: JSON = ["tokenizer_class": "RobertaTokenizer"]
  ) throws -> SmallModel {
    var model = try SmallModel()
    model.config["vocab_size"] = 270
    model.tensors[0] = (
      "embeddings.word_embeddings.weight", [270, 4], (0..<1080).map { Float($0) }
    )
    try model.folder.write("vocab.json", vocabulary.text())
    try model.folder.write("merges.txt", merges)
    try model.folder.write("tokenizer_config.json", settings.text())
    return model
  }

  private func read(_ model: SmallModel) throws -> ImportedModel {
    let path = try model.write()
    try FileManager.default.removeItem(atPath: model.folder / "vocab.txt")
    return try ModelImport.read(input: path)
  }

  @Test(arguments: [false, true])
  func twoFilesMeanWhatOneSays(prefixes: Bool) throws {
    var settings: JSONObject = ["tokenizer_class": "RobertaTokenizer"]
    if prefixes { settings["add_prefix_space"] = true }
    let lines = "#version: 0.2\r\n" + Self.merges.joined(separator: "\r\n") + "\n\n"
    let model = try model(Self.vocabulary, lines, settings: .object(settings))
    let found = try read(model)
    let added = Self.specials.enumerated().map { ($1, $0) } + [("<mask>", 263)]
    let json: JSON = [
      "model": [
        "type": "BPE", "vocab": Self.vocabulary, "merges": .array(Self.merges.map { .string($0) }),
      ],
      "added_tokens": .array(
        added.map { ["id": .integer($0.1), "content": .string($0.0), "special": true] }),
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": .bool(prefixes)],
      "post_processor": ["type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 2]],
    ]
    try model.folder.write("tokenizer.json", json.text())
    let expected = try read(model)
    #expect(found.vocabulary == expected.vocabulary && found.addedIDs == expected.addedIDs)
    #expect(found.tokenizer.byteTokens == expected.tokenizer.byteTokens)
    #expect(found.tokenizer.merges.count == 3)
    for (a, b) in zip(found.tokenizer.merges, expected.tokenizer.merges) { #expect(a == b) }
    let (a, b) = (found.description.tokenizer, expected.description.tokenizer)
    #expect(a?.kind == b?.kind && a?.single == b?.single && a?.pair == b?.pair)
    #expect(Set(a?.addedTokens.map(\.text) ?? []) == Set(b?.addedTokens.map(\.text) ?? []))
    #expect(a?.maskToken == "<mask>" && a?.classToken == "<s>" && a?.separatorToken == "</s>")
  }

  @Test func whatIsNoVocabularyOrNoMergeIsRefusedWithItsPlace() throws {
    let lines = Self.merges.joined(separator: "\n")
    for (vocabulary, merges, words): (JSON, String, [String]) in [
      ([], lines, ["vocab.json", "expected an object"]),
      (Self.vocabulary, "t h\nth\n", ["merges.txt", "line 2"]),
      (Self.vocabulary, "t h e\n", ["merges.txt", "line 1"]),
      (Self.vocabulary, "t q\n", ["tq"]),
      (["a": 0], "", ["cls_token", "<s>"]),
    ] {
      let model = try model(vocabulary, merges)
      let error = #expect(throws: BertError.self) { try read(model) }
      for word in words {
        #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
      }
    }
  }
}
