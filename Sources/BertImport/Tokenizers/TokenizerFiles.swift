import BertErrors
import BertModel
import JSONText
import TensorFiles

/// The vocabulary and the tokenizer's settings, from the files that publishers spread them over.
///
/// Where they disagree: `tokenizer_config.json` before `tokenizer.json`, as the published
/// tokenizer classes do; the length limit of `sentence_bert_config.json` before both.
struct TokenizerFiles {
  private(set) var settings = TokenizerSettings()
  private var rules = WordPieceRules()
  private(set) var vocabulary: [[UInt8]]
  private(set) var notices: [String] = []

  /// Reads what is there; nil when there is no vocabulary.
  ///
  /// - Throws: `unsupported` for tokenizers that are not WordPiece, `malformed`.
  init?(_ files: ModelFiles, configuration: BertConfiguration) throws(BertError) {
    var pipeline: JSON?
    if let path = files.tokenizer { pipeline = try ModelFiles.readJSON(path, limit: 256 << 20) }
    guard let source = files.vocabulary ?? files.tokenizer else { return nil }
    vocabulary = files.vocabulary == nil ? [] : try VocabularyFile.readText(source)
    if let pipeline, let path = files.tokenizer {
      do throws(BertError) {
        try readPipeline(pipeline)
        if files.vocabulary == nil {
          vocabulary = try VocabularyFile.read(pipeline)
        } else {
          try compare(pipeline)
        }
      } catch {
        throw error.inFile(path)
      }
    }
    if vocabulary.count > configuration.vocabularySize {
      throw BertError(
        .malformed,
        "holds \(vocabulary.count) tokens, but vocab_size is \(configuration.vocabularySize) in the "
          + "configuration", file: source)
    }
    try readSpecialTokens(files.specialTokens)
    let limit = try readConfiguration(files.tokenizerConfiguration)
    try readLength(files.sentenceConfiguration, fallback: limit, configuration.maximumPositions)
    settings.kind = .wordPiece(rules)
    if pipeline == nil && files.tokenizerConfiguration == nil {
      notices.append(
        "no tokenizer_config.json or tokenizer.json: texts are lower-cased and accents stripped, as "
          + "by bert-base-uncased")
    }
  }

  /// Takes the settings of a `tokenizer.json` and refuses steps that WordPiece BERT does not have.
  private mutating func readPipeline(_ json: JSON) throws(BertError) {
    func type(_ key: String) -> String? {
      guard let step = json[key], !step.isNull else { return nil }
      return step["type"]?.stringValue ?? "of no type"
    }
    func require(_ key: String, _ expected: String) throws(BertError) {
      if let found = type(key), found != expected {
        throw BertError(
          .unsupported, "its \(key) is \(found.prefix(80)); only \(expected) is supported")
      }
    }
    try require("model", "WordPiece")
    try require("normalizer", "BertNormalizer")
    try require("pre_tokenizer", "BertPreTokenizer")
    if let step = json["normalizer"], !step.isNull {
      if step["clean_text"] == .bool(false) {
        throw BertError(.unsupported, "its normalizer has clean_text false; only true is supported")
      }
      rules.lowercase = try Self.flag("lowercase", step) ?? true
      rules.stripAccents = try Self.flag("strip_accents", step)
      rules.spaceChinese = try Self.flag("handle_chinese_chars", step) ?? true
    }
    let model = json["model"] ?? .null
    settings.unknownToken = model["unk_token"]?.stringValue ?? settings.unknownToken
    rules.continuationPrefix =
      model["continuing_subword_prefix"]?.stringValue ?? rules.continuationPrefix
    rules.maximumWordLength =
      model["max_input_chars_per_word"]?.integerValue ?? rules.maximumWordLength
    if rules.maximumWordLength < 1 {
      throw BertError(
        .malformed,
        "its max_input_chars_per_word is \(rules.maximumWordLength); it must be at least 1")
    }
  }

  /// Compares `tokenizer.json` with the `vocab.txt` that is used.
  private mutating func compare(_ pipeline: JSON) throws(BertError) {
    if let map = pipeline["model"]?["vocab"]?.objectValue {
      let differing = map.lazy.filter { [vocabulary] token, value in
        guard let id = value.integerValue, vocabulary.indices.contains(id) else { return true }
        return vocabulary[id] != Array(token.utf8)
      }
      let count = differing.count
      if count > 0 {
        notices.append("\(count) tokens of tokenizer.json differ from vocab.txt, which is used")
        return
      }
    }
    vocabulary = try VocabularyFile.appendAdded(pipeline, to: vocabulary)
  }

  private mutating func readSpecialTokens(_ path: String?) throws(BertError) {
    if let path { takeSpecialTokens(try ModelFiles.readJSON(path, limit: 16 << 20)) }
  }

  /// Takes the special tokens of either file; they are strings, or objects with a `content`.
  private mutating func takeSpecialTokens(_ json: JSON) {
    func token(_ key: String) -> String? {
      json[key]?.stringValue ?? json[key]?["content"]?.stringValue
    }
    settings.unknownToken = token("unk_token") ?? settings.unknownToken
    settings.classToken = token("cls_token") ?? settings.classToken
    settings.separatorToken = token("sep_token") ?? settings.separatorToken
    settings.padToken = token("pad_token") ?? settings.padToken
    settings.maskToken = token("mask_token") ?? settings.maskToken
  }

  /// Takes the settings of a `tokenizer_config.json`; gives its length limit.
  private mutating func readConfiguration(_ path: String?) throws(BertError) -> Int? {
    guard let path else { return nil }
    let json = try ModelFiles.readJSON(path, limit: 16 << 20)
    if let name = json["tokenizer_class"]?.stringValue, !Self.classes.contains(name) {
      throw BertError(
        .unsupported,
        "tokenizer_class is '\(name.prefix(80))'; BertTokenizer and its like are supported",
        file: path)
    }
    do throws(BertError) {
      rules.lowercase = try Self.flag("do_lower_case", json) ?? rules.lowercase
      if json["strip_accents"] != nil {
        rules.stripAccents = try Self.flag("strip_accents", json)
      }
      rules.spaceChinese =
        try Self.flag("tokenize_chinese_chars", json) ?? rules.spaceChinese
    } catch {
      throw error.inFile(path)
    }
    takeSpecialTokens(json)
    if json["do_basic_tokenize"] == .bool(false) {
      throw BertError(
        .unsupported, "do_basic_tokenize is false; only true is supported", file: path)
    }
    if json["never_split"]?.arrayValue?.isEmpty == false {
      notices.append("never_split of tokenizer_config.json is ignored")
    }
    // "No limit" is written as 10³⁰.
    return json["model_max_length"]?.integerValue
  }

  /// A setting that is true or false; nil where it is absent or null.
  ///
  /// Anything else, passed over, would make other tokens of a text without a word.
  private static func flag(_ key: String, _ json: JSON) throws(BertError) -> Bool? {
    guard let value = json[key], !value.isNull else { return nil }
    guard let flag = value.boolValue else {
      throw BertError(.malformed, "\(key) is \(value.kind); expected true or false")
    }
    return flag
  }

  private static let classes: Set<String> = [
    "BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast",
    "ElectraTokenizer", "ElectraTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend",
    "RetriBertTokenizer", "RetriBertTokenizerFast",
  ]

  private mutating func readLength(
    _ path: String?, fallback: Int?, _ positions: Int
  ) throws(BertError) {
    if let fallback, (1...positions).contains(fallback) { settings.maximumTokens = fallback }
    guard let path else { return }
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    if let length = json["max_seq_length"]?.integerValue, length > 0 {
      if length > positions {
        notices.append(
          "max_seq_length \(length) is beyond the \(positions) positions; \(positions) is used")
      }
      settings.maximumTokens = min(length, positions)
    }
    if json["do_lower_case"] == .bool(true) && !rules.lowercase {
      // Lower-cased before tokenising: that strips no accents.
      rules.stripAccents = rules.stripAccents ?? false
      rules.lowercase = true
    }
  }
}
