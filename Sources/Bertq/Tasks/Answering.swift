import BertErrors
import BertModel
import BertRuntime
import BertTokenize

/// A part of a context that answers a question.
public struct AnswerSpan: Sendable, Equatable {
  /// The text itself, as given; empty for "there is no answer".
  public let text: String
  /// The first Unicode scalar of the context that belongs to it.
  public let start: Int
  /// One behind the last.
  public let end: Int
  /// The first byte, in UTF-8.
  public let byteStart: Int
  /// One behind the last.
  public let byteEnd: Int
  /// How likely the answer starts and ends there: the product of both probabilities.
  public let score: Float
}

/// How answers are looked for.
///
///     var options = AnswerOptions()
///     options.top = 3
///     let spans = try model.answer("who wrote it?", in: "The play was written by …", options: options)
public struct AnswerOptions: Sendable, Equatable {
  /// The most answers of a question.
  public var top = 1
  /// The most tokens of an answer.
  public var longest = 15
  /// The tokens that two windows of a long context share; at most half a window.
  public var stride = 128
  /// The most tokens of a window, question and special tokens included; nil for 384, or what the model
  /// takes if that is less.
  public var window: Int?
  /// Whether "there is no answer" is an answer, for models that were trained so (SQuAD 2).
  public var allowsNone = false

  /// The defaults.
  public init() {}

  func check() throws(BertError) {
    for (name, value) in [("answers", top), ("tokens of an answer", longest)] where value < 1 {
      throw BertError(.usage, "\(value) \(name) at most; expected at least 1")
    }
    if stride < 0 { throw BertError(.usage, "windows share \(stride) tokens; expected at least 0") }
    if let window, window < 1 {
      throw BertError(.usage, "windows of \(window) tokens; expected at least 1")
    }
  }
}

extension Model {
  private func answering(
    _ questions: [TextInput], _ options: AnswerOptions
  ) throws(BertError) -> TaskPlan<ScoresReader, [AnswerSpan]> {
    try served.require(.answer)
    try options.check()
    let served = served
    return TaskPlan(ScoresReader(use: .answer), questions) { question throws(BertError) in
      guard let context = question.pair else {
        throw BertError(.malformed, "a question without a context to answer it from")
      }
      let windows = try AnswerWindows(question, context, options, served)
      return .init(texts: windows.texts) { scores in windows.best(scores, options) }
    }
  }

  /// The parts of a context that answer a question, best first.
  ///
  /// A context that is too long for the model is read in windows.
  ///
  /// Blocks.
  ///
  /// - Throws: `unsupported` for a file without such a head; `usage` for options without sense; `malformed`
  ///   for an empty context; `tooLong` for a question that leaves it no room; `notUTF8`; `notFinite` when a
  ///   score is not finite.
  public func answer(
    _ question: String, in context: String, options: AnswerOptions = AnswerOptions(),
    request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [AnswerSpan] {
    try firstError(
      answerEach(try answering([TextInput(question, pair: context)], options), request))[0]
  }

  /// The parts of a context that answer a question, best first.
  ///
  /// - Throws: as the method that blocks; `cancelled` when the task was.
  public func answer(
    _ question: String, in context: String, options: AnswerOptions = AnswerOptions(),
    request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [AnswerSpan] {
    let plan = try answering([TextInput(question, pair: context)], options)
    return try firstError(await answerEach(plan, request))[0]
  }

  /// The answers, or an error, for each question: its text asks, its pair is the context.
  ///
  /// Blocks.
  public func answerEach(
    _ questions: [TextInput], options: AnswerOptions = AnswerOptions(),
    request: RequestOptions = RequestOptions()
  ) -> [Result<[AnswerSpan], BertError>] {
    answerEach(
      Result { () throws(BertError) in try answering(questions, options) }, of: questions.count,
      request)
  }

  /// The answers, or an error, for each question: its text asks, its pair is the context.
  public func answerEach(
    _ questions: [TextInput], options: AnswerOptions = AnswerOptions(),
    request: RequestOptions = RequestOptions()
  ) async -> [Result<[AnswerSpan], BertError>] {
    await answerEach(
      Result { () throws(BertError) in try answering(questions, options) }, of: questions.count,
      request)
  }
}
