import BertErrors
import BertRuntime
import BertTokenize

extension Model {
  /// A text's tokens, the special ones included, behind its prompt if it names one.
  ///
  /// - Parameters:
  ///   - text: a `String`, or a `TextInput`.
  ///   - truncates: cuts what is too long; nil does as the model's options say.
  ///   - defaultPrompt: puts the file's default prompt before a text that names none, as embeddings, tokens'
  ///     vectors, labels, ranks and sparse vectors have it; to be said where tokens are made first and asked about then.
  /// - Throws: `tooLong` with both counts; `notUTF8`; `malformed` for ids outside the model;
  ///   `unsupported` for text when the file has no vocabulary.
  public func tokenize(
    _ text: some ModelInput, truncates: Bool? = nil, defaultPrompt: Bool = false
  ) throws(BertError) -> TokenizedInput {
    var batch = TokenBatch()
    var input = text.textInput
    if defaultPrompt { input.standBehind(self.defaultPrompt) }
    let cut = try served.append(
      input, to: &batch, truncates: truncates ?? input.truncates ?? self.truncates)
    return TokenizedInput(
      ids: batch.ids, types: batch.types, cut: cut,
      promptTokens: try served.promptTokens(of: input))
  }

  /// The tokens of a text that a head is asked about which was trained without prompts: none stands before it, unless
  /// it says one itself.
  func headTokens(_ text: some ModelInput) throws(BertError) -> TokenizedInput {
    var input = text.textInput
    if input.prompt == nil { input.prompt = .text("") }
    return try tokenize(input)
  }

  /// How many tokens a text has, the special ones included and nothing cut.
  ///
  /// - Throws: `unsupported` for text when the file has no vocabulary.
  public func count(_ text: some ModelInput) throws(BertError) -> Int {
    let input = text.textInput
    try input.requireOneForm()
    if let ids = input.ids { return ids.count }
    if input.words != nil {
      let tokenizer = try served.requireTokenizer()
      return try served.bareTokens(input).ids.count + tokenizer.frameTokens(pair: false)
    }
    return try served.tokens(of: input, limit: nil).1.fullCount
  }

  /// The text that token ids stand for; ids outside the vocabulary are passed over.
  ///
  /// - Throws: `unsupported` when the file has no vocabulary.
  public func decode(
    _ ids: [Int32], skippingSpecials: Bool = true
  ) throws(BertError) -> String {
    guard let tokenizer = served.tokenizer else {
      throw BertError(.unsupported, "the file holds no vocabulary", file: served.file.path)
    }
    return tokenizer.decode(ids, skippingSpecials: skippingSpecials)
  }

  /// The vocabulary's piece for a token id, such as `##ing`; nil when there is none.
  public func token(_ id: Int32) -> String? {
    served.tokenizer?.vocabulary.token(Int(id)).map { String(decoding: $0, as: UTF8.self) }
  }
}
