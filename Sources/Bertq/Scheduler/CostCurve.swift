import BertModel

/// What a text will cost: `a + b·n + c·n²` seconds of one lane for n tokens, and `d·m` for m of them that a head scores
/// against every word of the vocabulary.
///
/// The curve's form is the model's multiply-adds. How fast this machine does them is learnt from the
/// passes that it has measured.
struct CostCurve: Sendable {
  /// Seconds of every text.
  private(set) var perText: Double
  /// Seconds of every token.
  private(set) var perToken: Double
  /// Seconds of every pair of tokens.
  private(set) var perPair: Double
  /// Seconds of every token that is scored against every word; other heads' linears are too small to count.
  private(set) var perScoredToken: Double

  /// What the first guess takes a core to do in a second.
  private static let multiplyAdds = 1e11
  private static let textOverhead = 2e-5
  /// The weight of the newest measurement.
  private static let weight = 0.05

  init(perText: Double, perToken: Double, perPair: Double, perScoredToken: Double = 0) {
    self.perScoredToken = perScoredToken
    self.perText = perText
    self.perToken = perToken
    self.perPair = perPair
  }

  /// A first guess from a model's sizes; float32 products take about four times as long as int8.
  init(_ c: BertConfiguration, isInt8: Bool) {
    let second = Self.multiplyAdds / (isInt8 ? 1 : 4)
    let (hidden, layers) = (Double(c.hiddenSize), Double(c.layerCount))
    let feedForward = LinearSite.feedForwardUp.outputs(c) + c.intermediateSize
    let linear = 4 * hidden * hidden + hidden * Double(feedForward)
    self.init(
      perText: Self.textOverhead, perToken: layers * linear / second,
      perPair: layers * 2 * hidden / second,
      perScoredToken: hidden * (hidden + Double(c.vocabularySize)) / second)
  }

  /// Predicted seconds of one lane.
  ///
  /// - Parameter scored: tokens that are scored against every word.
  func cost(tokens: Int, scored: Int = 0) -> Double {
    let n = Double(tokens)
    return perText + perToken * n + perPair * n * n + perScoredToken * Double(scored)
  }

  /// Learns from a pass that took `seconds` of one lane and was predicted to take `predicted`.
  mutating func learn(predicted: Double, seconds: Double) {
    guard predicted > 0, seconds > 0 else { return }
    // One pass that was interrupted by the system says little.
    let ratio = min(max(seconds / predicted, 0.1), 10)
    let factor = 1 + Self.weight * (ratio - 1)
    perText *= factor
    perToken *= factor
    perPair *= factor
    perScoredToken *= factor
  }
}
