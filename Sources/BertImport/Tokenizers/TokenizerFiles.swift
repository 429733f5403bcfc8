import BertErrors
import BertModel
import ByteFiles
import JSONText
import TensorFiles

/// The vocabulary and the tokenizer's settings, from the files that publishers spread them over.
///
/// `tokenizer.json` rules where there is one; `TokenizerClass` says what may override it. Every member of the
/// files is applied, is known to change no token, or is refused by name; where two files disagree, a notice says
/// which one counts.
struct TokenizerFiles {
  var settings = TokenizerSettings()
  /// Tokens by id; those between the ids of others are empty.
  var vocabulary: [[UInt8]]
  /// Ids of tokens that were added to the model's own, and are no words or pieces.
  var addedIDs: Set<Int> = []
  var notices: [String] = []

  var rules = WordPieceRules()
  /// Its class has BERT's names of special tokens where no file says others, as BERT's own has.
  let hasBertsNames: Bool
  /// The model knows one token type, which all tokens then have.
  let hasOneTokenType: Bool
  let files: ModelFiles
  var rulesOf: TokenizerClass
  let pipeline: TokenizerPipeline?
  /// `tokenizer_config.json`; empty where there is none.
  let configuration: JSON
  /// `special_tokens_map.json`; empty where there is none, and where newer members make it obsolete.
  let specialTokens: JSON

  /// Reads what is there; nil when there is no vocabulary.
  ///
  /// - Parameters:
  ///   - model: the model's own configuration, as it was published.
  ///   - sizes: the model's: its word embeddings, positions and token types.
  ///   - unnamed: the class that is meant where neither file names one.
  /// - Throws: `unsupported` for tokenizers that are not known, `malformed`.
  init?(
    _ files: ModelFiles, model: JSON, sizes: BertConfiguration, unnamed: Family.DefaultTokenizer
  ) throws(BertError) {
    self.files = files
    let rows = sizes.vocabularySize
    hasOneTokenType = sizes.tokenTypeCount == 1
    configuration = try Self.object(files.tokenizerConfiguration)
    let ownFile = files.tokenizerConfiguration.map { [configuration] in (configuration, $0) }
    rulesOf = try TokenizerClass(
      tokenizer: ownFile, model: (model, files.configuration), unnamed: unnamed)
    let bytePairs =
      files.tokenizer == nil && TokenizerClass.isRoberta([configuration, model], unnamed: unnamed)
      ? files.bytePairs : nil
    let isDebertaV2 = TokenizerClass.isDebertaV2([configuration, model], unnamed: unnamed)
    hasBertsNames = isDebertaV2
    let pieceModel = files.tokenizer == nil && isDebertaV2 ? files.pieceModel : nil
    guard
      let source = files.tokenizer ?? bytePairs?.vocabulary ?? pieceModel ?? files.vocabulary
    else {
      try CheckpointLayout.checkTokenizer(in: files.home)
      return nil
    }
    if files.tokenizer == nil, bytePairs == nil, pieceModel == nil, unnamed != .bert,
      rulesOf != .bert
    {
      throw BertError(
        .unsupported,
        "a vocab.txt alone does not say how a model of this kind finds words: save a tokenizer.json with "
          + "AutoTokenizer, or convert for token ids alone", file: source, remedy: .convertForIDs)
    }
    let isNew = configuration["added_tokens_decoder"] != nil
    specialTokens = isNew ? [:] : try Self.object(files.specialTokens)
    let named = try Self.namedTokens(configuration, specialTokens).tokens
    do throws(BertError) {
      if let path = files.tokenizer {
        pipeline = try TokenizerPipeline(
          ModelFiles.readJSON(path, limit: VocabularyFile.longestFile), rows: rows)
      } else if let pieceModel {
        pipeline = try SentencePieceFile(pieceModel, rows: rows).pipeline(
          named: named, configuration: configuration, rows: rows)
      } else {
        pipeline = try bytePairs?.pipeline(named: named, configuration: configuration, rows: rows)
      }
      if let pieces = pipeline?.pieces {
        vocabulary = pieces.tokens
        // No class makes such a pipeline by itself from what other files say.
        rulesOf = .pipeline
      } else if let pipeline {
        vocabulary = try VocabularyFile.tokens(of: pipeline.vocabulary, rows: rows)
      } else {
        vocabulary = try VocabularyFile.readText(source, rows: rows)
      }
    } catch {
      throw error.inFile(source)
    }
    var own = Self.ids(vocabulary)
    // An empty token stands where tokenizer.json gives no token an id.
    if let pipeline, pipeline.vocabulary[""] == nil { own[[]] = nil }
    if let pipeline {
      notices += pipeline.notices
      try compareVocabularies(own)
    }
    do throws(BertError) {
      try readRules()
      try readTokens(own)
    } catch {
      throw error.inFile(files.tokenizerConfiguration ?? source)
    }
    try checkRows(rows, source)
    try readLength(sizes.maximumPositions)
    settings.kind =
      if let pipeline, pipeline.pieces != nil { pipeline.kind } else { .wordPiece(rules) }
  }

  /// What the file's tables are made of.
  var published: TokenizerVocabulary {
    var all = TokenizerVocabulary()
    (all.tokens, all.addedIDs) = (vocabulary, addedIDs)
    if let pipeline, let pieces = pipeline.pieces {
      (all.scores, all.unknownID) = (pieces.scores, pieces.unknownID)
      (all.merges, all.byteTokens) = (pieces.merges, pieces.byteTokens)
      all.charsmap = pipeline.charsmap
    }
    return all
  }

  static func object(_ path: String?) throws(BertError) -> JSON {
    guard let path else { return [:] }
    let json = try ModelFiles.readJSON(path, limit: ModelFiles.longestConfiguration)
    guard json.objectValue != nil else {
      throw BertError(.malformed, "is \(json.kind); expected an object", file: path)
    }
    return json
  }

  /// The id of each token, the last of equal ones, as the published library reads a list.
  static func ids(_ vocabulary: [[UInt8]]) -> [[UInt8]: Int] {
    var ids: [[UInt8]: Int] = [:]
    ids.reserveCapacity(vocabulary.count)
    for (id, token) in vocabulary.enumerated() { ids[token] = id }
    return ids
  }

  /// Says where `vocab.txt` differs from the `tokenizer.json` that is used.
  mutating func compareVocabularies(_ own: [[UInt8]: Int]) throws(BertError) {
    guard let path = files.vocabulary else { return }
    let listed = Self.ids(try VocabularyFile.readText(path, rows: vocabulary.count))
    let differing = listed.count { own[$0.key] != $0.value && !$0.key.isEmpty }
    if differing > 0 {
      notices.append(
        "\(differing) tokens of vocab.txt have another id in tokenizer.json, or none; tokenizer.json is "
          + "used")
    }
  }
}

// MARK: - Rules

extension TokenizerFiles {
  mutating func readRules() throws(BertError) {
    if let pipeline {
      do throws(BertError) { try take(pipeline) } catch {
        throw error.inFile(files.tokenizer ?? files.home)
      }
    }
    switch rulesOf {
    case .bert: try overrideFlags()
    case .pipeline: reportOverridden()
    }
    if !rules.cleansText && (rules.lowercase || rules.stripsAccents) {
      throw BertError(
        .unsupported,
        "its normalizer changes letters and has clean_text false; only true is supported there",
        file: files.tokenizer)
    }
    if configuration["never_split"]?.arrayValue?.isEmpty == false {
      notices.append(
        "never_split of tokenizer_config.json is ignored, as the published library does")
    }
    if let side = configuration["truncation_side"], !side.isNull {
      settings.cutsLeft = try TokenizerPipeline.side(side, "truncation_side") == "left"
    }
    let unread = (configuration.objectValue?.keys ?? []).filter {
      !Self.knownMembers.contains($0) && !$0.hasSuffix("_token")
    }
    if !unread.isEmpty {
      notices.append("members of tokenizer_config.json that are ignored: " + unread.listed)
    }
  }

  mutating func take(_ pipeline: TokenizerPipeline) throws(BertError) {
    if let normalizer = pipeline.normalizer {
      rules.lowercase = normalizer.lowercase
      rules.stripAccents = normalizer.stripAccents
      rules.spaceChinese = normalizer.spacesChinese
      rules.cleansText = normalizer.cleansText
    } else if rulesOf == .pipeline {
      (rules.lowercase, rules.stripAccents) = (false, false)
      (rules.spaceChinese, rules.cleansText) = (false, false)
    } else if configuration["do_lower_case"] == nil {
      throw BertError(
        .unsupported,
        "has no normalizer, but BertTokenizer has one of its own: say do_lower_case in "
          + "tokenizer_config.json, or name the class PreTrainedTokenizerFast",
        file: files.tokenizer)
    } else {
      notices.append("tokenizer.json has no normalizer; that of the class BertTokenizer is used")
    }
    rules.continuationPrefix = pipeline.continuationPrefix ?? rules.continuationPrefix
    rules.maximumWordLength = pipeline.maximumWordLength ?? rules.maximumWordLength
    settings.unknownToken = pipeline.unknownToken ?? settings.unknownToken
    settings.cutsLeft = pipeline.cutsLeft
    if pipeline.pieces != nil {
      // What its steps do, to compare with what other files say.
      let steps = pipeline.kind.textRules?.normalization ?? []
      (rules.lowercase, rules.cleansText) = (steps.contains(.lowercase), true)
      rules.stripAccents = steps.contains(.stripAccents)
      return try comparePrefix(pipeline)
    }
    if rulesOf == .bert, !rules.cleansText {
      throw BertError(
        .unsupported,
        "has clean_text false, but BertTokenizer cleans texts: name the class "
          + "PreTrainedTokenizerFast", file: files.tokenizer)
    }
  }

  /// Says where `tokenizer_config.json` has another opinion of the space before a text.
  mutating func comparePrefix(_ pipeline: TokenizerPipeline) throws(BertError) {
    guard case .bytePairs(let rules) = pipeline.kind,
      case .byteLevel(let prefixes, _)? = rules.splitting.last,
      let said = try configuration.flag("add_prefix_space"), said != prefixes
    else { return }
    notices.append(
      "add_prefix_space of tokenizer_config.json is not tokenizer.json's, which alone counts")
  }

  static let flags = ["do_lower_case", "strip_accents", "tokenize_chinese_chars"]

  /// For BERT's classes: flags that `tokenizer_config.json` names count; what it does not name stays.
  mutating func overrideFlags() throws(BertError) {
    let before = rules
    let lowercase = try configuration.flag("do_lower_case")
    rules.lowercase = lowercase ?? rules.lowercase
    if configuration["strip_accents"] != nil {
      rules.stripAccents = try configuration.flag("strip_accents")
    }
    rules.spaceChinese = try configuration.flag("tokenize_chinese_chars") ?? rules.spaceChinese
    guard pipeline != nil else {
      if files.tokenizerConfiguration == nil || lowercase == nil {
        notices.append(
          "do_lower_case is not said: texts are lower-cased and accents stripped, as by "
            + "bert-base-uncased")
      }
      return
    }
    let isOverridden =
      before.lowercase != rules.lowercase || before.stripsAccents != rules.stripsAccents
      || before.spaceChinese != rules.spaceChinese
    if isOverridden && pipeline?.normalizer != nil {
      notices.append(
        "tokenizer_config.json and tokenizer.json disagree on do_lower_case, strip_accents or "
          + "tokenize_chinese_chars; tokenizer_config.json is used")
    }
    if lowercase == nil && !rules.lowercase {
      notices.append(
        "do_lower_case is not said: tokenizer.json keeps letters as they are, and so does this (some "
          + "versions of the published library lower-case)")
    }
  }

  /// For a pipeline: the flags have no say.
  mutating func reportOverridden() {
    if pipeline == nil {
      notices.append(
        "the tokenizer's class reads tokenizer.json alone, and there is none: vocab.txt is read as "
          + "BertTokenizer reads it")
      return
    }
    let said: [(String, Bool?)] = [
      ("do_lower_case", rules.lowercase), ("strip_accents", rules.stripAccents),
      ("tokenize_chinese_chars", rules.spaceChinese), ("keep_accents", !rules.stripsAccents),
    ]
    let differing = said.filter { key, value in
      guard let other = configuration[key], !other.isNull else { return false }
      return other.boolValue != value
    }
    if !differing.isEmpty {
      notices.append(
        differing.map(\.0).listed
          + " of tokenizer_config.json is not tokenizer.json's, which alone counts for this class")
    }
  }

  /// Members that are read, or that say nothing about ids.
  static let knownMembers: Set<String> = [
    "tokenizer_class", "do_lower_case", "strip_accents", "tokenize_chinese_chars", "never_split",
    "word_tokenizer_type", "subword_tokenizer_type", "do_word_tokenize", "do_subword_tokenize",
    "mecab_kwargs", "sudachi_kwargs", "jumanpp_kwargs", "do_basic_tokenize", "split_special_tokens",
    "add_bos_token", "add_eos_token", "added_tokens_decoder", "additional_special_tokens",
    "extra_special_tokens", "model_max_length", "max_len", "truncation_side", "padding_side",
    "pad_to_multiple_of", "pad_token_type_id", "max_length", "stride", "truncation_strategy",
    "clean_up_tokenization_spaces", "model_input_names", "name_or_path", "special_tokens_map_file",
    "tokenizer_file", "backend", "is_local", "local_files_only", "processor_class", "chat_template",
    "add_prefix_space", "trust_remote_code", "use_fast", "model_type", "vocab_size",
    "transformers_version", "full_tokenizer_file", "vocab_file", "errors", "return_token_type_ids",
    "trim_offsets", "model_specific_special_tokens", "from_slow", "auto_map",
    "keep_accents", "remove_space", "sp_model_kwargs", "split_by_punct", "unk_id", "vocab_type",
  ]
}

// MARK: - Sizes

extension TokenizerFiles {
  /// Tokens beyond the embeddings are kept; a text that has one is refused, and so is a model whose every text
  /// has one.
  mutating func checkRows(_ rows: Int, _ source: String) throws(BertError) {
    guard vocabulary.count > rows else {
      if vocabulary.count < rows / 2 {
        notices.append(
          "\(Folder.name(of: source)) has \(vocabulary.count) tokens, the model has embeddings for \(rows)"
        )
      }
      return
    }
    let frame = Set(
      (settings.single.isEmpty
        ? [settings.classToken, settings.separatorToken]
        : (settings.single + settings.pair).compactMap {
          if case .token(let text) = $0.part { text } else { nil }
        }).map { Array($0.utf8) })
    if let id = (rows..<vocabulary.count).first(where: { frame.contains(vocabulary[$0]) }) {
      throw BertError(
        .malformed,
        "has no '\(String(decoding: vocabulary[id], as: UTF8.self).prefix(80))', which frames every text: "
          + "added, it has the id \(id), and the model has embeddings for \(rows) tokens",
        file: source)
    }
    notices.append(
      "\(Folder.name(of: source)) has \(vocabulary.count) tokens, the model has embeddings for \(rows): a "
        + "text with a token beyond them is refused")
  }

  mutating func readLength(_ positions: Int) throws(BertError) {
    let key = configuration["model_max_length"] == nil ? "max_len" : "model_max_length"
    do throws(BertError) {
      if let length = try length(configuration, key), length <= positions {
        settings.maximumTokens = length
      }
    } catch {
      throw error.inFile(files.tokenizerConfiguration ?? files.home)
    }
    guard let path = files.sentenceConfiguration else { return }
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    do throws(BertError) {
      guard let members = json.objectValue else {
        throw BertError(.malformed, "is \(json.kind); expected an object")
      }
      if let length = try length(json, "max_seq_length") {
        if length > positions {
          notices.append(
            "max_seq_length \(length == Int.max ? "" : "\(length) ")is beyond the \(positions) positions; "
              + "\(positions) is used")
        }
        settings.maximumTokens = min(length, positions)
      }
      let unread = members.keys.filter { !Self.sentenceMembers.contains($0) }
      if !unread.isEmpty {
        notices.append("members of sentence_bert_config.json that are ignored: " + unread.listed)
      }
      if try json.flag("do_lower_case") == true && !rules.lowercase {
        if pipeline?.pieces != nil {
          throw BertError(
            .unsupported, "do_lower_case is true; with this tokenizer only false is supported")
        }
        // Lower-cased before tokenising: that strips no accents.
        rules.stripAccents = rules.stripAccents ?? false
        rules.lowercase = true
      }
    } catch {
      throw error.inFile(path)
    }
  }
}

extension TokenizerFiles {
  /// A number of tokens; nil where none is said, and the largest where "no limit" is, which is written as 10³⁰.
  ///
  /// - Throws: `malformed` for what is no number of tokens, or has no room for a text.
  func length(_ json: JSON, _ key: String) throws(BertError) -> Int? {
    guard let value = json[key], !value.isNull else { return nil }
    if value.integerValue == nil, let number = value.numberValue, number >= 0x1p53 {
      return Int.max
    }
    guard let length = value.integerValue, length > 0 else {
      throw BertError(
        .malformed, "\(key) is \(value.text().prefix(40)); expected a whole number from 1 on")
    }
    let specials =
      settings.single.isEmpty
      ? 2 : settings.single.count { if case .token = $0.part { true } else { false } }
    guard length >= specials else {
      throw BertError(
        .malformed,
        "\(key) is \(length), which has no room for the \(specials) special tokens of a text")
    }
    return length
  }

  /// Members of sentence_bert_config.json that are read, here or for vectors of tokens, or that change no vector.
  static let sentenceMembers: Set<String> = [
    "max_seq_length", "do_lower_case", "transformer_task", "modality_config", "module_output_name",
    "unpad_inputs", "query_length", "document_length", "query_expansion",
  ]
}

extension TokenizerSettings {
  /// `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, with types 0 and then 1.
  static func plainTemplates(
    _ start: String, _ end: String
  ) -> (single: [TemplatePiece], pair: [TemplatePiece]) {
    let single: [TemplatePiece] = [
      TemplatePiece(.token(start)), TemplatePiece(.firstText), TemplatePiece(.token(end)),
    ]
    let second: [TemplatePiece] = [
      TemplatePiece(.secondText, tokenType: 1), TemplatePiece(.token(end), tokenType: 1),
    ]
    return (single, single + second)
  }
}
