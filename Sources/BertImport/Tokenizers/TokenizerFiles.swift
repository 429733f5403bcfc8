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
  private(set) var settings = TokenizerSettings()
  /// Tokens by id; those between the ids of others are empty.
  private(set) var vocabulary: [[UInt8]]
  /// Ids of tokens that were added to the model's own, and are no words or pieces.
  private(set) var addedIDs: Set<Int> = []
  private(set) var notices: [String] = []

  private var rules = WordPieceRules()
  /// The model knows one token type, which all tokens then have.
  private let hasOneTokenType: Bool
  private let files: ModelFiles
  private let rulesOf: TokenizerClass
  private let pipeline: TokenizerPipeline?
  /// `tokenizer_config.json`; empty where there is none.
  private let configuration: JSON
  /// `special_tokens_map.json`; empty where there is none, and where newer members make it obsolete.
  private let specialTokens: JSON

  /// Reads what is there; nil when there is no vocabulary.
  ///
  /// - Parameters:
  ///   - model: the model's own configuration, as it was published.
  ///   - sizes: the model's: its word embeddings, positions and token types.
  ///   - unnamed: the class that is meant where neither file names one.
  /// - Throws: `unsupported` for tokenizers that are not WordPiece, `malformed`.
  init?(
    _ files: ModelFiles, model: JSON, sizes: BertConfiguration, unnamed: Family.DefaultTokenizer
  ) throws(BertError) {
    self.files = files
    let rows = sizes.vocabularySize
    hasOneTokenType = sizes.tokenTypeCount == 1
    configuration = try Self.object(files.tokenizerConfiguration)
    let named = files.tokenizerConfiguration.map { [configuration] in (configuration, $0) }
    rulesOf = try TokenizerClass(
      tokenizer: named, model: (model, files.configuration), unnamed: unnamed)
    guard let source = files.tokenizer ?? files.vocabulary else {
      try CheckpointLayout.checkTokenizer(in: files.home)
      return nil
    }
    if files.tokenizer == nil, unnamed == .pipeline,
      !TokenizerClass.isNamed([configuration, model])
    {
      throw BertError(
        .unsupported,
        "a vocab.txt alone does not say how a model of this kind finds words: save a tokenizer.json with "
          + "AutoTokenizer, or convert for token ids alone", file: source, remedy: .convertForIDs)
    }
    let isNew = configuration["added_tokens_decoder"] != nil
    specialTokens = isNew ? [:] : try Self.object(files.specialTokens)
    do throws(BertError) {
      pipeline = try files.tokenizer.map { path throws(BertError) in
        try TokenizerPipeline(ModelFiles.readJSON(path, limit: VocabularyFile.longestFile))
      }
      if let pipeline {
        vocabulary = try VocabularyFile.tokens(of: pipeline, rows: rows)
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
    settings.kind = .wordPiece(rules)
  }

  private static func object(_ path: String?) throws(BertError) -> JSON {
    guard let path else { return [:] }
    let json = try ModelFiles.readJSON(path, limit: ModelFiles.longestConfiguration)
    guard json.objectValue != nil else {
      throw BertError(.malformed, "is \(json.kind); expected an object", file: path)
    }
    return json
  }

  /// The id of each token, the last of equal ones, as the published library reads a list.
  private static func ids(_ vocabulary: [[UInt8]]) -> [[UInt8]: Int] {
    var ids: [[UInt8]: Int] = [:]
    ids.reserveCapacity(vocabulary.count)
    for (id, token) in vocabulary.enumerated() { ids[token] = id }
    return ids
  }

  /// Says where `vocab.txt` differs from the `tokenizer.json` that is used.
  private mutating func compareVocabularies(_ own: [[UInt8]: Int]) throws(BertError) {
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
  private mutating func readRules() throws(BertError) {
    if let pipeline { try take(pipeline) }
    switch rulesOf {
    case .bert: try overrideFlags()
    case .pipeline: reportOverridden()
    }
    if !rules.cleansText && (rules.lowercase || rules.stripsAccents) {
      throw BertError(
        .unsupported,
        "its normalizer changes letters and has clean_text false; only true is supported there")
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

  private mutating func take(_ pipeline: TokenizerPipeline) throws(BertError) {
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
        "tokenizer.json has no normalizer, but BertTokenizer has one of its own: say do_lower_case in "
          + "tokenizer_config.json, or name the class PreTrainedTokenizerFast")
    } else {
      notices.append("tokenizer.json has no normalizer; that of the class BertTokenizer is used")
    }
    rules.continuationPrefix = pipeline.continuationPrefix ?? rules.continuationPrefix
    rules.maximumWordLength = pipeline.maximumWordLength ?? rules.maximumWordLength
    settings.unknownToken = pipeline.unknownToken ?? settings.unknownToken
    settings.cutsLeft = pipeline.cutsLeft
    if rulesOf == .bert, !rules.cleansText {
      throw BertError(
        .unsupported,
        "tokenizer.json has clean_text false, but BertTokenizer cleans texts: name the class "
          + "PreTrainedTokenizerFast")
    }
  }

  private static let flags = ["do_lower_case", "strip_accents", "tokenize_chinese_chars"]

  /// For BERT's classes: flags that `tokenizer_config.json` names count; what it does not name stays.
  private mutating func overrideFlags() throws(BertError) {
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
  private mutating func reportOverridden() {
    if pipeline == nil {
      notices.append(
        "the tokenizer's class reads tokenizer.json alone, and there is none: vocab.txt is read as "
          + "BertTokenizer reads it")
      return
    }
    let said: [(String, Bool?)] = [
      ("do_lower_case", rules.lowercase), ("strip_accents", rules.stripAccents),
      ("tokenize_chinese_chars", rules.spaceChinese),
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
  private static let knownMembers: Set<String> = [
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
  ]
}

// MARK: - Tokens and templates

extension TokenizerFiles {
  private static let named = [
    "unk_token", "sep_token", "pad_token", "cls_token", "mask_token", "bos_token", "eos_token",
  ]

  /// Special tokens by member, of both files; of `special_tokens_map.json` where they disagree.
  private mutating func namedTokens() throws(BertError) -> [String: PublishedToken] {
    var tokens: [String: PublishedToken] = [:]
    for (file, json) in [
      ("tokenizer_config.json", configuration), ("special_tokens_map.json", specialTokens),
    ] {
      for (key, value) in json.objectValue ?? [:] where key.hasSuffix("_token") {
        if key.hasPrefix("add_") || value.isNull { continue }
        let token = try PublishedToken(value, isSpecial: true)
        if let other = tokens[key], other.key != token.key {
          notices.append(
            "\(key) is '\(other.text.prefix(40))' in tokenizer_config.json and "
              + "'\(token.text.prefix(40))' in \(file), which is used")
        }
        tokens[key] = token
      }
    }
    return tokens
  }

  /// Further special tokens, in lists or by names of their own.
  private func extraTokens() throws(BertError) -> [PublishedToken] {
    var tokens: [PublishedToken] = []
    for json in [configuration, specialTokens] {
      for key in ["additional_special_tokens", "extra_special_tokens"] {
        guard let value = json[key], !value.isNull else { continue }
        guard let list = value.arrayValue ?? value.objectValue.map({ $0.map(\.value) }) else {
          throw BertError(.malformed, "\(key) is \(value.kind); expected a list")
        }
        for entry in list { tokens.append(try PublishedToken(entry, isSpecial: true)) }
      }
    }
    return tokens
  }

  /// `added_tokens_decoder`: tokens by id, in order of the ids; nil where there is none.
  private func decoderTokens() throws(BertError) -> [PublishedToken]? {
    guard let value = configuration["added_tokens_decoder"], !value.isNull else { return nil }
    guard let map = value.objectValue else {
      throw BertError(.malformed, "added_tokens_decoder is \(value.kind); expected an object")
    }
    var tokens: [PublishedToken] = []
    for (key, value) in map {
      guard let id = Int(key) else {
        throw BertError(.malformed, "added_tokens_decoder has the id '\(key.prefix(40))'")
      }
      tokens.append(try PublishedToken(value, id: id))
    }
    return tokens.sorted { ($0.id ?? 0) < ($1.id ?? 0) }
  }

  /// `added_tokens.json`: ids by token; special are those that another file calls so.
  private func listedTokens(_ special: Set<[UInt8]>) throws(BertError) -> [PublishedToken] {
    guard let path = files.addedTokens else { return [] }
    let map = try Self.object(path)
    var tokens: [PublishedToken] = []
    for (text, value) in map.objectValue ?? [:] {
      guard let id = value.integerValue, id >= 0 else {
        throw BertError(
          .malformed,
          "the token '\(text.prefix(80))' has the id \(value.text().prefix(40)); expected a number",
          file: path)
      }
      var token = PublishedToken(text, id: id)
      token.isSpecial = special.contains(token.key)
      token.isNormalized = !token.isSpecial
      tokens.append(token)
    }
    return tokens
  }

  private mutating func readTokens(_ own: [[UInt8]: Int]) throws(BertError) {
    var names = try namedTokens()
    let extra = try extraTokens()
    if rulesOf == .bert || pipeline == nil {
      for (key, text) in [
        ("unk_token", settings.unknownToken), ("sep_token", "[SEP]"), ("pad_token", "[PAD]"),
        ("cls_token", "[CLS]"), ("mask_token", "[MASK]"),
      ] where names[key] == nil {
        names[key] = PublishedToken(text)
      }
    }
    var added = AddedVocabulary(model: own)
    let published = try publishedTokens(names, extra)
    let ofFile = pipeline?.addedTokens ?? []
    if rulesOf == .pipeline { for token in ofFile { try added.add(token) } }
    let namedKeys = Set(names.values.map(\.key))
    for var token in published {
      token.isSpecial = token.isSpecial || namedKeys.contains(token.key)
      try added.add(token)
    }
    let order = Self.named + names.keys.filter { !Self.named.contains($0) }.sorted()
    for token in order.compactMap({ names[$0] }) + extra
    where !added.tokens.contains(where: { Array($0.text.utf8) == token.key }) {
      // Without its own entry a word that has no pieces is an error, which an added one does not mend.
      if token.key == names["unk_token"]?.key, own[token.key] == nil { continue }
      try added.add(token)
    }
    if rulesOf == .bert {
      let dropped = ofFile.filter { token in
        !added.tokens.contains { Array($0.text.utf8) == token.key }
      }
      if !dropped.isEmpty {
        notices.append(
          "added tokens of tokenizer.json that added_tokens_decoder lacks are not found in texts: "
            + dropped.map(\.text).listed)
      }
    }
    settings.unknownToken = names["unk_token"]?.text ?? settings.unknownToken
    settings.separatorToken = names["sep_token"]?.text ?? settings.separatorToken
    settings.padToken = names["pad_token"]?.text ?? settings.padToken
    settings.classToken = names["cls_token"]?.text ?? settings.classToken
    settings.maskToken = names["mask_token"]?.text ?? settings.maskToken
    if rulesOf == .pipeline, pipeline != nil {
      settings.unknownToken = pipeline?.unknownToken ?? settings.unknownToken
    }
    try place(added)
    try readTemplates(added)
    try keepAdded(added)
  }

  /// The tokens with ids that a class takes, in its order.
  private func publishedTokens(
    _ names: [String: PublishedToken], _ extra: [PublishedToken]
  ) throws(BertError) -> [PublishedToken] {
    if let decoder = try decoderTokens() { return decoder }
    let special = Set(names.values.map(\.key) + extra.map(\.key))
    var byID: [Int: PublishedToken] = [:]
    for token in try listedTokens(special) + (pipeline?.addedTokens ?? []) {
      guard let id = token.id else {
        throw BertError(.malformed, "the added token '\(token.text.prefix(80))' has no id")
      }
      byID[id] = token
    }
    return byID.sorted { $0.key < $1.key }.map(\.value)
  }

  /// Puts new tokens into the vocabulary.
  private mutating func place(_ added: AddedVocabulary) throws(BertError) {
    for token in added.tokens where added.newIDs.contains(token.id) {
      while vocabulary.count <= token.id { vocabulary.append([]) }
      guard vocabulary[token.id].isEmpty else {
        throw BertError(
          .unsupported,
          "the added token '\(token.text.prefix(80))' has the id \(token.id), which is another token's"
        )
      }
      vocabulary[token.id] = Array(token.text.utf8)
    }
    addedIDs = added.newIDs
  }

  private mutating func readTemplates(_ added: AddedVocabulary) throws(BertError) {
    let plain = TokenizerSettings.plainTemplates(settings.classToken, settings.separatorToken)
    if let templates = pipeline?.templates {
      let isPlain = templates.single == plain.single && templates.pair == plain.pair
      if rulesOf == .bert {
        if !isPlain {
          throw BertError(
            .unsupported,
            "tokenizer.json frames texts otherwise than BertTokenizer does, whose class is named: name the "
              + "class PreTrainedTokenizerFast if tokenizer.json is right")
        }
      } else {
        for (token, id) in templates.ids where added.id(of: token) != id {
          throw BertError(
            .malformed,
            "its post_processor gives '\(token.prefix(80))' the id \(id), the vocabulary "
              + "\(added.id(of: token).map(String.init) ?? "none")")
        }
        if !isPlain { (settings.single, settings.pair) = (templates.single, templates.pair) }
      }
    }
    let inputs = configuration["model_input_names"]?.arrayValue?.compactMap(\.stringValue)
    if hasOneTokenType || inputs.map({ !$0.contains("token_type_ids") }) == true {
      // The types are made and then not given to the model, which takes 0 for all.
      let (single, pair) = settings.single.isEmpty ? plain : (settings.single, settings.pair)
      let typed = (single + pair).contains { $0.tokenType != 0 }
      if typed {
        settings.single = single.map { TemplatePiece($0.part) }
        settings.pair = pair.map { TemplatePiece($0.part) }
      }
    }
  }

  /// Keeps the added tokens unless they are the five that every BERT has, each as it stands.
  private mutating func keepAdded(_ added: AddedVocabulary) throws(BertError) {
    let plain = [
      settings.unknownToken, settings.separatorToken, settings.padToken, settings.classToken,
      settings.maskToken,
    ]
    let five = Set(plain.map { Array($0.utf8) })
    let isUsual = added.tokens.allSatisfy {
      five.contains(Array($0.text.utf8)) && $0 == AddedToken($0.text, id: $0.id)
    }
    let found = Set(added.tokens.map { Array($0.text.utf8) })
    let own = five.filter { token in vocabulary.contains(token) }
    if isUsual && added.newIDs.isEmpty && own.isSubset(of: found) { return }
    if added.tokens.isEmpty {
      throw BertError(
        .unsupported,
        "names no token that is found in texts, not even the class's; that is not supported")
    }
    settings.addedTokens = added.tokens
  }
}

// MARK: - Sizes

extension TokenizerFiles {
  /// Tokens beyond the embeddings are kept; a text that has one is refused, and so is a model whose every text
  /// has one.
  private mutating func checkRows(_ rows: Int, _ source: String) throws(BertError) {
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

  private mutating func readLength(_ positions: Int) throws(BertError) {
    // "No limit" is written as 10³⁰.
    let published = (configuration["model_max_length"] ?? configuration["max_len"])?.integerValue
    if let published, (1...positions).contains(published) { settings.maximumTokens = published }
    guard let path = files.sentenceConfiguration else { return }
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    if let length = json["max_seq_length"]?.integerValue, length > 0 {
      if length > positions {
        notices.append(
          "max_seq_length \(length) is beyond the \(positions) positions; \(positions) is used")
      }
      settings.maximumTokens = min(length, positions)
    }
    do throws(BertError) {
      if try json.flag("do_lower_case") == true && !rules.lowercase {
        // Lower-cased before tokenising: that strips no accents.
        rules.stripAccents = rules.stripAccents ?? false
        rules.lowercase = true
      }
    } catch {
      throw error.inFile(path)
    }
  }
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
