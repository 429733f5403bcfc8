import BertErrors
import BertImport
import BertModel
import Fixtures
import JSONText
import Testing

@Suite struct TokenizerFilesTests {
  static let pipeline: JSON = [
    "added_tokens": [["id": 5, "content": "<new>"], ["id": 0, "content": "[PAD]"]],
    "normalizer": [
      "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": false,
      "strip_accents": false, "lowercase": false,
    ],
    "pre_tokenizer": ["type": "BertPreTokenizer"],
    "model": [
      "type": "WordPiece", "unk_token": "<u>", "continuing_subword_prefix": "@@",
      "max_input_chars_per_word": 7,
      "vocab": ["[PAD]": 0, "<u>": 1, "[CLS]": 2, "a\u{301}": 4, "\u{e1}": 3],
    ],
  ]

  @Test func readsVocabularyAndSettingsFromTokenizerJSON() throws {
    var model = try SmallModel()
    model.config["vocab_size"] = 6
    model.tensors[0] = ("embeddings.word_embeddings.weight", [6, 4], (0..<24).map { Float($0) })
    let words = try model.folder.write("tokenizer.json", Self.pipeline.text())
    let imported = try ModelImport.read(input: model.write(), vocabulary: words)
    #expect(
      imported.vocabulary
        == ["[PAD]", "<u>", "[CLS]", "\u{e1}", "a\u{301}", "<new>"].map { Array($0.utf8) })
    let settings = try #require(imported.description.tokenizer)
    #expect(settings.wordPiece?.lowercase == false && settings.wordPiece?.stripAccents == false)
    #expect(settings.wordPiece?.spaceChinese == false && settings.unknownToken == "<u>")
    #expect(
      settings.wordPiece?.continuationPrefix == "@@" && settings.wordPiece?.maximumWordLength == 7)
    #expect(settings.maximumTokens == nil)
  }

  @Test(arguments: ["do_lower_case", "strip_accents", "tokenize_chinese_chars"])
  func refusesSettingsThatAreNeitherTrueNorFalse(_ key: String) throws {
    for value: JSON in ["false", 0, []] {
      let model = try SmallModel()
      let config = JSON.object(JSONObject([(key, value)]))
      try model.folder.write("tokenizer_config.json", config.text())
      do {
        _ = try model.read()
        Issue.record("\(key) of \(value.kind) was taken")
      } catch let error as BertError {
        #expect(error == BertError(.malformed, ""))
        #expect(error.description.contains("tokenizer_config.json: \(key) is \(value.kind)"))
      }
    }
  }

  @Test func letsTokenizerConfigurationDecide() throws {
    let model = try SmallModel()
    let config: JSON = [
      "do_lower_case": false, "strip_accents": nil, "tokenize_chinese_chars": false,
      "cls_token": ["content": "[PAD]"], "mask_token": "[SEP]", "model_max_length": 6,
      "tokenizer_class": "BertTokenizer",
    ]
    try model.folder.write("tokenizer_config.json", config.text())
    try model.folder.write("special_tokens_map.json", "{\"mask_token\":\"x\",\"pad_token\":\"y\"}")
    let settings = try #require(try model.read().description.tokenizer)
    #expect(settings.wordPiece?.lowercase == false && settings.wordPiece?.stripAccents == nil)
    #expect(settings.classToken == "[PAD]" && settings.maskToken == "[SEP]")
    #expect(settings.padToken == "y" && settings.maximumTokens == 6)
  }

  @Test(
    arguments: [
      ("5", 1000, 5), ("100", 6, 8), ("null", 6, 6), ("null", 9, nil), ("null", 8, 8),
    ] as [(String, Int, Int?)])
  func picksTheLengthLimit(sentence: String, tokenizer: Int, expected: Int?) throws {
    let model = try SmallModel()
    try model.folder.write("tokenizer_config.json", "{\"model_max_length\":\(tokenizer)}")
    try model.folder.write("sentence_bert_config.json", "{\"max_seq_length\":\(sentence)}")
    #expect(try model.read().description.tokenizer?.maximumTokens == expected)
  }

  @Test func ignoresALimitThatMeansNone() throws {
    let model = try SmallModel()
    let none = "{\"model_max_length\":1000000000000000019884624838656}"
    try model.folder.write("tokenizer_config.json", none)
    #expect(try model.read().description.tokenizer?.maximumTokens == nil)
  }

  static let foreign: [(String, JSON, String)] = [
    ("tokenizer_config.json", ["tokenizer_class": "RobertaTokenizer"], "RobertaTokenizer"),
    ("tokenizer.json", ["model": ["type": "BPE"]], "BPE"),
    ("tokenizer.json", ["normalizer": ["type": "NFC"]], "NFC"),
    ("tokenizer.json", ["pre_tokenizer": ["type": "ByteLevel"]], "ByteLevel"),
  ]

  @Test(arguments: foreign)
  func refusesTokenizersThatAreNotWordPiece(name: String, file: JSON, word: String) throws {
    let model = try SmallModel()
    try model.folder.write(name, file.text())
    try model.expectError(.unsupported, [word, name])
  }

  @Test(arguments: [
    ("a\r\nb\r\n", ["a", "b"]), ("a\n\nb", ["a", "", "b"]), ("a\rb", ["a", "b"]),
    ("\u{a0}\n\u{2028}x\n", ["\u{a0}", "\u{2028}x"]), ("a \n", ["a "]),
  ])
  func splitsVocabulariesAsPublished(text: String, tokens: [String]) throws {
    var model = try SmallModel()
    model.vocabulary = text
    #expect(try model.read().vocabulary == tokens.map { Array($0.utf8) })
  }

  @Test func refusesAVocabularyLargerThanTheEmbeddings() throws {
    var model = try SmallModel()
    model.vocabulary += "one\n"
    try model.expectError(.malformed, ["6 tokens", "vocab_size is 5", "vocab.txt"])
    model.vocabulary = ""
    try model.expectError(.malformed, ["no token", "vocab.txt"])
  }
}
