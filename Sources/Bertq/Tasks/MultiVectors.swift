import BertErrors
import BertModel
import BertRuntime
import BertTokenize

/// What a text is to a model that compares texts token by token.
public enum MultiVectorRole: String, Sendable, CaseIterable {
  /// It asks.
  case query
  /// It may answer.
  case document
}

extension Model {
  private func narrowing(
    _ texts: [some ModelInput], _ role: MultiVectorRole
  ) throws(BertError) -> TaskPlan<ScoresReader, TokenVectors> {
    try served.require(.multiVector)
    let settings = served.description.head?.multiVector
    let framing = try MultiVectorFraming(role, settings, served, truncates: truncates)
    return TaskPlan(ScoresReader(use: .multiVector), texts) { text throws(BertError) in
      let tokens = try framing.tokens(text.textInput)
      let rows = tokens.ids.indices.filter { !framing.skipped.contains(tokens.ids[$0]) }
      // The model is asked for one vector where all are skipped, which is then left out.
      let wanted = WantedRows.rows(rows.isEmpty ? [0] : rows)
      var prepared = PreparedText(ids: tokens.ids, types: tokens.types, rows: wanted)
      prepared.unseen = framing.hidesFilling ? tokens.filled : 0
      return .init(texts: [prepared]) { scores in
        TokenVectors(
          ids: rows.map { tokens.ids[$0] }, dimensions: scores[0].width,
          values: rows.isEmpty ? [] : scores[0].values)
      }
    }
  }

  /// A short vector of length 1 for each token of each text (ColBERT).
  ///
  /// A text gets the marker of its role, and tokens that the publisher leaves out of documents have no
  /// vector.
  ///
  /// Blocks.
  ///
  /// - Throws: `unsupported` for a file without such a head; the first bad text's error: `tooLong`,
  ///   `notUTF8`, `notFinite` when a number is not finite.
  public func multiVector(
    _ texts: [some ModelInput], as role: MultiVectorRole = .document,
    request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [TokenVectors] {
    try firstError(answerEach(try narrowing(texts, role), request))
  }

  /// The vectors of tokens, or an error, for each text.
  ///
  /// Blocks.
  public func multiVectorEach(
    _ texts: [some ModelInput], as role: MultiVectorRole = .document,
    request: RequestOptions = RequestOptions()
  ) -> [Result<TokenVectors, BertError>] {
    answerEach(
      Result { () throws(BertError) in try narrowing(texts, role) }, of: texts.count, request)
  }

  /// A short vector of length 1 for each token of each text (ColBERT).
  ///
  /// - Throws: as the method that blocks; `cancelled` when the task was.
  public func multiVector(
    _ texts: [some ModelInput], as role: MultiVectorRole = .document,
    request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [TokenVectors] {
    try firstError(await answerEach(try narrowing(texts, role), request))
  }

  /// The vectors of tokens, or an error, for each text.
  public func multiVectorEach(
    _ texts: [some ModelInput], as role: MultiVectorRole = .document,
    request: RequestOptions = RequestOptions()
  ) async -> [Result<TokenVectors, BertError>] {
    await answerEach(
      Result { () throws(BertError) in try narrowing(texts, role) }, of: texts.count, request)
  }
}

extension Model {
  /// Numbers of a vector of a task that answers with vectors.
  package func width(of task: AnswerTask) -> Int {
    switch task {
    case .embedding: dimensions
    case .multiVector: served.multiVectorWidth ?? info.hiddenSize
    default: info.hiddenSize
    }
  }
}

/// How a text is framed for its role: marker, length, filling.
private struct MultiVectorFraming {
  /// Tokens that get no vector.
  let skipped: Set<Int32>
  /// Whether what fills a query is seen by no token.
  let hidesFilling: Bool
  private let role: MultiVectorRole
  private let marker: [Int32]
  private let limit: Int
  /// The token that fills up to the limit; nil where nothing does.
  private let filling: Int32?
  private let served: ServedModel
  private let truncates: Bool

  init(
    _ role: MultiVectorRole, _ settings: MultiVectorSettings?, _ served: ServedModel,
    truncates: Bool
  ) throws(BertError) {
    self.served = served
    self.truncates = truncates
    self.role = role
    let isQuery = role == .query
    hidesFilling = settings?.hidesFilling == true
    let name = (isQuery ? settings?.queryMarker : settings?.documentMarker) ?? ""
    let length = isQuery ? settings?.queryLength : settings?.documentLength
    // The length of a role is its own, whatever the tokenizer's is.
    limit = min(
      length ?? served.tokenLimit, served.description.configuration.maximumPositions)
    let vocabulary = served.tokenizer?.vocabulary
    if name.isEmpty {
      marker = []
    } else if let id = vocabulary?.id(of: name) {
      marker = [id]
    } else {
      throw BertError(
        .malformed, "the vocabulary has no '\(name.prefix(80))', which marks each \(role.rawValue)",
        file: served.file.path)
    }
    var skipped: Set<Int32> = []
    if !isQuery {
      // What is no token of the vocabulary skips nothing; it is not the unknown token.
      for token in settings?.skippedTokens ?? [] {
        if let id = vocabulary?.id(of: token) { skipped.insert(id) }
      }
    }
    self.skipped = skipped
    filling = isQuery && settings?.fillsQueries == true ? served.tokenizer?.maskID : nil
    if filling == nil, isQuery, settings?.fillsQueries == true, served.tokenizer != nil {
      throw BertError(
        .malformed, "the vocabulary has no mask token, which fills each query",
        file: served.file.path)
    }
  }

  /// The prompt that a text asks for, or else the one that has its role's name.
  private func prompt(of input: TextInput) throws(BertError) -> String {
    if input.prompt != nil { return try served.promptText(of: input) }
    return served.description.prompts.first { $0.name == role.rawValue }?.text ?? ""
  }

  /// The tokens of a text, the special ones included, and how many of the last fill it up.
  func tokens(
    _ input: TextInput
  ) throws(BertError) -> (ids: [Int32], types: [UInt8], filled: Int) {
    if let ids = input.ids {
      return (ids, input.types ?? [UInt8](repeating: 0, count: ids.count), 0)
    }
    if input.pair != nil {
      throw BertError(.malformed, "a pair of texts; each is asked alone")
    }
    let tokenizer = try served.requireTokenizer()
    var bare = input
    bare.prompt = nil
    let prompt = try prompt(of: input)
    if !prompt.isEmpty, input.words == nil { bare.text = Array(prompt.utf8) + input.text }
    var text = try served.bareTokens(bare)
    text.ids.insert(contentsOf: marker, at: 0)
    text.typeIDs.insert(contentsOf: marker.map { _ in 0 }, at: 0)
    text.spans.insert(
      contentsOf: marker.map { _ in TokenSpan(start: 0, end: 0, word: -1) }, at: 0)
    let framed = try tokenizer.framed(
      text, limit: input.truncates ?? truncates ? TokenLimit(limit) : nil)
    if framed.ids.count > limit {
      throw BertError(
        .tooLong, "a text has \(framed.ids.count) tokens; the model takes \(limit)",
        remedy: .truncate
      )
    }
    let missing = filling == nil ? 0 : limit - framed.ids.count
    return (
      framed.ids + repeatElement(filling ?? 0, count: missing),
      framed.types + repeatElement(0, count: missing), missing
    )
  }
}
