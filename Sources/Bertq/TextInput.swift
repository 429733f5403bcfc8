import BertErrors
import BertModel
import BertRuntime
import BertTokenize

/// One text, or a pair of texts, or token ids that somebody else made.
///
///     try model.embed([TextInput("a question", pair: "a passage")])
///     try model.embed([TextInput(ids: [101, 7592, 102])])
public struct TextInput: Sendable, Hashable {
  /// The text as UTF-8; other bytes are an error.
  public var text: [UInt8] = []
  /// A second text, which gets token type 1.
  public var pair: [UInt8]?
  /// Token ids to use as they are, instead of the text.
  public var ids: [Int32]?
  /// Token types of `ids`; all 0 when absent.
  public var types: [UInt8]?
  /// Words that are split already, instead of the text: each is made tokens alone.
  public var words: [String]?
  /// Whether it is cut where it is too long; nil does as the model's options say.
  public var truncates: Bool?
  /// Which end of it is lost then; nil does as the model's publisher says.
  public var truncationSide: TruncationSide?
  /// What stands before the text, or before the first of a pair; nil for the file's default prompt where vectors,
  /// labels or ranks are asked for, and for nothing elsewhere.
  public var prompt: TextPrompt?
  /// How many of `ids` belong to a prompt, those of the frame before it included.
  var promptTokens = 0

  /// A text, or a pair.
  public init(_ text: String, pair: String? = nil, prompt: TextPrompt? = nil) {
    self.text = Array(text.utf8)
    self.pair = pair.map { Array($0.utf8) }
    self.prompt = prompt
  }

  /// A text, or a pair, in UTF-8.
  public init(utf8 text: [UInt8], pair: [UInt8]? = nil) {
    self.text = text
    self.pair = pair
  }

  /// Token ids, the special ones included, and their types.
  public init(ids: [Int32], types: [UInt8]? = nil) {
    self.ids = ids
    self.types = types
  }

  /// Words that are split already; answers count places in the words joined by a space each.
  public init(words: [String]) { self.words = words }

  package init(
    text: [UInt8] = [], pair: [UInt8]? = nil, ids: [Int32]? = nil, types: [UInt8]? = nil
  ) {
    self.text = text
    self.pair = pair
    self.ids = ids
    self.types = types
  }

  /// Puts the file's default prompt before a text that names none; token ids hold theirs.
  mutating func standBehind(_ defaultPrompt: TextPrompt?) {
    if prompt == nil, ids == nil { prompt = defaultPrompt }
  }

  /// Refuses what says twice, or partly, what is to be read: one of them would be passed over.
  ///
  /// - Throws: `malformed`.
  func requireOneForm() throws(BertError) {
    if ids == nil {
      if types != nil {
        throw BertError(.malformed, "token types go with token ids; a text gets its own here")
      }
      if words != nil, !text.isEmpty {
        throw BertError(.malformed, "words stand beside a text; give one of them")
      }
      return
    }
    if !text.isEmpty || pair != nil || words != nil {
      throw BertError(
        .malformed,
        "token ids stand beside a text; give one of them: ids hold both texts, told apart by their types"
      )
    }
    if let prompt, prompt != .text("") {
      throw BertError(.malformed, "a prompt goes with a text; token ids hold its tokens")
    }
  }
}

/// An end of a text.
public enum TruncationSide: Sendable, Hashable {
  /// The beginning.
  case left
  /// The end.
  case right
}

/// Words that stand before a text.
///
///     let query = TextInput("how do birds sing?", prompt: .named("query"))
public enum TextPrompt: Sendable, Hashable {
  /// The prompt of this name in the file.
  case named(String)
  /// These words; none where they are empty.
  case text(String)
}

/// What a model takes as a text: a `String`, or a `TextInput` for pairs, bytes and token ids.
public protocol ModelInput: Sendable {
  /// The text as a value of the one type that the model reads.
  var textInput: TextInput { get }
}

extension TextInput: ModelInput {
  /// The input itself.
  public var textInput: TextInput { self }
}

extension String: ModelInput {
  /// The string's UTF-8 as a single text.
  public var textInput: TextInput { TextInput(self) }
}

/// A text as the model sees it.
public struct TokenizedInput: Sendable, Hashable {
  /// Token ids of the vocabulary, the special ones included.
  public let ids: [Int32]
  /// The token type of each: 0, or 1 for the second text of a pair.
  public let types: [UInt8]
  /// How many tokens were cut off.
  public let cut: Int
  /// How many belong to the prompt, those of the frame before it included; 0 where that makes no difference.
  package var promptTokens = 0
}

extension TokenizedInput: ModelInput {
  /// The ids and types, to be used as they are.
  public var textInput: TextInput {
    var input = TextInput(ids: ids, types: types)
    input.promptTokens = promptTokens
    return input
  }
}

extension ServedModel {
  /// The most tokens of a text: what the publisher says, at most the position embeddings.
  package var tokenLimit: Int {
    let positions = description.configuration.maximumPositions
    return min(description.tokenizer?.maximumTokens ?? positions, positions)
  }

  /// Tokenizes an input, behind its prompt if it has one, and adds it to a batch.
  ///
  /// - Parameters:
  ///   - truncates: cuts what is too long instead of refusing it.
  ///   - rows: the last hidden states that will be read.
  /// - Returns: how many tokens were cut off.
  /// - Throws: `tooLong` with both counts; `notUTF8`; `malformed` for ids outside the model, for ids beside a
  ///   text, or a prompt that the file does not have; `unsupported` for text when the file has no vocabulary.
  @discardableResult
  package func append(
    _ input: TextInput, to batch: inout TokenBatch, truncates: Bool,
    wanting rows: WantedRows = .all
  ) throws(BertError) -> Int {
    try input.requireOneForm()
    if let ids = input.ids {
      try batch.append(
        ids: ids, types: input.types, wanting: rows, for: description.configuration)
      return 0
    }
    if input.words != nil {
      let framed = try framed(input, truncates: truncates)
      try batch.append(
        ids: framed.ids, types: framed.types, wanting: rows, for: description.configuration)
      return framed.cut
    }
    let (encoding, made) = try tokens(
      of: input, limit: truncates ? limit(of: input) : nil)
    if made.count > tokenLimit {
      throw BertError(
        .tooLong,
        "a text has \(made.count) tokens; the model takes \(tokenLimit)", remedy: .truncate)
    }
    try batch.append(
      ids: encoding.ids, types: encoding.typeIDs, wanting: rows, for: description.configuration)
    return made.fullCount - made.count
  }

  /// What an input is cut to.
  func limit(of input: TextInput) -> TokenLimit {
    TokenLimit(tokenLimit, cutsLeft: input.truncationSide.map { $0 == .left })
  }

  /// The words before an input.
  ///
  /// - Throws: `malformed` for a name that none of the file's prompts has.
  func promptText(of input: TextInput) throws(BertError) -> String {
    switch input.prompt {
    case nil: return ""
    case .text(let text): return text
    case .named(let name):
      if let prompt = description.prompts.first(where: { $0.name == name }) { return prompt.text }
      let names = description.prompts.map { "'\($0.name)'" }.joined(separator: ", ")
      throw BertError(
        .malformed,
        "the file has no prompt '\(name.prefix(80))'; it has \(names.isEmpty ? "none" : names)")
    }
  }

  /// How many tokens stand before the text of an input: the frame's and those of its prompt, as
  /// sentence-transformers counts them; 0 where pooling reads them too.
  func promptTokens(of input: TextInput) throws(BertError) -> Int {
    if description.embedding.poolsPrompt { return 0 }
    if input.ids != nil { return input.promptTokens }
    let prompt = try promptText(of: input)
    guard !prompt.isEmpty, let tokenizer else { return 0 }
    let tokens = try tokenizer.encode(prompt).ids
    let endsTheText = tokens.last == tokenizer.vocabulary.id(of: tokenizer.settings.separatorToken)
    return tokens.count - (endsTheText ? 1 : 0)
  }

  /// The tokens of a text, behind its prompt, the special ones included.
  func tokens(
    of input: TextInput, limit: TokenLimit?
  ) throws(BertError) -> (TokenizedText, EncodedInput) {
    guard let tokenizer else {
      throw BertError(
        .unsupported, "the file holds no vocabulary; give token ids ({\"ids\":[...]}) instead",
        file: file.path)
    }
    var encoding = TokenizedText()
    let prompt = try promptText(of: input)
    try UTF8Check.require(input.text)
    if let pair = input.pair { try UTF8Check.require(pair) }
    let text = prompt.isEmpty ? input.text : Array(prompt.utf8) + input.text
    let made = try text.withUnsafeBufferPointer { text throws(BertError) in
      guard let pair = input.pair else {
        return try tokenizer.encode(text, limit: limit, appendingTo: &encoding)
      }
      return try pair.withUnsafeBufferPointer { pair throws(BertError) in
        try tokenizer.encode(text, pair: pair, limit: limit, appendingTo: &encoding)
      }
    }
    return (encoding, made)
  }
}
