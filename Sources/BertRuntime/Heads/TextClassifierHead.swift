import BertErrors
import BertModel

/// How the logits of a classifier are read.
package enum LabelProblem: Sendable, Equatable {
  /// One label of several: softmax.
  case oneOfSeveral
  /// Each label for itself: a sigmoid each.
  case independent
  /// A single logit: its sigmoid, yes above 0.
  case oneLogit
  /// A number in its own units.
  case regression

  /// What `problem_type` of a configuration says; what it leaves open, the number of logits does.
  package init(problemType: String, logits: Int) {
    switch problemType {
    case "regression": self = .regression
    case "multi_label_classification": self = .independent
    default: self = logits == 1 ? .oneLogit : .oneOfSeveral
    }
  }
}

/// Logits of a text's labels, from the pooler's output, the first token's hidden state or the mean of all,
/// perhaps through a linear of its own: one of several, independent ones, or one score.
package final class TextClassifierHead: Head {
  package let subject = HeadSubject.text
  package var width: Int { texts.linear.outputs }
  /// How its logits are read.
  package let problem: LabelProblem
  private let texts: TextLinear

  /// Prepares it; the weights it will use are verified now.
  ///
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` without a
  ///   pooler, or when it reads something else.
  package init(_ source: HeadSource) throws(BertError) {
    texts = try TextLinear(
      CanonicalName.classifier, behind: source.classifierFront(ofTexts: true),
      readsMean: source.settings.input == .mean, from: source)
    problem = LabelProblem(
      problemType: source.settings.problemType, logits: texts.linear.outputs)
  }

  package func append(
    _ some: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    try texts.append(some, of: states, to: &scores)
  }
}
