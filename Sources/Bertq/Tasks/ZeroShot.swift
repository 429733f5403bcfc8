import BertErrors
import BertRuntime

/// Labels that a model was never trained for, as a model of entailment can judge them.
///
///     let options = ZeroShotOptions(labels: ["sports", "politics"], hypothesis: "This text is about {}.")
///     let found = try model.zeroShot(["The match ended in a draw."], options)[0]
///     print(found.best.label)
public struct ZeroShotOptions: Sendable, Equatable {
  /// The labels to choose from.
  public var labels: [String]
  /// What is asked of each label, which stands for `{}`.
  public var hypothesis: String
  /// Whether several labels may fit: each is then judged for itself, and scores do not sum up to 1.
  public var multi: Bool

  /// Labels, and what is asked of them.
  public init(labels: [String], hypothesis: String = "This example is {}.", multi: Bool = false) {
    self.labels = labels
    self.hypothesis = hypothesis
    self.multi = multi
  }

  func check() throws(BertError) {
    if labels.isEmpty { throw BertError(.usage, "there are no labels to choose from") }
    if !hypothesis.contains("{}") {
      throw BertError(.usage, "the hypothesis '\(hypothesis.prefix(80))' has no {} for the label")
    }
  }

  /// What is asked of a label.
  func asks(_ label: String) -> String {
    var parts: [Substring] = []
    var rest = hypothesis[...]
    while let open = rest.firstRange(of: "{}") {
      parts.append(rest[..<open.lowerBound])
      rest = rest[open.upperBound...]
    }
    parts.append(rest)
    return parts.joined(separator: label)
  }
}

extension Model {
  private func judging(
    _ texts: [some ModelInput], _ options: ZeroShotOptions
  ) throws(BertError) -> TaskPlan<ScoresReader, Classification> {
    try served.require(.zeroShot)
    try options.check()
    let width = served.classifierWidth ?? 0
    let entailment = served.entailmentLabel ?? 0
    // As the reference has it: the first label, or the last where that is entailment.
    let contradiction = entailment == 0 ? width - 1 : 0
    return TaskPlan(ScoresReader(use: .textLabels, of: served), texts) { text throws(BertError) in
      var input = text.textInput
      if input.ids != nil || input.pair != nil {
        throw BertError(.malformed, "labels are judged of one text, not of a pair or of token ids")
      }
      var texts: [PreparedText] = []
      for label in options.labels {
        input.pair = Array(options.asks(label).utf8)
        texts.append(PreparedText(try headTokens(input)))
      }
      return .init(texts: texts) { rows in
        let logits = rows.map { Array($0[0]) }
        let scores =
          options.multi || logits.count == 1
          ? logits.map { Softmax.probabilities([$0[contradiction], $0[entailment]])[1] }
          : Softmax.probabilities(logits.map { $0[entailment] })
        let labels = options.labels.indices.map {
          LabelScore(
            label: options.labels[$0], score: scores[$0], logit: logits[$0][entailment])
        }
        // Of equal ones the reference gives the last first.
        return Classification(labels: Array(labels.reversed()).bestFirst(by: \.score))
      }
    }
  }

  /// How well labels of your own fit each text, by a model of entailment.
  ///
  /// Blocks.
  ///
  /// - Throws: `unsupported` for a file whose classifier has no label that begins with "entail"; `usage`
  ///   for options without sense; the first bad text's error: `tooLong`, `notUTF8`, `malformed`
  ///   for a pair or token ids, `notFinite` when a score is not finite.
  public func zeroShot(
    _ texts: [some ModelInput], _ options: ZeroShotOptions,
    request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [Classification] {
    try firstError(answerEach(try judging(texts, options), request))
  }

  /// How well labels of your own fit, or an error, for each text.
  ///
  /// Blocks.
  public func zeroShotEach(
    _ texts: [some ModelInput], _ options: ZeroShotOptions,
    request: RequestOptions = RequestOptions()
  ) -> [Result<Classification, BertError>] {
    answerEach(
      Result { () throws(BertError) in try judging(texts, options) }, of: texts.count, request)
  }

  /// How well labels of your own fit each text, by a model of entailment.
  ///
  /// - Throws: as the method that blocks; `cancelled` when the task was.
  public func zeroShot(
    _ texts: [some ModelInput], _ options: ZeroShotOptions,
    request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [Classification] {
    try firstError(await answerEach(try judging(texts, options), request))
  }

  /// How well labels of your own fit, or an error, for each text.
  public func zeroShotEach(
    _ texts: [some ModelInput], _ options: ZeroShotOptions,
    request: RequestOptions = RequestOptions()
  ) async -> [Result<Classification, BertError>] {
    await answerEach(
      Result { () throws(BertError) in try judging(texts, options) }, of: texts.count, request)
  }
}
