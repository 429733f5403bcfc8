import Fixtures
import FoundationEssentials
import JSONText
import Testing

/// Ways in which a publisher's files say how texts become tokens, one of each kind; the ids are those that
/// transformers 5.23 gives for the same files (tools/check/tokenizer-files has the whole table).
struct TokenizerKindTests {
  static let tokens =
    "[PAD] [UNK] [CLS] [SEP] [MASK] a b e < > the The time cat cafe ##s ##e ##< ##> [ ] d drug c ##o ##v 1 9 x ##x 中 文 , . naive <s> </s>"
    .split(separator: " ").map(String.init)
  static let texts = ["THE Café <e> the", "the [DRUG] cat covid19 xcovid19x COVID19", "the time"]
  static let plain: [[Int]] = [
    [2, 10, 14, 8, 7, 9, 10, 3], [2, 10, 19, 22, 20, 13, 1, 1, 1, 3], [2, 10, 12, 3],
  ]

  static let bert: JSON = ["tokenizer_class": "BertTokenizer", "do_lower_case": true]
  static let fast: JSON = ["tokenizer_class": "PreTrainedTokenizerFast"]
  static let normalizer: JSON = [
    "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
    "strip_accents": .null, "lowercase": true,
  ]

  static func list(_ tokens: [String] = tokens) -> JSON {
    .string(tokens.joined(separator: "\n") + "\n")
  }

  static func added(_ text: String, _ id: Int, _ flags: JSONObject = [:]) -> JSON {
    var object: JSONObject = [
      "id": .integer(id), "content": .string(text), "single_word": false, "lstrip": false,
      "rstrip": false, "normalized": false, "special": true,
    ]
    for (key, value) in flags { object[key] = value }
    return .object(object)
  }

  static func template(_ tokens: [String], typeOfSecond: Int = 1) -> JSON {
    func pieces(_ second: Bool) -> JSON {
      func special(_ name: String, _ type: Int) -> JSON {
        ["SpecialToken": ["id": .string(name), "type_id": .integer(type)]]
      }
      func text(_ name: String, _ type: Int) -> JSON {
        ["Sequence": ["id": .string(name), "type_id": .integer(type)]]
      }
      let end = tokens.contains("[SEP]")
      var list = [special("[CLS]", 0), text("A", 0)] + (end ? [special("[SEP]", 0)] : [])
      if second {
        list += [text("B", typeOfSecond)] + (end ? [special("[SEP]", typeOfSecond)] : [])
      }
      return .array(list)
    }
    func named(_ name: String, _ id: Int) -> JSON {
      ["id": .string(name), "ids": [.integer(id)], "tokens": [.string(name)]]
    }
    return [
      "type": "TemplateProcessing", "single": pieces(false), "pair": pieces(true),
      "special_tokens": ["[CLS]": named("[CLS]", 2), "[SEP]": named("[SEP]", 3)],
    ]
  }

  /// A `tokenizer.json` with some members changed.
  static func pipeline(
    _ more: JSONObject = [:], added: [JSON] = [], ids: [String: Int] = [:],
    five flags: [String: JSONObject] = [:]
  ) -> JSON {
    let vocabulary = tokens.enumerated().map { id, token in
      (token, JSON.integer(ids[token] ?? id))
    }
    let five = tokens.prefix(5).enumerated().map { Self.added($1, $0, flags[$1] ?? [:]) }
    var object: JSONObject = [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(five + added),
      "normalizer": normalizer, "pre_tokenizer": ["type": "BertPreTokenizer"],
      "post_processor": template(["[CLS]", "[SEP]"]),
      "decoder": ["type": "WordPiece", "prefix": "##", "cleanup": true],
      "model": [
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": .object(JSONObject(vocabulary)),
      ],
    ]
    for (key, value) in more { object[key] = value }
    return .object(object)
  }

  struct Kind: Sendable, CustomTestStringConvertible {
    let name: String
    let files: [String: JSON]
    /// What is asked; the texts where nothing else is said.
    var inputs: [JSON] = texts.map { ["text": .string($0)] }
    let ids: [[Int]]
    var testDescription: String { name }
  }

  static let kinds: [Kind] = [
    Kind(
      name: "added tokens in a list of their own",
      files: [
        "vocab.txt": list(), "added_tokens.json": ["[DRUG]": 37, "covid19": 38],
        "tokenizer_config.json": bert,
      ], ids: [plain[0], [2, 10, 37, 13, 38, 28, 38, 28, 38, 3], plain[2]]),
    Kind(
      name: "an added token that is special",
      files: ["tokenizer.json": pipeline(added: [added("<e>", 37)])],
      ids: [[2, 10, 14, 37, 10, 3], plain[1], plain[2]]),
    Kind(
      name: "an added token that is normalised",
      files: [
        "tokenizer.json": pipeline(added: [
          added("covid19", 37, ["special": false, "normalized": true])
        ])
      ], ids: [plain[0], [2, 10, 19, 22, 20, 13, 37, 28, 37, 28, 37, 3], plain[2]]),
    Kind(
      name: "an added token that is a word of its own",
      files: ["tokenizer.json": pipeline(added: [added("covid19", 37, ["single_word": true])])],
      ids: [plain[0], [2, 10, 19, 22, 20, 13, 37, 1, 1, 3], plain[2]]),
    Kind(
      name: "further special tokens",
      files: [
        "vocab.txt": list(),
        "tokenizer_config.json": [
          "tokenizer_class": "BertTokenizer", "do_lower_case": true,
          "additional_special_tokens": ["<e>"],
        ],
      ], ids: [[2, 10, 14, 37, 10, 3], plain[1], plain[2]]),
    Kind(
      name: "added tokens in the decoder's table",
      files: [
        "vocab.txt": list(),
        "tokenizer_config.json": [
          "tokenizer_class": "BertTokenizer", "do_lower_case": true,
          "added_tokens_decoder": ["37": added("<e>", 37)],
        ],
      ], ids: [[2, 10, 14, 37, 10, 3], plain[1], plain[2]]),
    Kind(
      name: "a mask that is a word of its own",
      files: [
        "tokenizer.json": pipeline(five: ["[MASK]": ["single_word": true]]),
        "tokenizer_config.json": fast,
      ], inputs: [["text": "a[MASK] [MASK]"]], ids: [[2, 5, 19, 1, 20, 4, 3]]),
    // Ours: transformers 5.23 lower-cases here, as its class does by default; what no file names stays as it is.
    Kind(
      name: "a cased pipeline of a class that would lower-case",
      files: [
        "tokenizer.json": pipeline([
          "normalizer": [
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": .null, "lowercase": false,
          ]
        ]), "tokenizer_config.json": ["tokenizer_class": "BertTokenizer"],
      ], ids: [[2, 1, 1, 8, 7, 9, 10, 3], [2, 10, 19, 1, 20, 13, 1, 1, 1, 3], plain[2]]),
    Kind(
      name: "vocabularies that differ",
      files: [
        "vocab.txt": list(), "tokenizer_config.json": bert,
        "tokenizer.json": pipeline(ids: ["The": 12, "time": 11]),
      ], ids: [plain[0], plain[1], [2, 10, 11, 3]]),
    Kind(
      name: "a hole in the ids", files: ["tokenizer.json": pipeline(ids: ["cat": 37])],
      ids: [plain[0], [2, 10, 19, 22, 20, 37, 1, 1, 1, 3], plain[2]]),
    Kind(
      name: "an empty last line", files: ["vocab.txt": list(tokens + [""])], ids: plain),
    Kind(
      name: "no normaliser",
      files: [
        "tokenizer.json": pipeline(["normalizer": .null]), "tokenizer_config.json": fast,
      ], ids: [[2, 1, 1, 8, 7, 9, 10, 3], [2, 10, 19, 1, 20, 13, 1, 1, 1, 3], plain[2]]),
    Kind(
      name: "a normaliser in a sequence of one",
      files: [
        "tokenizer.json": pipeline([
          "normalizer": ["type": "Sequence", "normalizers": [normalizer]]
        ]), "tokenizer_config.json": fast,
      ], ids: plain),
    Kind(
      name: "no post-processor",
      files: [
        "tokenizer.json": pipeline(["post_processor": .null]), "tokenizer_config.json": fast,
      ], ids: plain.map { Array($0.dropFirst().dropLast()) }),
    Kind(
      name: "no separator",
      files: [
        "tokenizer.json": pipeline(["post_processor": template(["[CLS]"])]),
        "tokenizer_config.json": fast,
      ], ids: plain.map { Array($0.dropLast()) }),
    Kind(
      name: "pairs of one type",
      files: [
        "tokenizer.json": pipeline([
          "post_processor": template(["[CLS]", "[SEP]"], typeOfSecond: 0)
        ]), "tokenizer_config.json": fast,
      ], inputs: [["text": "the", "pair": "time"]], ids: [[2, 10, 3, 12, 3]]),
    Kind(
      name: "flags that the class does not read",
      files: [
        "tokenizer.json": pipeline(),
        "tokenizer_config.json": [
          "tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": false,
        ],
      ], ids: plain),
  ]

  @Test(arguments: kinds)
  func textsAreTheIDsOfTheReference(_ kind: Kind) throws {
    let shop = try Workshop()
    try FileManager.default.removeItem(atPath: shop.input + "/vocab.txt")
    for (name, content) in kind.files {
      try writeBytes(
        Array((content.stringValue ?? content.text()).utf8), to: shop.input + "/" + name)
    }
    let made = try Program.convert(shop.input, shop.model, "--no-calibration")
    #expect(made.code == 0, "\(made.errors)")
    func answers(_ lines: [JSON]) throws -> [JSON?] {
      let text = lines.map { $0.text() + "\n" }.joined()
      let outcome = try Program.run(
        "--float", shop.model, "--jsonl", "--task", "tokens", input: Array(text.utf8))
      #expect(outcome.code == 0, "\(outcome.errors)")
      return try jsonLines(outcome).map { $0["vectors"] }
    }
    let ours = try answers(kind.inputs)
    let theirs = try answers(kind.ids.map { ["ids": .array($0.map { .integer($0) })] })
    #expect(
      ours == theirs && ours.count == kind.inputs.count && !ours.contains(nil), "\(kind.name)")
  }
}
