import BertErrors
import BertModel
import JSONText

/// A `tokenizer.json`: every member of it is read, is known to change no token, or is refused by name.
struct TokenizerPipeline {
  /// BertNormalizer's flags.
  struct Normalizer {
    var lowercase = true
    var stripAccents: Bool?
    var spacesChinese = true
    var cleansText = true
  }

  /// A template of one text and of two, and the ids that it gives its tokens.
  struct Templates {
    var single: [TemplatePiece]
    var pair: [TemplatePiece]
    var ids: [(token: String, id: Int)] = []
  }

  /// Nil where the text is left as it is.
  private(set) var normalizer: Normalizer?
  private(set) var splitsWords = false
  private(set) var templates: Templates
  private(set) var unknownToken: String?
  private(set) var continuationPrefix: String?
  private(set) var maximumWordLength: Int?
  private(set) var cutsLeft = false
  private(set) var addedTokens: [PublishedToken] = []
  private(set) var notices: [String] = []
  /// The tokens and their ids of a model that has a map of them.
  let vocabulary: JSONObject
  /// The kind of its model; WordPiece's rules are said above.
  private(set) var kind = TokenizerSettings.Kind.wordPiece(WordPieceRules())
  /// The model, where it is not WordPiece.
  private(set) var pieces: PieceModel?
  /// The precompiled normalisation, where there is one.
  private(set) var charsmap: [UInt8] = []

  /// Reads a `tokenizer.json`.
  ///
  /// - Parameter rows: the model's word embeddings.
  /// - Throws: `unsupported` with the step that is not known, `malformed`.
  init(_ json: JSON, rows: Int) throws(BertError) {
    guard json.objectValue != nil else {
      throw BertError(.malformed, "is \(json.kind); expected an object")
    }
    let model = json["model"] ?? .null
    let type = model["type"]?.stringValue ?? Self.unnamedType(model)
    guard ["WordPiece", "BPE", "Unigram"].contains(type) else {
      throw BertError(
        .unsupported,
        "its model is \(type.prefix(80)); WordPiece, byte-level BPE and Unigram are supported")
    }
    vocabulary = model["vocab"]?.objectValue ?? [:]
    if vocabulary.isEmpty && type != "Unigram" {
      throw BertError(.malformed, "its model has no vocabulary")
    }
    templates = Self.bare
    if type == "WordPiece" {
      try readModel(model)
      try readNormalizer(json)
      try readPreTokenizer(json)
    } else {
      let steps = try TextSteps(json)
      charsmap = steps.charsmap
      kind = type == "BPE" ? .bytePairs(steps.rules) : .unigram(steps.rules)
      pieces =
        type == "BPE"
        ? try PieceModel(bytePairs: model, vocabulary, rows: rows)
        : try PieceModel(unigram: model, rows: rows)
      unknownToken = pieces?.unknownToken
    }
    try readPostProcessor(json)
    for entry in try Self.list(json, "added_tokens") {
      addedTokens.append(try PublishedToken(entry))
    }
    if let side = json["truncation"]?["direction"] {
      cutsLeft = try Self.side(side, "its truncation's direction") == "left"
    }
    let known = [
      "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
      "post_processor", "decoder", "model",
    ]
    let unread = (json.objectValue?.keys ?? []).filter { !known.contains($0) }
    if !unread.isEmpty {
      notices.append("members of tokenizer.json that are ignored: " + unread.listed)
    }
  }

  /// Files of the first versions do not name their model.
  private static func unnamedType(_ model: JSON) -> String {
    if model["merges"] != nil { return "BPE" }
    if model["vocab"]?.arrayValue != nil { return "Unigram" }
    return model["max_input_chars_per_word"] != nil ? "WordPiece" : "of no type"
  }

  static func side(_ value: JSON, _ what: String) throws(BertError) -> String {
    let side = value.stringValue?.lowercased()
    guard let side, side == "left" || side == "right" else {
      throw BertError(
        .malformed, "\(what) is \(value.text().prefix(40)); expected left or right")
    }
    return side
  }

  private static func list(_ json: JSON, _ key: String) throws(BertError) -> [JSON] {
    guard let value = json[key], !value.isNull else { return [] }
    guard let list = value.arrayValue else {
      throw BertError(.malformed, "its \(key) is \(value.kind); expected a list")
    }
    return list
  }

  private mutating func readModel(_ model: JSON) throws(BertError) {
    try requireMembers(
      model, "model",
      ["type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"])
    unknownToken = model["unk_token"]?.stringValue
    continuationPrefix = model["continuing_subword_prefix"]?.stringValue
    guard let most = model["max_input_chars_per_word"] else { return }
    guard let length = most.integerValue, length > 0 else {
      throw BertError(
        .malformed,
        "its max_input_chars_per_word is \(most.text().prefix(40)); it must be at least 1")
    }
    maximumWordLength = length
  }

  /// A step; nil where it is null or a sequence of none.
  ///
  /// A sequence of one is that one.
  private static func step(
    _ json: JSON?, _ key: String, list: String
  ) throws(BertError) -> (type: String, json: JSON)? {
    guard let json, !json.isNull else { return nil }
    let type = json["type"]?.stringValue ?? "of no type"
    guard type == "Sequence" else { return (type, json) }
    guard let steps = json[list]?.arrayValue else {
      throw BertError(.malformed, "its \(key) is a Sequence without a list '\(list)'")
    }
    if steps.count > 1 {
      let names = steps.map { $0["type"]?.stringValue ?? "of no type" }
      throw BertError(
        .unsupported, "its \(key) is a Sequence of \(names.listed); only one step is supported")
    }
    return try step(steps.first, key, list: list)
  }

  private func requireMembers(
    _ json: JSON, _ what: String, _ known: [String]
  ) throws(BertError) {
    let unread = (json.objectValue?.keys ?? []).filter { !known.contains($0) }
    if !unread.isEmpty {
      throw BertError(
        .unsupported, "its \(what) has members that are not known: " + unread.listed)
    }
  }

  private mutating func readNormalizer(_ json: JSON) throws(BertError) {
    guard let step = try Self.step(json["normalizer"], "normalizer", list: "normalizers") else {
      return
    }
    if step.type != "BertNormalizer" {
      throw BertError(
        .unsupported,
        "its normalizer is \(step.type.prefix(80)); only BertNormalizer is supported")
    }
    try requireMembers(
      step.json, "normalizer",
      ["type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"])
    var flags = Normalizer()
    flags.cleansText = try step.json.flag("clean_text") ?? true
    flags.lowercase = try step.json.flag("lowercase") ?? true
    flags.stripAccents = try step.json.flag("strip_accents")
    flags.spacesChinese = try step.json.flag("handle_chinese_chars") ?? true
    normalizer = flags
  }

  private mutating func readPreTokenizer(_ json: JSON) throws(BertError) {
    let found = try Self.step(json["pre_tokenizer"], "pre_tokenizer", list: "pretokenizers")
    if found?.type != "BertPreTokenizer" {
      throw BertError(
        .unsupported,
        "its pre_tokenizer is \((found?.type ?? "null").prefix(80)); only BertPreTokenizer is "
          + "supported")
    }
    splitsWords = true
  }

  private static let bare = Templates(
    single: [TemplatePiece(.firstText)],
    pair: [TemplatePiece(.firstText), TemplatePiece(.secondText, tokenType: 1)])

  private mutating func readPostProcessor(_ json: JSON) throws(BertError) {
    let found = try Self.step(json["post_processor"], "post_processor", list: "processors")
    guard let (type, step) = found else { return }
    switch type {
    case "ByteLevel": break  // It trims what spans cover, and adds no token.
    case "BertProcessing", "RobertaProcessing":
      try readFrame(step, isBert: type == "BertProcessing")
    case "TemplateProcessing": try readTemplate(step)
    default:
      throw BertError(
        .unsupported,
        "its post_processor is \(type.prefix(80)); TemplateProcessing, BertProcessing and "
          + "RobertaProcessing are supported")
    }
  }

  private mutating func readFrame(_ json: JSON, isBert: Bool) throws(BertError) {
    func token(_ key: String) throws(BertError) -> TemplatePiece {
      guard let pair = json[key]?.arrayValue, pair.count == 2, let text = pair[0].stringValue,
        let id = pair[1].integerValue
      else {
        throw BertError(.malformed, "its post_processor has no token and id '\(key)'")
      }
      templates.ids.append((text, id))
      return TemplatePiece(.token(text))
    }
    let (start, end) = (try token("cls"), try token("sep"))
    templates.single = [start, TemplatePiece(.firstText), end]
    if isBert {
      let last = TemplatePiece(end.part, tokenType: 1)
      templates.pair = templates.single + [TemplatePiece(.secondText, tokenType: 1), last]
    } else {
      templates.pair = templates.single + [end, TemplatePiece(.secondText), end]
    }
  }

  private mutating func readTemplate(_ json: JSON) throws(BertError) {
    templates.single = try pieces(json, "single")
    templates.pair = try pieces(json, "pair")
  }

  private mutating func pieces(
    _ json: JSON, _ key: String
  ) throws(BertError) -> [TemplatePiece] {
    guard let list = json[key]?.arrayValue else {
      throw BertError(.malformed, "its post_processor has no list '\(key)'")
    }
    var pieces: [TemplatePiece] = []
    for piece in list {
      let type = (piece["Sequence"] ?? piece["SpecialToken"])?["type_id"]?.integerValue ?? 0
      switch (piece["Sequence"]?["id"]?.stringValue, piece["SpecialToken"]?["id"]?.stringValue) {
      case ("A", nil): pieces.append(TemplatePiece(.firstText, tokenType: type))
      case ("B", nil): pieces.append(TemplatePiece(.secondText, tokenType: type))
      case (nil, let name?):
        let special = json["special_tokens"]?[name]
        let ids = (special?["ids"]?.arrayValue ?? []).compactMap(\.integerValue)
        let tokens = (special?["tokens"]?.arrayValue ?? []).compactMap(\.stringValue)
        guard !ids.isEmpty, ids.count == tokens.count else {
          throw BertError(
            .malformed,
            "its post_processor does not say the ids of the special token '\(name.prefix(80))'")
        }
        for (token, id) in zip(tokens, ids) {
          templates.ids.append((token, id))
          pieces.append(TemplatePiece(.token(token), tokenType: type))
        }
      default:
        throw BertError(
          .malformed,
          "its post_processor's \(key) has \(piece.text().prefix(80)); expected a Sequence A or B, or "
            + "a SpecialToken")
      }
    }
    let texts = pieces.filter { $0.part == .firstText }.count
    let seconds = pieces.filter { $0.part == .secondText }.count
    if texts != 1 || seconds != (key == "pair" ? 1 : 0) {
      throw BertError(
        .unsupported,
        "its post_processor's template \(key) does not hold each of its texts once")
    }
    return pieces
  }
}

extension JSON {
  /// A member that is true or false; nil where it is absent or null.
  ///
  /// Anything else, passed over, would make another model of it without a word.
  func flag(_ key: String) throws(BertError) -> Bool? {
    guard let value = self[key], !value.isNull else { return nil }
    guard let flag = value.boolValue else {
      throw BertError(.malformed, "\(key) is \(value.kind); expected true or false")
    }
    return flag
  }

  /// A member that is a string; nil where it is absent or null.
  func text(_ key: String) throws(BertError) -> String? {
    guard let value = self[key], !value.isNull else { return nil }
    guard let text = value.stringValue else {
      throw BertError(.malformed, "\(key) is \(value.kind); expected a string")
    }
    return text
  }
}

extension [String] {
  /// The first of them, each cut to what a message can hold.
  var listed: String {
    prefix(12).map { String($0.prefix(60)) }.joined(separator: ", ")
      + (count > 12 ? " and \(count - 12) more" : "")
  }
}
