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
  /// Answers texts that are tokenized here, behind the file's default prompt, so that their lengths are known.
  func answer<Answer: Sendable>(
    _ texts: TextList, of name: String?, truncates: Bool,
    _ ask: @Sendable (Model, [TokenizedInput], RequestOptions) async -> [Result<Answer, BertError>]
  ) async throws(ServeError) -> HeadAnswers<Answer> {
    let served = try model(name, .head)
    let tokens = try await tokenize(texts, for: served.model, truncates: truncates)
    let begin = ContinuousClock.now
    let results = await ask(served.model, tokens.inputs, try requestOptions())
    let answers = try unwrap(results, texts)
    noteComputed(texts, tokens, since: begin)
    return HeadAnswers(
      answers: answers, served: served, tokens: tokens.tokens, cut: tokens.cut)
  }

  /// Answers texts that their answers point into, so that the model reads the texts themselves.
  ///
  /// - Parameters:
  ///   - longest: the longest that is read of each text, as the model would cut or refuse it; nil where it
  ///     reads texts of any length.
  ///   - check: what is refused of them before anything is computed.
  func answer<Answer: Sendable>(
    placedIn texts: TextList, of name: String?,
    longest: ((Model) throws(ServeError) -> TextList)? = nil,
    check: (Model, TokenizedTexts) throws(ServeError) -> Void = { _, _ in },
    _ ask: @Sendable (Model, [TextInput], RequestOptions) async -> [Result<Answer, BertError>]
  ) async throws(ServeError) -> HeadAnswers<Answer> {
    let served = try model(name, .head)
    var tokens: TokenizedTexts?
    if let longest {
      let read = try longest(served.model).behind(.text(""))
      let found = try await tokenize(read, for: served.model, truncates: nil)
      try check(served.model, found)
      tokens = found
    }
    let begin = ContinuousClock.now
    let results = await ask(served.model, texts.inputs, try requestOptions())
    let answers = try unwrap(results, texts)
    noteComputed(texts, tokens, since: begin)
    return HeadAnswers(
      answers: answers, served: served, tokens: meter.tally.tokens, cut: tokens?.cut ?? 0)
  }

  /// What is wrong with a text itself.
  private static let ofTexts: Set<BertError.Code> = [.tooLong, .usage, .notUTF8, .malformed]

  /// All answers, or an error that names all texts that are at fault.
  private func unwrap<Answer>(
    _ results: [Result<Answer, BertError>], _ texts: TextList
  ) throws(ServeError) -> [Answer] {
    var answers: [Answer] = []
    answers.reserveCapacity(results.count)
    var faults = ItemFaults()
    for (index, result) in results.enumerated() {
      do throws(BertError) {
        answers.append(try result.get())
      } catch {
        // What a file lacks, or the server has no time for, is no text's fault.
        guard Self.ofTexts.contains(error.code) else {
          throw ServeError(error, place: error.code == .unsupported ? nil : texts.place(index))
        }
        faults.note(
          ServeError(error, place: texts.place(index), isOfRequest: true), at: texts.position(index)
        )
      }
    }
    try faults.check()
    return answers
  }
}
