import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// The head of a model in both precisions, whose scores are compared round by round.
struct HeadComparison {
  /// What was found so far.
  private(set) var drift: HeadDrift
  private let reference: any Head
  private let other: any Head

  /// The most scores of a path that are kept at once, unless one row has more.
  private static let mostScores = 4 << 20

  /// Prepares the head that the model's task asks for; nil when it has none, or one that decides
  /// nothing: vectors are compared as the encoder gives them.
  init?(
    _ source: any WeightSource, kernels: KernelSet, team: ThreadTeam
  ) throws(BertError) {
    func head(_ precision: Precision) throws(BertError) -> (any Head)? {
      try HeadSource(source, precision: precision, kernels: kernels, team: team).headOfTask()
    }
    guard let reference = try head(.float32), let other = try head(.int8),
      let drift = Self.drift(of: reference, source.model)
    else { return nil }
    self.reference = reference
    self.other = other
    self.drift = drift
  }

  private static func drift(of head: any Head, _ model: ModelDescription) -> HeadDrift? {
    switch head {
    case let head as TextClassifierHead:
      HeadDrift(head: .classifier, reads: .rows, problem: head.problem)
    case is TokenClassifierHead: HeadDrift(head: .classifier, reads: .entities(model.labels))
    case is AnswerHead: HeadDrift(head: .answer, reads: .spans)
    case is NextSentenceHead: HeadDrift(head: .nextSentence, reads: .rows)
    case is MaskedWordsHead: HeadDrift(head: .maskedWords, reads: .rows)
    // A choice's logit means nothing but beside those of others.
    case is MultipleChoiceHead:
      HeadDrift(head: .classifier, reads: .rows, problem: .regression)
    default: nil
    }
  }

  /// Adds a round: `part` holds the same texts as the round of the reference's batch.
  mutating func add(
    _ a: BertEncoder.HiddenStates, of batch: TokenBatch, _ b: BertEncoder.HiddenStates,
    of part: TokenBatch
  ) throws(BertError) {
    for (index, text) in a.texts.enumerated() {
      let (tokens, same) = (batch.range(text), part.range(index))
      let types = Array(batch.types[tokens])
      for rows in runs(tokens.count) {
        func scores(
          _ head: any Head, _ states: BertEncoder.HiddenStates, _ tokens: Range<Int>
        ) throws(BertError) -> [Float] {
          var scores = HeadScores(width: head.width)
          let wanted = rows.map { tokens.lowerBound + $0 }
          try head.append(
            [HeadText(tokens: tokens, wanted: wanted)], of: states, to: &scores)
          return scores.values
        }
        drift.add(
          reference: try scores(reference, a, tokens), other: try scores(other, b, same),
          width: reference.width, types: types)
      }
    }
  }

  /// Rows of a text that are looked at together: all, but of a vocabulary's scores, which are many,
  /// as many as are kept at once.
  private func runs(_ tokens: Int) -> [Range<Int>] {
    let most =
      reference is MaskedWordsHead ? max(1, Self.mostScores / reference.width) : tokens
    return stride(from: 0, to: tokens, by: most).map { $0..<min($0 + most, tokens) }
  }
}
