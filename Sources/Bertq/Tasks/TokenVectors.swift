import BertErrors
import BertRuntime

/// The vectors of one text's tokens.
///
///     let text = try model.tokens(["a text"])[0]
///     for row in 0..<text.count { print(text.ids[row], text[row]) }
public struct TokenVectors: Sendable, Equatable {
  /// Token ids of the vocabulary, the special ones included.
  public let ids: [Int32]
  /// Numbers of a vector.
  public let dimensions: Int
  /// All vectors, `[count][dimensions]`, end to end.
  public let values: [Float]

  /// How many tokens.
  public var count: Int { ids.count }

  /// The vector of a token, counted from 0.
  public subscript(token: Int) -> ArraySlice<Float> {
    values[token * dimensions..<(token + 1) * dimensions]
  }
}

/// Every token's last hidden state.
private struct TokenReader: AnswerReader {
  let task = "tokens"
  let width: Int
  let hasDefaultPrompt = true

  func wanted(_ ids: [Int32]) -> WantedRows { .all }

  func answer(_ text: TextStates) throws(BertError) -> TokenVectors {
    var values: [Float] = []
    values.reserveCapacity(text.tokens.count * width)
    for token in text.tokens {
      values += UnsafeBufferPointer(start: text.states.row(token), count: width)
    }
    guard values.allSatisfy(\.isFinite) else {
      throw BertError(
        .notFinite, "the result holds NaN or infinity: the model's weights overflow float32")
    }
    return TokenVectors(ids: text.ids, dimensions: width, values: values)
  }

  func byteCount(_ answer: TokenVectors) -> Int { 80 + 4 * (answer.values.count + answer.count) }
}

extension Model {
  private var tokenReader: TokenReader {
    TokenReader(width: served.description.configuration.hiddenSize)
  }

  /// A vector for each token of each text, the special ones included.
  ///
  /// Blocks.
  ///
  /// - Throws: the first bad text's error: `tooLong`, `notUTF8`, `notFinite` when a vector is not
  ///   finite.
  public func tokens(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [TokenVectors] {
    try firstError(answerEach(texts, tokenReader, request))
  }

  /// The tokens' vectors, or an error, for each text.
  ///
  /// Blocks.
  public func tokensEach(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) -> [Result<TokenVectors, BertError>] {
    answerEach(texts, tokenReader, request)
  }

  /// A vector for each token of each text, the special ones included.
  ///
  /// - Throws: the first bad text's error; `cancelled` when the task was.
  public func tokens(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [TokenVectors] {
    try firstError(await answerEach(texts, tokenReader, request))
  }

  /// The tokens' vectors, or an error, for each text.
  public func tokensEach(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async -> [Result<TokenVectors, BertError>] {
    await answerEach(texts, tokenReader, request)
  }
}
