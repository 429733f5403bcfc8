import BertRuntime

/// An answer in a text, by its tokens.
enum AnswerSpan {
  /// The most tokens of an answer.
  static let longest = 15

  /// The tokens of a text that an answer may lie in: those of the second text without its separator,
  /// or all but the first and last where there is none.
  static func context(_ types: [UInt8], tokens: Int) -> Range<Int> {
    let first = types.firstIndex { $0 != 0 } ?? 1
    return first < tokens - 1 ? first..<(tokens - 1) : 0..<tokens
  }

  /// The tokens from start to end whose logits sum up to most, of equal ones the first; rows of two
  /// logits.
  static func best(_ rows: [Float], in context: Range<Int>) -> ClosedRange<Int> {
    var best = context.lowerBound...context.lowerBound
    var most = -Double.infinity
    for start in context {
      for end in start..<min(start + longest, context.upperBound) {
        let score =
          Double(rows[2 * start + AnswerHead.start]) + Double(rows[2 * end + AnswerHead.end])
        if score > most { (most, best) = (score, start...end) }
      }
    }
    return best
  }
}

/// How the best answer in a text changes between the two paths.
package struct SpanDrift: Sendable {
  /// Texts compared.
  package private(set) var texts = 0
  private var different = 0
  private var sharedTokens = 0.0

  /// The share of texts whose answer is not of exactly the same tokens.
  package var changed: Double { texts == 0 ? 0 : Double(different) / Double(texts) }
  /// The mean over texts of the tokens that both answers share, twice over those of both: 1 when no
  /// answer changed.
  package var overlap: Double { texts == 0 ? 1 : sharedTokens / Double(texts) }

  /// Adds a text: two logits of each token.
  mutating func add(reference: [Float], other: [Float], types: [UInt8]) {
    let context = AnswerSpan.context(types, tokens: reference.count / 2)
    if context.isEmpty { return }
    let a = AnswerSpan.best(reference, in: context)
    let b = AnswerSpan.best(other, in: context)
    texts += 1
    different += a == b ? 0 : 1
    let shared = max(0, min(a.upperBound, b.upperBound) + 1 - max(a.lowerBound, b.lowerBound))
    sharedTokens += 2 * Double(shared) / Double(a.count + b.count)
  }
}
