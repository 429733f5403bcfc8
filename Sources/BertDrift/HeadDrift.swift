import BertModel
import BertRuntime

/// How a head's answers differ between the two paths, in the head's own terms.
package struct HeadDrift: Sendable {
  /// What the head answers.
  package let head: HeadKind
  private let reads: Reading
  private var scores: ScoreDrift
  /// Changes of a tagger's entities; nil for other heads.
  package private(set) var entities: EntityDrift?
  /// Changes of answers in a text; nil for other heads.
  package private(set) var spans: SpanDrift?

  /// What rows of scores are about.
  enum Reading: Sendable {
    /// Each row for itself: a text's labels, a token's words.
    case rows
    /// Rows of a text's tokens, whose labels make entities; the names of the labels.
    case entities([String])
    /// Rows of a text's tokens, each as start and end of an answer.
    case spans
  }

  /// Nothing compared yet.
  init(head: HeadKind, reads: Reading, problem: LabelProblem = .oneOfSeveral) {
    self.head = head
    self.reads = reads
    scores = ScoreDrift(problem)
    switch reads {
    case .rows: break
    case .entities: entities = EntityDrift()
    case .spans: spans = SpanDrift()
    }
  }

  /// Answers compared: texts; tokens where the head labels tokens; labels where each is for itself.
  package var answers: Int { spans?.texts ?? scores.answers }
  /// The share of answers that changed: the best label, whether a label holds, the sign of a single
  /// logit, a span; nil for a number in its own units.
  package var flips: Double? { spans.map(\.changed) ?? scores.flips }
  /// The share of best labels or spans that stayed; nil where there is none.
  package var top1: Double? { spans.map { 1 - $0.changed } ?? scores.top1 }
  /// The mean share of the five best that stay among them; nil with fewer than six labels.
  package var top5: Double? { scores.top5 }
  /// The largest change of any probability; nil for a number in its own units.
  package var largestProbabilityChange: Double? { scores.largestProbabilityChange }
  /// The largest change of a number in its own units; nil for other heads.
  package var largestScoreChange: Double? { scores.largestScoreChange }

  /// Adds rows of `width` scores, of one text where rows of tokens belong together.
  ///
  /// - Parameter types: the token types of those tokens, which tell an answer's context.
  mutating func add(reference: [Float], other: [Float], width: Int, types: [UInt8] = []) {
    let rows = stride(from: 0, to: reference.count, by: width).map { $0..<($0 + width) }
    switch reads {
    case .spans:
      spans?.add(reference: reference, other: other, types: types)
      let context = AnswerSpan.context(types, tokens: rows.count)
      for column in 0..<width {
        func scores(_ all: [Float]) -> ArraySlice<Float> {
          context.map { all[$0 * width + column] }[...]
        }
        self.scores.add(reference: scores(reference), other: scores(other))
      }
    case .entities(let names):
      entities?.add(
        reference: rows.map { Ranking.best(reference[$0]) },
        other: rows.map { Ranking.best(other[$0]) }, names: names)
      for row in rows { scores.add(reference: reference[row], other: other[row]) }
    case .rows:
      for row in rows { scores.add(reference: reference[row], other: other[row]) }
    }
  }
}
