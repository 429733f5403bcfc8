import BertErrors
import BertModel

/// Which of several continuations fits: one logit a choice, from the pooler's output, the first token or the mean of all.
///
/// The choices of a question are texts of a batch.
package final class MultipleChoiceHead: Head {
  package let subject = HeadSubject.text
  package let width = 1
  private let choices: TextLinear

  /// Prepares it; the weights it will use are verified now.
  ///
  /// - Throws: `malformed` for missing or damaged tensors, more than one logit included;
  ///   `unsupported` without a pooler, or when it reads something else.
  package init(_ source: HeadSource) throws(BertError) {
    choices = try TextLinear(
      CanonicalName.classifier, outputs: 1, behind: source.classifierFront(ofTexts: true),
      readsMean: source.settings.input == .mean, from: source)
  }

  /// Each text is a choice.
  package func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    try choices.append(texts, of: states, to: &scores)
  }

  /// Appends questions, each with a row for each of its choices.
  package func append(
    questions: [[HeadText]], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    try scores.append(rows: questions.map(\.count)) { out throws(BertError) in
      try choices.write(questions.flatMap { $0 }, of: states, to: out)
    }
  }
}
