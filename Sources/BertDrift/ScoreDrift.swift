import BertRuntime
import SystemLibrary

/// How rows of logits differ between the two paths, as their problem has them read.
struct ScoreDrift: Sendable {
  private let problem: LabelProblem
  /// Decisions compared; scores where nothing is decided.
  private(set) var answers = 0
  private var changed = 0
  private var probabilities = VectorDifference()
  private var scores = VectorDifference()
  private var rowsOfSix = 0
  private var sharedTop5 = 0

  init(_ problem: LabelProblem) { self.problem = problem }

  /// The share of decisions that changed; nil where nothing is decided.
  var flips: Double? {
    if problem == .regression { return nil }
    return answers == 0 ? 0 : Double(changed) / Double(answers)
  }

  /// The share of best labels that stayed; nil where labels do not compete.
  var top1: Double? {
    problem == .oneOfSeveral || problem == .oneLogit ? flips.map { 1 - $0 } : nil
  }

  /// The mean share of the five best that stay among them, of rows of six or more.
  var top5: Double? {
    rowsOfSix == 0 ? nil : Double(sharedTop5) / Double(5 * rowsOfSix)
  }

  var largestProbabilityChange: Double? {
    problem == .regression ? nil : probabilities.largest
  }

  var largestScoreChange: Double? { problem == .regression ? scores.largest : nil }

  mutating func add(reference: ArraySlice<Float>, other: ArraySlice<Float>) {
    switch problem {
    case .regression:
      answers += reference.count
      scores.add(
        VectorDifference(reference: reference.map { Double($0) }, other: other.map { Double($0) }))
    case .independent, .oneLogit:
      answers += reference.count
      changed += zip(reference, other).count { ($0 > 0) != ($1 > 0) }
      probabilities.add(
        VectorDifference(
          reference: reference.map(Self.sigmoid), other: other.map(Self.sigmoid)))
    case .oneOfSeveral:
      addRanked(Self.softmax(reference), Self.softmax(other))
    }
  }

  private mutating func addRanked(_ a: [Double], _ b: [Double]) {
    probabilities.add(VectorDifference(reference: a, other: b))
    answers += 1
    let (best, found) = (
      Ranking.nearest(a[...], min(5, a.count), but: -1),
      Ranking.nearest(b[...], min(5, b.count), but: -1)
    )
    changed += best.first == found.first ? 0 : 1
    guard a.count > 5 else { return }
    rowsOfSix += 1
    sharedTop5 += Set(best).intersection(found).count
  }

  private static func sigmoid(_ logit: Float) -> Double { 1 / (1 + exp(-Double(logit))) }

  private static func softmax(_ logits: ArraySlice<Float>) -> [Double] {
    let most = Double(logits.max() ?? 0)
    let powers = logits.map { exp(Double($0) - most) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }
}
