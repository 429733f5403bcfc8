import BertErrors
import BertModel
import ByteFiles
import JSONText

/// What `modules.json` lists of a model that makes a short vector of each token: a linear over the token's hidden
/// state, which tokens count, and length 1.
struct TokenModules {
  let dense: DenseModule
  /// Tokens of documents that have no vector; nil where no module says.
  private(set) var skippedTokens: [String]?
  /// Whether a module says which tokens count.
  private(set) var hasMask = false
  var normalizes = false

  /// Reads the linear.
  init(dense path: String, hiddenSize: Int) throws(BertError) {
    dense = try DenseModule(path, inputs: hiddenSize, of: "token_embeddings")
    if dense.activation != .identity {
      throw BertError(
        .unsupported,
        "activation_function is '\(dense.activation.rawValue)' of vectors of tokens; only Identity "
          + "is supported", file: path)
    }
  }

  /// Reads which tokens count.
  mutating func readMask(_ path: String) throws(BertError) {
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    hasMask = true
    do throws(BertError) {
      skippedTokens = try TokenSettings.texts(json["skiplist_words"], "skiplist_words") ?? []
      let tasks = try TokenSettings.texts(json["skiplist_tasks"], "skiplist_tasks")
      if let tasks, tasks != ["document"], skippedTokens != [] {
        throw BertError(
          .unsupported, "skiplist_tasks is \(tasks.listed); only 'document' is supported")
      }
      if let value = json["keep_only_token_ids"], !value.isNull {
        throw BertError(.unsupported, "keep_only_token_ids is given; only null is supported")
      }
    } catch {
      throw error.inFile(path)
    }
  }
}

/// How texts become vectors of their tokens, from whichever files say so: those of sentence-transformers, those of
/// PyLate, which keeps it beside the prompts, or the original ColBERT's.
struct TokenSettings {
  var settings: MultiVectorSettings
  /// Words before texts, by name, where those of the model's prompts change.
  private(set) var prompts: [Prompt]

  /// Members of `config_sentence_transformers.json` that are read here.
  static let publishedKeys = [
    "query_prefix", "document_prefix", "query_length", "document_length", "query_expansion",
    "do_query_expansion", "attend_to_expansion_tokens", "attend_to_mask_tokens", "skiplist_words",
  ]

  /// Python's `string.punctuation`, which ColBERT leaves out of documents where nothing else is said.
  private static let punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".map { String($0) }

  /// How long texts are, and what fills queries, as one file says it.
  private struct Lengths {
    var query: Int?
    var document: Int?
    /// Nil: nothing is said; an inner nil: queries are not filled.
    var filling: Filling??

    struct Filling {
      let length: Int
      let isSeen: Bool
    }
  }

  // MARK: The original ColBERT

  /// What `artifact.metadata` says, of a checkpoint that has the linear among its own tensors.
  ///
  /// - Parameters:
  ///   - path: nil where there is no such file, and all is as ColBERT has it.
  ///   - width: the linear's outputs.
  init(
    metadata path: String?, width: Int, prompts: [Prompt], tokens: Set<[UInt8]>
  ) throws(BertError) {
    let json = try path.map { (path) throws(BertError) in
      try ModelFiles.readJSON(path, limit: 1 << 20)
    }
    settings = MultiVectorSettings(dimensions: width)
    self.prompts = prompts
    do throws(BertError) {
      if let dimensions = json?["dim"]?.integerValue, dimensions != width {
        throw BertError(
          .malformed, "dim is \(dimensions), but the linear has \(width) outputs")
      }
      mark("query", try json?.text("query_token_id") ?? "[unused0]", tokens)
      mark("document", try json?.text("doc_token_id") ?? "[unused1]", tokens)
      var lengths = Lengths()
      lengths.document = try Self.length(json?["doc_maxlen"], "doc_maxlen")
      lengths.filling = .some(
        Lengths.Filling(
          length: try Self.length(json?["query_maxlen"], "query_maxlen") ?? 32,
          isSeen: try json?.flag("attend_to_mask_tokens") ?? false))
      apply(lengths)
      let skips = try json?.flag("mask_punctuation") ?? true
      settings.skippedTokens = skips ? Self.punctuation : []
    } catch {
      throw error.inFile(path ?? "artifact.metadata")
    }
  }

  // MARK: sentence-transformers and PyLate

  /// What the modules and the two files beside them say.
  ///
  /// - Parameters:
  ///   - modules: as `modules.json` lists them.
  ///   - own: `config_sentence_transformers.json`, and `null` where there is none.
  ///   - transformer: `sentence_bert_config.json`, of which the same holds.
  init(
    _ modules: TokenModules, own: JSON, transformer: JSON, prompts: [Prompt],
    tokens: Set<[UInt8]>
  ) throws(BertError) {
    settings = MultiVectorSettings(dimensions: modules.dense.outputs)
    self.prompts = prompts
    // PyLate lists the linear alone, and does the rest whatever its files say.
    let isPyLate = try own.text("model_type") == "ColBERT"
    if !isPyLate && !(modules.hasMask && modules.normalizes) {
      throw BertError(
        .unsupported,
        "makes a vector of each token without "
          + (modules.normalizes ? "MultiVectorMask" : "Normalize") + ", which is not supported")
    }
    for role in ["query", "document"] {
      if let prefix = try own.text(role + "_prefix") { mark(role, prefix, tokens) }
    }
    var lengths = try Self.pylateLengths(own)
    let ofModule = try Self.lengths(transformer)
    if transformer["query_length"] != nil { lengths.query = ofModule.query }
    if transformer["document_length"] != nil { lengths.document = ofModule.document }
    if let filling = ofModule.filling { lengths.filling = .some(filling) }
    apply(lengths)
    let said = try Self.texts(own["skiplist_words"], "skiplist_words")
    settings.skippedTokens = modules.skippedTokens ?? said ?? Self.punctuation
  }

  /// `query_length`, `document_length` and `query_expansion`.
  private static func lengths(_ json: JSON) throws(BertError) -> Lengths {
    var lengths = Lengths()
    lengths.query = try length(json["query_length"], "query_length")
    lengths.document = try length(json["document_length"], "document_length")
    guard let value = json["query_expansion"] else { return lengths }
    if value.isNull {
      lengths.filling = .some(nil)
      return lengths
    }
    let strategy = try value.text("strategy") ?? ""
    if strategy != "fixed" {
      throw BertError(
        .unsupported,
        "query_expansion has the strategy '\(strategy.prefix(80))'; only 'fixed' is supported")
    }
    if let token = try value.text("token"), token != "[MASK]", token != "<mask>" {
      throw BertError(
        .unsupported,
        "query_expansion has the token '\(token.prefix(80))'; only the mask token is supported")
    }
    guard let width = try length(value["length"], "the length of query_expansion") else {
      throw BertError(.malformed, "query_expansion has no length")
    }
    lengths.filling = .some(
      Lengths.Filling(length: width, isSeen: try value.flag("attend") ?? false))
    return lengths
  }

  /// The same where PyLate's flat members say it: they fill queries unless told otherwise.
  private static func pylateLengths(_ json: JSON) throws(BertError) -> Lengths {
    var lengths = try lengths(json)
    guard lengths.filling == nil, publishedKeys.contains(where: { json[$0] != nil }) else {
      return lengths
    }
    if try json.flag("do_query_expansion") == false {
      lengths.filling = .some(nil)
      return lengths
    }
    let names = ["attend_to_expansion_tokens", "attend_to_mask_tokens"]
    var isSeen = false
    for name in names.reversed() { isSeen = try json.flag(name) ?? isSeen }
    lengths.filling = .some(Lengths.Filling(length: lengths.query ?? 32, isSeen: isSeen))
    lengths.query = nil
    return lengths
  }

  private mutating func apply(_ lengths: Lengths) {
    settings.queryLength = lengths.query
    settings.documentLength = lengths.document
    guard case .some(.some(let filling)) = lengths.filling else { return }
    settings.queryLength = filling.length
    settings.fillsQueries = true
    settings.hidesFilling = !filling.isSeen
  }

  /// What marks a role's texts: a token behind the first, or words before the text where it is no token.
  private mutating func mark(_ role: String, _ prefix: String, _ tokens: Set<[UInt8]>) {
    let word = prefix.split(separator: " ").first.map { String($0) } ?? ""
    if word.isEmpty { return }
    let prompt = prompts.first { $0.name == role }?.text ?? ""
    // A prompt may hold the mark already.
    let rest = prompt.hasPrefix(prefix) ? String(prompt.dropFirst(prefix.count)) : prompt
    let marker = [prefix, word].first { tokens.contains(Array($0.utf8)) }
    if let marker, marker == prefix || prefix.dropFirst(word.count).allSatisfy({ $0 == " " }) {
      if role == "query" {
        settings.queryMarker = marker
      } else {
        settings.documentMarker = marker
      }
      setPrompt(role, rest)
    } else {
      setPrompt(role, prefix + rest)
    }
  }

  private mutating func setPrompt(_ role: String, _ text: String) {
    prompts.removeAll { $0.name == role }
    if !text.isEmpty { prompts.append(Prompt(role, text)) }
  }

  private static func length(_ value: JSON?, _ name: String) throws(BertError) -> Int? {
    guard let value, !value.isNull else { return nil }
    guard let length = value.integerValue, (1...1 << 20).contains(length) else {
      throw BertError(
        .malformed, "\(name) is \(value.text().prefix(40)); expected a number of tokens")
    }
    return length
  }

  /// A list of strings, or one alone.
  static func texts(_ value: JSON?, _ name: String) throws(BertError) -> [String]? {
    guard let value, !value.isNull else { return nil }
    var texts: [String] = []
    for item in value.arrayValue ?? [value] {
      guard let text = item.stringValue else {
        throw BertError(.malformed, "\(name) holds \(item.kind); expected strings")
      }
      texts.append(text)
    }
    return texts
  }
}
