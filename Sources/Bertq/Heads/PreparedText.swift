import BertErrors
import BertModel
import BertRuntime
import BertTokenize

/// A text as tokens, and which of its hidden states an answer is made of.
struct PreparedText: Sendable {
  let ids: [Int32]
  let types: [UInt8]
  /// Nil where the task says.
  let rows: WantedRows?
  /// How many of the first tokens belong to a prompt that is left out of pooling.
  var promptTokens = 0
  /// How many of the last tokens see the others, and are seen by none.
  var unseen = 0

  init(ids: [Int32], types: [UInt8], rows: WantedRows? = nil) {
    self.ids = ids
    self.types = types
    self.rows = rows
  }

  init(_ tokens: TokenizedInput) {
    self.init(ids: tokens.ids, types: tokens.types)
    promptTokens = tokens.promptTokens
  }

  init(_ framed: FramedInput, rows: WantedRows? = nil) {
    self.init(ids: framed.ids, types: framed.types, rows: rows)
  }
}

extension ServedModel {
  /// The tokenizer of a task that points into texts.
  ///
  /// - Throws: `unsupported` when the file holds no vocabulary.
  func requireTokenizer() throws(BertError) -> Tokenizer {
    if let tokenizer { return tokenizer }
    throw BertError(
      .unsupported, "the file holds no vocabulary, so that no text can be read", file: file.path)
  }

  /// The tokens of a text without its frame, with their places.
  ///
  /// - Throws: `notUTF8`; `malformed` for token ids, which lie nowhere in a text.
  func bareTokens(_ input: TextInput) throws(BertError) -> TokenizedText {
    let tokenizer = try requireTokenizer()
    try input.requireOneForm()
    if input.ids != nil {
      throw BertError(
        .malformed,
        "the task says where in a text its answers lie; it needs the text, not token ids")
    }
    if input.prompt != nil, input.prompt != .text("") {
      throw BertError(.malformed, "a prompt would move the places that the answers name")
    }
    guard let words = input.words else { return try bareTokens(input.text) }
    return try tokenizer.bare(words: words.map { Array($0.utf8) })
  }

  /// The tokens of UTF-8 without a frame, with their places.
  ///
  /// - Throws: `notUTF8`.
  func bareTokens(_ text: [UInt8]) throws(BertError) -> TokenizedText {
    try UTF8Check.require(text)
    return try requireTokenizer().bare(text)
  }

  /// A text, or a pair, with the places of its tokens; no prompt stands before it.
  ///
  /// - Throws: `tooLong`, `notUTF8`.
  func framed(_ input: TextInput, truncates: Bool) throws(BertError) -> FramedInput {
    let tokenizer = try requireTokenizer()
    let first = try bareTokens(input)
    let second = try input.pair.map { pair throws(BertError) in try bareTokens(pair) }
    let truncates = input.truncates ?? truncates
    let framed = try tokenizer.framed(
      first, second, limit: truncates ? limit(of: input) : nil)
    try requireFit(framed.ids.count)
    return framed
  }

  /// Refuses a text of more tokens than the model takes.
  func requireFit(_ count: Int) throws(BertError) {
    if count > tokenLimit {
      throw BertError(
        .tooLong, "a text has \(count) tokens; the model takes \(tokenLimit)", remedy: .truncate)
    }
  }
}
