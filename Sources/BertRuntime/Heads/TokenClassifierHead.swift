import BertErrors
import BertModel

/// Logits of each token's labels, from its hidden state.
package final class TokenClassifierHead: Head {
  package let subject = HeadSubject.token
  package var width: Int { tokens.linear.outputs }
  private let tokens: TokenLinear

  /// Prepares it; the weights it will use are verified now.
  ///
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` for a first
  ///   linear that is not computed here.
  package init(_ source: HeadSource) throws(BertError) {
    tokens = try TokenLinear(
      CanonicalName.classifier, behind: source.classifierFront(ofTexts: false), from: source)
  }

  package func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    try tokens.append(texts, of: states, to: &scores)
  }
}
