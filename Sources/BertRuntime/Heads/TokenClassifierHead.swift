import BertErrors
import BertModel

/// Logits of each token's labels, from its hidden state.
package final class TokenClassifierHead: Head {
  package let subject = HeadSubject.token
  package var width: Int { tokens.linear.outputs }
  private let tokens: TokenLinear

  /// Prepares it; the weights it will use are verified now.
  ///
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` when it is more than
  ///   a linear.
  package init(_ source: HeadSource) throws(BertError) {
    try source.requirePlainClassifier(ofTexts: false)
    tokens = try TokenLinear(CanonicalName.classifier, from: source)
  }

  package func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    try tokens.append(texts, of: states, to: &scores)
  }
}
