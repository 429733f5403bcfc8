import BertErrors
import BertModel
import ByteFiles
import JSONText

// MARK: - Tokens and templates

extension TokenizerFiles {
  static let named = [
    "unk_token", "sep_token", "pad_token", "cls_token", "mask_token", "bos_token", "eos_token",
  ]

  /// Special tokens by member, of both files; of `special_tokens_map.json` where they disagree.
  static func namedTokens(
    _ configuration: JSON, _ specialTokens: JSON
  ) throws(BertError) -> (tokens: [String: PublishedToken], notices: [String]) {
    var tokens: [String: PublishedToken] = [:]
    var notices: [String] = []
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
    return (tokens, notices)
  }

  /// Further special tokens, in lists or by names of their own.
  func extraTokens() throws(BertError) -> [PublishedToken] {
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
  func decoderTokens() throws(BertError) -> [PublishedToken]? {
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
  func listedTokens(_ special: Set<[UInt8]>) throws(BertError) -> [PublishedToken] {
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

  mutating func readTokens(_ own: [[UInt8]: Int]) throws(BertError) {
    let named = try Self.namedTokens(configuration, specialTokens)
    var names = named.tokens
    notices += named.notices
    let extra = try extraTokens()
    if rulesOf == .bert || pipeline == nil || hasBertsNames {
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
    if pipeline?.pieces != nil { nameUsualTokens(names, added) }
    try place(added)
    try readTemplates(added)
    try keepAdded(added)
  }

  /// Special tokens that no file names, where the vocabulary has those that such models usually have.
  mutating func nameUsualTokens(
    _ names: [String: PublishedToken], _ added: AddedVocabulary
  ) {
    func usual(_ key: String, _ text: String, _ path: WritableKeyPath<TokenizerSettings, String>) {
      if names[key] == nil, added.id(of: text) != nil { settings[keyPath: path] = text }
    }
    usual("cls_token", "<s>", \.classToken)
    usual("sep_token", "</s>", \.separatorToken)
    usual("pad_token", "<pad>", \.padToken)
    usual("mask_token", "<mask>", \.maskToken)
    if pipeline?.unknownToken == nil { usual("unk_token", "<unk>", \.unknownToken) }
  }

  /// The tokens with ids that a class takes, in its order.
  func publishedTokens(
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
  mutating func place(_ added: AddedVocabulary) throws(BertError) {
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

  mutating func readTemplates(_ added: AddedVocabulary) throws(BertError) {
    let plain = TokenizerSettings.plainTemplates(settings.classToken, settings.separatorToken)
    if let templates = pipeline?.templates {
      let isPlain = templates.single == plain.single && templates.pair == plain.pair
      if rulesOf == .bert {
        if !isPlain {
          throw BertError(
            .unsupported,
            "frames texts otherwise than BertTokenizer does, whose class is named: name the class "
              + "PreTrainedTokenizerFast if this is right", file: files.tokenizer)
        }
      } else {
        for (token, id) in templates.ids where added.id(of: token) != id {
          throw BertError(
            .malformed,
            "its post_processor gives '\(token.prefix(80))' the id \(id), the vocabulary "
              + "\(added.id(of: token).map(String.init) ?? "none")", file: files.tokenizer)
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
  mutating func keepAdded(_ added: AddedVocabulary) throws(BertError) {
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
    if pipeline?.pieces == nil, isUsual, added.newIDs.isEmpty, own.isSubset(of: found) { return }
    if added.tokens.isEmpty {
      throw BertError(
        .unsupported,
        "no file lists a special token as one that is found in texts, and an added token is needed: give the "
          + "tokenizer.json that AutoTokenizer saves, or convert for token ids alone",
        remedy: .convertForIDs)
    }
    settings.addedTokens = added.tokens
  }
}
