import BertErrors
import BertRuntime

extension Model {
  private func following(
    _ pairs: [some ModelInput]
  ) throws(BertError) -> TaskPlan<ScoresReader, Float> {
    try served.require(.nextSentence)
    return TaskPlan(ScoresReader(use: .nextSentence), pairs) { pair throws(BertError) in
      let input = pair.textInput
      if input.ids == nil, input.pair == nil {
        throw BertError(.malformed, "one text; whether a sentence follows is asked of a pair")
      }
      return .init(texts: [PreparedText(try headTokens(pair))]) { rows in
        Softmax.probabilities(rows[0][0])[NextSentenceHead.follows]
      }
    }
  }

  /// How likely the second text of each pair follows the first: a probability from 0 to 1.
  ///
  ///     let chance = try model.nextSentence([TextInput("It rained.", pair: "The street was wet.")])[0]
  ///
  /// Blocks.
  ///
  /// - Throws: `unsupported` for a file without such a head; the first bad pair's error: `malformed`
  ///   for one text, `tooLong`, `notUTF8`, `notFinite` when a score is not finite.
  public func nextSentence(
    _ pairs: [some ModelInput], request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [Float] {
    try firstError(answerEach(try following(pairs), request))
  }

  /// How likely the second text follows the first, or an error, for each pair.
  ///
  /// Blocks.
  public func nextSentenceEach(
    _ pairs: [some ModelInput], request: RequestOptions = RequestOptions()
  ) -> [Result<Float, BertError>] {
    answerEach(Result { () throws(BertError) in try following(pairs) }, of: pairs.count, request)
  }

  /// How likely the second text of each pair follows the first: a probability from 0 to 1.
  ///
  /// - Throws: as the method that blocks; `cancelled` when the task was.
  public func nextSentence(
    _ pairs: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [Float] {
    try firstError(await answerEach(try following(pairs), request))
  }

  /// How likely the second text follows the first, or an error, for each pair.
  public func nextSentenceEach(
    _ pairs: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async -> [Result<Float, BertError>] {
    await answerEach(
      Result { () throws(BertError) in try following(pairs) }, of: pairs.count, request)
  }
}
