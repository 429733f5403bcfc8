import BertModel
import BertRuntime
import SystemLibrary

/// How a head's answers differ between the two paths.
package struct HeadDrift: Sendable {
  /// What the head answers.
  package let head: HeadKind
  /// Answers compared: texts, or tokens where the head scores tokens.
  package private(set) var answers = 0
  private var same = 0
  private var sharedTop5 = 0
  private var probabilities = VectorDifference()
  /// The largest change of any probability.
  package var largestProbabilityChange: Double { probabilities.largest }

  init(head: HeadKind) { self.head = head }

  /// The share of answers whose best label changed; for a single score, whose sign did.
  package var flips: Double { answers == 0 ? 0 : Double(answers - same) / Double(answers) }
  /// The share of answers whose best label stayed.
  package var top1: Double { 1 - flips }
  /// The mean share of the five best that stay among them; nil with fewer than six labels.
  package private(set) var top5: Double?

  /// Adds rows of `width` scores; an answer head's two are those of every token as start and end.
  mutating func add(reference: [Float], other: [Float], width: Int) {
    if head == .answer {
      for end in 0..<width {
        add(column(end, of: reference, width)[...], column(end, of: other, width)[...])
      }
      return
    }
    for start in stride(from: 0, to: reference.count, by: width) {
      add(reference[start..<(start + width)], other[start..<(start + width)])
    }
  }

  private func column(_ index: Int, of rows: [Float], _ width: Int) -> [Float] {
    stride(from: index, to: rows.count, by: width).map { rows[$0] }
  }

  private mutating func add(_ reference: ArraySlice<Float>, _ other: ArraySlice<Float>) {
    let (a, b) = (Self.probabilities(reference), Self.probabilities(other))
    probabilities.add(VectorDifference(reference: a, other: b))
    answers += 1
    if a.count == 1 {
      same += (a[0] > 0.5) == (b[0] > 0.5) ? 1 : 0
      return
    }
    let (best, found) = (
      Ranking.nearest(a[...], min(5, a.count), but: -1),
      Ranking.nearest(b[...], min(5, b.count), but: -1)
    )
    same += best.first == found.first ? 1 : 0
    guard a.count > 5 else { return }
    sharedTop5 += Set(best).intersection(found).count
    top5 = Double(sharedTop5) / Double(5 * answers)
  }

  /// Softmax; of a single score the sigmoid.
  private static func probabilities(_ logits: ArraySlice<Float>) -> [Double] {
    if logits.count == 1, let logit = logits.first { return [1 / (1 + exp(-Double(logit)))] }
    let most = Double(logits.max() ?? 0)
    let powers = logits.map { exp(Double($0) - most) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }
}
