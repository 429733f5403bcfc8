import BertErrors
import BertModel
import BertRuntime

/// How well a label fits a text.
public struct LabelScore: Sendable, Equatable {
  /// The label's name; `LABEL_` and its place where the file gives none.
  public let label: String
  /// What the logit says: a probability from 0 to 1, or the publisher's own scale.
  public let score: Float
  /// The number that the model itself gives.
  public let logit: Float
}

/// All labels of a text, best first.
///
///     let found = try model.classify(["what a day!"])[0]
///     print(found.best.label, found.best.score)
public struct Classification: Sendable, Equatable {
  /// Every label once, the highest score first; of equal scores the label that the file names first.
  public let labels: [LabelScore]

  /// The label with the highest score.
  public var best: LabelScore { labels[0] }
}

extension ServedModel {
  /// Scores of a classifier's logits, in the order of the labels.
  ///
  /// Several logits: a softmax, or a sigmoid each where the problem is one of several labels at once. One
  /// logit: by the activation that the publisher names. A regression's are numbers in its own units.
  func scores(_ logits: ArraySlice<Float>) throws(BertError) -> [Float] {
    let settings = description.head ?? HeadSettings()
    switch LabelProblem(problemType: settings.problemType, logits: logits.count) {
    case .regression:
      guard logits.count == 1, let own = settings.scoreActivation else { return Array(logits) }
      return [try own.apply(toScore: logits[logits.startIndex])]
    case .oneLogit: return [try score(logits[logits.startIndex])]
    case .independent:
      guard logits.count == 1, let own = settings.scoreActivation else {
        return logits.map { sigmoid($0) }
      }
      return [try own.apply(toScore: logits[logits.startIndex])]
    case .oneOfSeveral: return Softmax.probabilities(logits)
    }
  }

  /// The score of a single logit: by the publisher's activation, else its sigmoid.
  func score(_ logit: Float) throws(BertError) -> Float {
    try (description.head?.scoreActivation ?? .sigmoid).apply(toScore: logit)
  }
}

extension Model {
  private func classifying(
    _ texts: [some ModelInput]
  ) throws(BertError) -> TaskPlan<ScoresReader, Classification> {
    try served.require(.classify)
    return TaskPlan(ScoresReader(use: .textLabels, of: served), texts) {
      [served] text throws(BertError) in
      .init(texts: [PreparedText(try tokenize(text, defaultPrompt: true))]) {
        rows throws(BertError) in
        let logits = rows[0][0]
        let scores = try served.scores(logits)
        let labels = zip(logits, scores).enumerated().map { index, pair in
          LabelScore(label: served.label(index), score: pair.1, logit: pair.0)
        }
        return Classification(labels: labels.bestFirst(by: \.score))
      }
    }
  }

  /// The labels of each text, or pair, with their scores.
  ///
  /// Several labels: probabilities that sum up to 1, or one for each label where the model was trained so
  /// (`multi_label_classification`). One label: a score by the publisher's activation.
  ///
  /// Blocks.
  ///
  /// - Throws: `unsupported` for a file without such a head; the first bad text's error: `tooLong`,
  ///   `notUTF8`, `notFinite` when a score is not finite.
  public func classify(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) throws(BertError) -> [Classification] {
    try firstError(answerEach(try classifying(texts), request))
  }

  /// The labels, or an error, for each text.
  ///
  /// Blocks.
  public func classifyEach(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) -> [Result<Classification, BertError>] {
    answerEach(Result { () throws(BertError) in try classifying(texts) }, of: texts.count, request)
  }

  /// The labels of each text, or pair, with their scores.
  ///
  /// - Throws: as the method that blocks; `cancelled` when the task was.
  public func classify(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async throws(BertError) -> [Classification] {
    try firstError(await answerEach(try classifying(texts), request))
  }

  /// The labels, or an error, for each text.
  public func classifyEach(
    _ texts: [some ModelInput], request: RequestOptions = RequestOptions()
  ) async -> [Result<Classification, BertError>] {
    await answerEach(
      Result { () throws(BertError) in try classifying(texts) }, of: texts.count, request)
  }
}

extension Array {
  /// The elements in falling order of a number; equal ones in the order that they had.
  func bestFirst(by score: (Element) -> Float) -> [Element] {
    enumerated().sorted { a, b in
      let (x, y) = (score(a.element), score(b.element))
      return x == y ? a.offset < b.offset : x > y
    }.map(\.element)
  }
}
