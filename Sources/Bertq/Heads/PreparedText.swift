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

  init(ids: [Int32], types: [UInt8], rows: WantedRows? = nil) {
    self.ids = ids
    self.types = types
    self.rows = rows
  }

  init(_ tokens: TokenizedInput) { self.init(ids: tokens.ids, types: tokens.types) }

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
  /// - Throws: `usage` for token ids, which lie nowhere in a text.
  func bareTokens(_ input: TextInput) throws(BertError) -> TokenizedText {
    let tokenizer = try requireTokenizer()
    if input.ids != nil {
      throw BertError(
        .usage, "the task says where in a text its answers lie; it needs the text, not token ids")
    }
    guard let words = input.words else { return try tokenizer.bare(input.text) }
    return try tokenizer.bare(words: words.map { Array($0.utf8) })
  }

  /// A text, or a pair, with the places of its tokens; no prompt stands before it.
  ///
  /// - Throws: `usage` when it is too long.
  func framed(_ input: TextInput, truncates: Bool) throws(BertError) -> FramedInput {
    let tokenizer = try requireTokenizer()
    let first = try bareTokens(input)
    let second = try input.pair.map { pair throws(BertError) in try tokenizer.bare(pair) }
    let framed = try tokenizer.framed(
      first, second, limit: truncates ? TokenLimit(tokenLimit) : nil)
    try requireFit(framed.ids.count)
    return framed
  }

  /// Refuses a text of more tokens than the model takes.
  func requireFit(_ count: Int) throws(BertError) {
    if count > tokenLimit {
      throw BertError(
        .usage, "a text has \(count) tokens; the model takes \(tokenLimit)", remedy: .truncate)
    }
  }
}
