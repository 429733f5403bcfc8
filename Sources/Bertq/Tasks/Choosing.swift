import BertErrors
import BertRuntime

/// A text, and continuations of which one fits best.
///
///     let input = ChoiceInput("The pan was hot, so", choices: ["she used a cloth.", "it sang."])
public struct ChoiceInput: Sendable, Hashable {
  /// What is to be continued.
  public var text: String
  /// What may continue it.
  public var choices: [String]
  /// Whether what is too long is cut; nil does as the model's options say.
  public var truncates: Bool?

  /// A text and its choices.
  public init(_ text: String, choices: [String]) {
    self.text = text
    self.choices = choices
  }
}

/// Which continuation fits a text best.
public struct Choice: Sendable, Equatable {
  /// The best one, counted from 0 in the order given; of equal ones the first.
  public let choice: Int
  /// The probability of each, in the order given; they sum up to 1.
  public let scores: [Float]
  /// The number that the model itself gives for each.
  public let logits: [Float]
}

extension Model {
  private func choosing(
    _ inputs: [ChoiceInput]
  ) throws(BertError) -> TaskPlan<ScoresReader, Choice> {
    try served.require(.choose)
    return TaskPlan(ScoresReader(use: .choice, of: served), inputs) { input throws(BertError) in
      if input.choices.isEmpty { throw BertError(.malformed, "there are no choices") }
      var texts: [PreparedText] = []
      for (index, choice) in input.choices.enumerated() {
        do throws(BertError) {
          var text = TextInput(input.text, pair: choice)
          text.truncates = input.truncates
          texts.append(PreparedText(try headTokens(text)))
        } catch {
          var error = error
          error.message = "choice \(index): " + error.message
          throw error
        }
      }
      return .init(texts: texts) { rows in
        let logits = rows.map { $0.values[0] }
        let best = logits.enumerated().map { $0 }.bestFirst { $0.element }[0].offset
        return Choice(choice: best, scores: Softmax.probabilities(logits), logits: logits)
      }
    }
  }

  /// Which continuation fits each text best.
  ///
  /// Blocks.
  ///
  /// - Throws: `unsupported` for a file without such a head; the first bad text's error: `malformed`
  ///   for one without choices, `tooLong`, `notUTF8`, `notFinite` when a score is not finite.
  public func choose(
    _ inputs: [ChoiceInput], request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [Choice] {
    try firstError(answerEach(try choosing(inputs), request))
  }

  /// The best continuation, or an error, for each text.
  ///
  /// Blocks.
  public func chooseEach(
    _ inputs: [ChoiceInput], request: RequestOptions = RequestOptions()
  ) -> [Result<Choice, BertError>] {
    answerEach(Result { () throws(BertError) in try choosing(inputs) }, of: inputs.count, request)
  }

  /// Which continuation fits each text best.
  ///
  /// - Throws: as the method that blocks; `cancelled` when the task was.
  public func choose(
    _ inputs: [ChoiceInput], request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [Choice] {
    try firstError(await answerEach(try choosing(inputs), request))
  }

  /// The best continuation, or an error, for each text.
  public func chooseEach(
    _ inputs: [ChoiceInput], request: RequestOptions = RequestOptions()
  ) async -> [Result<Choice, BertError>] {
    await answerEach(
      Result { () throws(BertError) in try choosing(inputs) }, of: inputs.count, request)
  }
}
