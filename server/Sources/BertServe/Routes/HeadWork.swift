import Bertq
import ServeShapes

/// What a route of a head has computed, and of how much.
struct HeadAnswers<Answer: Sendable>: Sendable {
  let answers: [Answer]
  let served: NamedModel
  let tokens: Int
  let cut: Int

  /// An answer with what is said of how it was made.
  func reply(_ text: AnswerText) -> Reply {
    Reply(
      text,
      Embeddings(
        vectors: [], tokens: tokens, cutTexts: cut, model: served.name,
        fingerprint: served.fingerprint(.head)))
  }
}

extension Call {
  /// Answers texts that are tokenized here, so that their lengths are known.
  ///
  /// - Parameter hasPrompt: whether the file's default prompt stands before the texts.
  func answer<Answer: Sendable>(
    _ texts: TextList, of name: String?, truncates: Bool, hasPrompt: Bool = false,
    _ ask: @Sendable (Model, [TokenizedInput], RequestOptions) async -> [Result<Answer, BertError>]
  ) async throws(ServeError) -> HeadAnswers<Answer> {
    let served = try model(name, .head)
    let tokens = try await tokenize(
      hasPrompt ? texts : texts.behind(.text("")), for: served.model, truncates: truncates)
    let begin = ContinuousClock.now
    let results = await ask(served.model, tokens.inputs, try requestOptions())
    let answers = try unwrap(results, texts)
    noteComputed(texts, tokens, since: begin)
    return HeadAnswers(
      answers: answers, served: served, tokens: tokens.tokens, cut: tokens.cut)
  }

  /// Answers texts that their answers point into, so that the model reads the texts themselves.
  func answer<Answer: Sendable>(
    placedIn texts: TextList, of name: String?,
    _ ask: @Sendable (Model, [TextInput], RequestOptions) async -> [Result<Answer, BertError>]
  ) async throws(ServeError) -> HeadAnswers<Answer> {
    let served = try model(name, .head)
    let begin = ContinuousClock.now
    let results = await ask(served.model, texts.inputs, try requestOptions())
    let answers = try unwrap(results, texts)
    noteComputed(texts, since: begin)
    return HeadAnswers(answers: answers, served: served, tokens: meter.tally.tokens, cut: 0)
  }

  /// All answers, or the first error with its place.
  private func unwrap<Answer>(
    _ results: [Result<Answer, BertError>], _ texts: TextList
  ) throws(ServeError) -> [Answer] {
    var answers: [Answer] = []
    answers.reserveCapacity(results.count)
    for (index, result) in results.enumerated() {
      do throws(BertError) {
        answers.append(try result.get())
      } catch {
        // What a file lacks is no text's fault.
        let isOfText = error.code != .unsupported
        throw ServeError(
          error, place: isOfText ? texts.place(index) : nil, isOfRequest: isOfText)
      }
    }
    return answers
  }
}
