import BertErrors
import BertModel

/// Where an answer starts and ends: two logits of each token, from its hidden state, perhaps through a linear of its own.
package final class AnswerHead: Head {
  /// The logit of an answer that starts at the token.
  package static let start = 0
  /// The logit of an answer that ends with the token.
  package static let end = 1

  package let subject = HeadSubject.token
  package let width = 2
  private let tokens: TokenLinear

  /// Prepares it; the weights it will use are verified now.
  ///
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` for a first linear that is not computed here.
  package init(_ source: HeadSource) throws(BertError) {
    // Where there is a classifier too, the linear before is that one's.
    let isAlone = source.weights.find(CanonicalName.classifier + FloatPart.bias) == nil
    tokens = try TokenLinear(
      CanonicalName.answer, outputs: 2,
      behind: isAlone ? source.classifierFront(ofTexts: false) : nil, from: source)
  }

  package func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    try tokens.append(texts, of: states, to: &scores)
  }
}
