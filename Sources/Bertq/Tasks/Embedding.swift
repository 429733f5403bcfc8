import BertErrors
import BertModel
import BertRuntime

/// One vector of a text's hidden states.
///
/// Safety: the pooler points into weights that it keeps alive and nobody writes.
private struct VectorReader: AnswerReader, @unchecked Sendable {
  let task: String
  let pooler: Pooler
  let hasDefaultPrompt: Bool

  func wanted(_ ids: [Int32]) -> WantedRows { pooler.recipe.wanted }

  func answer(_ text: TextStates) throws(BertError) -> [Float] {
    try pooler.vector(text.states, tokens: text.tokens, promptTokens: text.promptTokens)
  }

  func byteCount(_ answer: [Float]) -> Int { 32 + 4 * answer.count }
}

extension Model {
  private func embedding(normalizes: Bool? = nil) throws(BertError) -> VectorReader {
    var recipe = recipe
    var task = "embedding"
    if let normalizes, normalizes != recipe.normalizes {
      if normalizes { recipe.modules.append(.normalize) } else { recipe.modules.removeLast() }
      task = normalizes ? "embedding of length 1" : "embedding of any length"
    }
    return VectorReader(
      task: task, pooler: try Pooler(recipe, source: served.file, kernels: kernels),
      hasDefaultPrompt: true)
  }

  private func pooling() throws(BertError) -> VectorReader {
    VectorReader(
      task: "pooled", pooler: try Pooler(.pooler, source: served.file, kernels: kernels),
      hasDefaultPrompt: false)
  }

  /// A vector for each text, of `dimensions` numbers, as the publisher pools and scales it.
  ///
  /// Blocks.
  ///
  /// - Throws: the first bad text's error: `tooLong`, `notUTF8`, `notFinite` when its vector is not
  ///   finite.
  public func embed(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [[Float]] {
    try firstError(answerEach(texts, try embedding(), request))
  }

  /// A vector, or an error, for each text: one bad text spoils no other.
  ///
  /// Blocks.
  public func embedEach(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) -> [Result<[Float], BertError>] {
    answerEach(texts, Result { () throws(BertError) in try embedding() }, request)
  }

  /// A vector for each text, of `dimensions` numbers, as the publisher pools and scales it.
  ///
  /// - Throws: the first bad text's error; `cancelled` when the task was.
  public func embed(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [[Float]] {
    try firstError(await answerEach(texts, try embedding(), request))
  }

  /// A vector, or an error, for each text: one bad text spoils no other.
  public func embedEach(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async -> [Result<[Float], BertError>] {
    await answerEach(texts, Result { () throws(BertError) in try embedding() }, request)
  }

  /// The pooler's output for each text, `info.hiddenSize` numbers between -1 and 1.
  ///
  /// Blocks.
  ///
  /// - Throws: `unsupported` when the model has no pooler; else as `embed` does.
  public func pooled(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [[Float]] {
    try firstError(answerEach(texts, try pooling(), request))
  }

  /// The pooler's output, or an error, for each text.
  ///
  /// Blocks.
  public func pooledEach(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) -> [Result<[Float], BertError>] {
    answerEach(texts, Result { () throws(BertError) in try pooling() }, request)
  }

  /// The pooler's output for each text, `info.hiddenSize` numbers between -1 and 1.
  ///
  /// - Throws: `unsupported` when the model has no pooler; else as `embed` does.
  public func pooled(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [[Float]] {
    try firstError(await answerEach(texts, try pooling(), request))
  }

  /// The pooler's output, or an error, for each text.
  public func pooledEach(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async -> [Result<[Float], BertError>] {
    await answerEach(texts, Result { () throws(BertError) in try pooling() }, request)
  }

  /// A vector, or an error, for each text, whether or not the publisher scales vectors to length 1.
  ///
  /// - Parameters:
  ///   - texts: in any order.
  ///   - normalizes: scales to length 1, or leaves that out; nil does as the publisher says.
  ///   - request: how soon the answers are wanted.
  public func embedEach(
    _ texts: [some ModelInput], normalizes: Bool?, request: RequestOptions = RequestOptions()
  ) async -> [Result<[Float], BertError>] {
    await answerEach(
      texts, Result { () throws(BertError) in try embedding(normalizes: normalizes) }, request)
  }
}
