import BertErrors
import BertModel

/// Whether a text's second sentence follows its first: two logits from the pooler's output.
package final class NextSentenceHead: Head {
  /// The logit of a sentence that follows.
  package static let follows = 0
  /// The logit of a sentence taken from anywhere.
  package static let isRandom = 1

  package let subject = HeadSubject.text
  package let width = 2
  private let pooled: TextLinear

  /// Prepares it; the weights it will use are verified now.
  ///
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` without a pooler.
  package init(_ source: HeadSource) throws(BertError) {
    pooled = try TextLinear(
      CanonicalName.nextSentence, outputs: 2, behind: HeadFront(poolerOf: source), from: source)
  }

  package func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    try pooled.append(texts, of: states, to: &scores)
  }
}
