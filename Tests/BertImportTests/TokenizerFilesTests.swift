import BertErrors
import BertImport
import BertModel
import Fixtures
import JSONText
import Testing

@Suite struct TokenizerFilesTests {
  static let pipeline: JSON = [
    "added_tokens": [
      ["id": 5, "content": "<new>", "special": true],
      ["id": 0, "content": "[PAD]", "special": true],
      ["id": 1, "content": "<u>", "special": true], ["id": 2, "content": "[CLS]", "special": true],
    ],
    "normalizer": [
      "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": false,
      "strip_accents": false, "lowercase": false,
    ],
    "pre_tokenizer": ["type": "BertPreTokenizer"],
    "post_processor": nil,
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
    let config = "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}"
    try model.folder.write("tokenizer_config.json", config)
    let imported = try ModelImport.read(input: model.write(), vocabulary: words)
    #expect(imported.addedIDs == [5])
    #expect(
      imported.vocabulary
        == ["[PAD]", "<u>", "[CLS]", "\u{e1}", "a\u{301}", "<new>"].map { Array($0.utf8) })
    let settings = try #require(imported.description.tokenizer)
    #expect(settings.wordPiece?.lowercase == false && settings.wordPiece?.stripAccents == false)
    #expect(settings.wordPiece?.spaceChinese == false && settings.unknownToken == "<u>")
    #expect(
      settings.wordPiece?.continuationPrefix == "@@" && settings.wordPiece?.maximumWordLength == 7)
    #expect(settings.maximumTokens == nil)
    #expect(settings.single.map(\.part) == [.firstText])
    #expect(settings.addedTokens.map(\.id) == [5, 0, 1, 2])
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

  /// `special_tokens_map.json` overrides `tokenizer_config.json`, and a token that the vocabulary lacks is added.
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
    #expect(settings.classToken == "[PAD]" && settings.maskToken == "x")
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

  /// What is no number of tokens; sentence-transformers fails on all of these but 0 and 1, which it takes for no limit.
  @Test(arguments: ["0", "-5", "\"16\"", "16.0", "16.5", "[]", "{}", "true", "1"])
  func refusesALimitThatIsNone(_ value: String) throws {
    for (file, key) in [
      ("sentence_bert_config.json", "max_seq_length"),
      ("tokenizer_config.json", "model_max_length"),
      ("tokenizer_config.json", "max_len"),
    ] {
      let model = try SmallModel()
      try model.folder.write(file, "{\"\(key)\":\(value)}")
      try model.expectError(.malformed, [file, key, value])
    }
  }

  @Test func listsMembersThatAreIgnored() throws {
    let model = try SmallModel()
    try model.folder.write(
      "sentence_bert_config.json", "{\"max_seq_length\":5,\"model_args\":{},\"banana\":3}")
    let notices = try model.read().report.notices
    #expect(
      notices.contains {
        $0.contains("sentence_bert_config.json") && $0.contains("banana")
          && $0.contains("model_args")
          && !$0.contains("max_seq_length")
      })
    try model.folder.write("sentence_bert_config.json", "[]")
    try model.expectError(.malformed, ["sentence_bert_config.json", "expected an object"])
  }

  @Test func saysWhichSideIsCut() throws {
    let model = try SmallModel()
    func side() throws -> SourcedSetting? {
      try model.read().settings().first { $0.name == "truncation_side" }
    }
    #expect(try side()?.value == "right" && side()?.files == [])
    try model.folder.write("tokenizer_config.json", "{\"truncation_side\":\"left\"}")
    #expect(try side()?.value == "left" && side()?.files == ["tokenizer_config.json"])
  }

  @Test func refusesAByteOrderMark() throws {
    var model = try SmallModel()
    model.vocabulary = "\u{FEFF}" + model.vocabulary
    try model.expectError(.malformed, ["vocab.txt", "byte order mark"])
  }

  @Test func ignoresALimitThatMeansNone() throws {
    let model = try SmallModel()
    let none = "{\"model_max_length\":1000000000000000019884624838656}"
    try model.folder.write("tokenizer_config.json", none)
    #expect(try model.read().description.tokenizer?.maximumTokens == nil)
  }

  static let foreign: [(String, JSON, String)] = [
    ("tokenizer_config.json", ["tokenizer_class": "BertweetTokenizer"], "BertweetTokenizer"),
    ("tokenizer.json", ["model": ["type": "WordLevel"]], "WordLevel"),
    ("tokenizer.json", unigram("normalizer", ["type": "Prepend", "prepend": "x"]), "Prepend"),
    ("tokenizer.json", unigram("normalizer", ["type": "NFKD", "form": "x"]), "form"),
    ("tokenizer.json", unigram("pre_tokenizer", ["type": "Digits"]), "Digits"),
    (
      "tokenizer.json",
      unigram(
        "pre_tokenizer", ["type": "Metaspace", "replacement": "_", "prepend_scheme": "always"]),
      "Metaspace"
    ),
    (
      "tokenizer.json",
      unigram(
        "normalizer",
        ["type": "Replace", "pattern": ["Regex": "a+"], "content": "a"]), "replaces"
    ),
    ("tokenizer.json", unigram("model", ["byte_fallback": true]), "byte_fallback"),
    ("tokenizer.json", unigram("model", ["unk_id": nil]), "unk_id"),
    ("tokenizer.json", unigram("model", ["ignore": 1]), "ignore"),
    ("tokenizer.json", bytePairs(["dropout": 0.1]), "dropout"),
    ("tokenizer.json", bytePairs(["ignore_merges": true]), "ignore_merges"),
    ("tokenizer.json", bytePairs(["end_of_word_suffix": "</w>"]), "end_of_word_suffix"),
    ("tokenizer.json", bytePairs([:]), "byte 0"),
    ("tokenizer.json", with("normalizer", ["type": "NFC"]), "NFC"),
    ("tokenizer.json", with("normalizer", nil), "normalizer"),
    ("tokenizer.json", with("pre_tokenizer", ["type": "ByteLevel"]), "ByteLevel"),
    ("tokenizer.json", with("pre_tokenizer", nil), "null"),
    ("tokenizer.json", with("post_processor", ["type": "Unknown"]), "Unknown"),
    ("tokenizer_config.json", ["word_tokenizer_type": "mecab"], "mecab"),
    ("tokenizer_config.json", ["subword_tokenizer_type": "character"], "character"),
    ("tokenizer_config.json", ["do_basic_tokenize": false], "do_basic_tokenize"),
    ("tokenizer_config.json", ["split_special_tokens": true], "split_special_tokens"),
  ]

  /// A pipeline of Unigram; a member takes the place of one, or for the model is added to its own.
  static func unigram(_ key: String, _ value: JSON) -> JSON {
    var model: JSONObject = [
      "type": "Unigram", "unk_id": 1, "vocab": [["[CLS]", 0], ["[UNK]", 0], ["[SEP]", 0.0]],
    ]
    var object: JSONObject = [
      "normalizer": nil, "pre_tokenizer": ["type": "Metaspace", "replacement": "\u{2581}"],
    ]
    if key == "model" {
      for (key, value) in value.objectValue ?? [:] { model[key] = value }
    } else {
      object[key] = value
    }
    object["model"] = .object(model)
    return .object(object)
  }

  /// Every step of ALBERT's normaliser is taken in its order, and other files' opinions are said.
  @Test func readsAlbertsNormalizer() throws {
    let model = try SmallModel()
    func quote(_ text: String) -> JSON {
      ["type": "Replace", "pattern": ["String": .string(text)], "content": "\""]
    }
    let steps: JSON = [
      quote("``"), quote("''"), ["type": "NFKD"], ["type": "StripAccents"], ["type": "Lowercase"],
      ["type": "Replace", "pattern": ["Regex": " {2,}"], "content": " "],
    ]
    var file =
      Self.unigram("normalizer", ["type": "Sequence", "normalizers": steps]).objectValue ?? [:]
    file["pre_tokenizer"] = [
      "type": "Sequence",
      "pretokenizers": [
        ["type": "WhitespaceSplit"], ["type": "Metaspace", "replacement": "\u{2581}"],
      ],
    ]
    file["added_tokens"] = [["id": 0, "content": "[CLS]", "special": true]]
    try model.folder.write("tokenizer.json", JSON.object(file).text())
    let configuration: JSON = [
      "tokenizer_class": "AlbertTokenizer", "do_lower_case": true, "keep_accents": true,
      "remove_space": true,
    ]
    try model.folder.write("tokenizer_config.json", configuration.text())
    let imported = try model.read()
    var rules = TextRules()
    rules.normalization = [
      .replace(pattern: "``", content: "\""), .replace(pattern: "''", content: "\""), .nfkd,
      .stripAccents, .lowercase, .collapseSpaces,
    ]
    rules.splitting = [
      .whitespace, .metaspace(prefixesFirst: true, prefixesAlways: true, splits: true),
    ]
    #expect(imported.description.tokenizer?.kind == .unigram(rules))
    let notices = imported.report.notices.filter { $0.contains("alone counts") }
    #expect(notices.count == 1 && notices[0].hasPrefix("keep_accents of"), "\(notices)")
  }

  /// A pipeline of byte pairs with further members of its model.
  static func bytePairs(_ members: JSONObject) -> JSON {
    var model: JSONObject = ["type": "BPE", "vocab": ["a": 0, "b": 1], "merges": []]
    for (key, value) in members { model[key] = value }
    return [
      "model": .object(model), "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false],
    ]
  }

  /// The pipeline with another member.
  static func with(_ key: String, _ value: JSON) -> JSON {
    var object = pipeline.objectValue ?? [:]
    object[key] = value
    return .object(object)
  }

  @Test(arguments: foreign)
  func refusesTokenizersThatAreNotKnown(name: String, file: JSON, word: String) throws {
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
    let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    model.config["vocab_size"] = 9
    model.tensors[0] = ("embeddings.word_embeddings.weight", [9, 4], (0..<36).map { Float($0) })
    model.vocabulary = specials.joined(separator: "\n") + "\n" + text
    #expect(try model.read().vocabulary == (specials + tokens).map { Array($0.utf8) })
  }

  @Test func keepsTokensBeyondTheEmbeddingsButNoFrameOfThem() throws {
    var model = try SmallModel()
    model.vocabulary += "one\n"
    let imported = try model.read()
    #expect(imported.vocabulary.count == 6)
    #expect(imported.report.notices.contains { $0.contains("6 tokens") && $0.contains("for 5") })
    model.vocabulary += "\n\n"
    #expect(try model.read().vocabulary.count == 6)
    model.vocabulary = "a\nb\nc\nd\ne\n"
    try model.expectError(.malformed, ["[SEP]", "frames every text", "vocab.txt"])
    model.vocabulary = ""
    try model.expectError(.malformed, ["no token", "vocab.txt"])
    // Far more are refused before they are all read.
    model.vocabulary = String(repeating: "a\n", count: 70_000)
    try model.expectError(
      .malformed, ["lines; the model has embeddings for 5 tokens", "vocab.txt"])
  }

  /// A vocabulary that is cut short; a few rows without a token are usual, since tables are made round.
  @Test(arguments: [(12, true), (10, false)])
  func saysThatMostEmbeddingsHaveNoToken(rows: Int, isSaid: Bool) throws {
    var model = try SmallModel()
    model.config["vocab_size"] = .integer(rows)
    model.tensors[0] = (
      "embeddings.word_embeddings.weight", [rows, 4], (0..<4 * rows).map { Float($0) }
    )
    let notices = try model.read().report.notices
    #expect(notices.contains { $0.contains("5 tokens") && $0.contains("for \(rows)") } == isSaid)
  }
}
