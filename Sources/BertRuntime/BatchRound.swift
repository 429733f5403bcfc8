import BertModel

/// The next texts of a batch, and how the team computes them.
enum BatchRound {
  /// In one pass of the whole team: few texts, or long ones.
  case together(Range<Int>)
  /// In passes that each belong to one worker, who waits for nobody.
  case apart([Range<Int>])

  /// The texts that the round computes.
  var texts: Range<Int> {
    switch self {
    case .together(let texts): texts
    case .apart(let passes): (passes.first?.lowerBound ?? 0)..<(passes.last?.upperBound ?? 0)
    }
  }
}

/// Cuts batches into rounds.
struct BatchPlan {
  private let configuration: BertConfiguration
  private let workers: Int
  /// The most tokens of a round, but for a text that is longer.
  private let tokenBudget: Int
  /// The most tokens of a worker's pass, but for a text that is longer.
  private let passTokens: Int

  init(configuration: BertConfiguration, workers: Int, tokenBudget: Int) {
    self.configuration = configuration
    self.workers = workers
    self.tokenBudget = tokenBudget
    passTokens = Self.passTokens(configuration)
  }

  /// Workers compute separate passes only if the busiest gets at most 5 % more than the average.
  ///
  /// Beyond that, sharing one pass is cheaper, though workers then wait for each other and rows move
  /// between cores.
  private static let tolerance = 1.05

  /// The most tokens of one worker's pass: their states fit a core's second-level cache for the next
  /// stage to find them there, and rows fill whole blocks.
  static func passTokens(_ c: BertConfiguration) -> Int {
    // Hidden states, context and quantised rows, and one group's queries, keys and values.
    let normalised = c.normalizesFirst ? 4 * c.hiddenSize : 0
    let bytesPerToken = 10 * c.hiddenSize + normalised + 4 * HeadGroups(c).width
    return max(2 * WorkerScratch.blockRows, (5 << 18) / bytesPerToken)
  }

  /// The round that begins with text `first`.
  ///
  /// - Parameter staysTogether: whether the workers must stay together.
  func round(_ batch: TokenBatch, from first: Int, staysTogether: Bool) -> BatchRound {
    let left = first..<batch.count
    if workers > 1, !staysTogether {
      let passes = passes(batch, batch.run(of: left, tokens: tokenBudget))
      if isBalanced(batch, passes) { return .apart(passes) }
    }
    return .together(batch.run(of: left, tokens: min(tokenBudget, passTokens * workers)))
  }

  /// Passes that become smaller towards the end, so that workers end at about the same time.
  private func passes(_ batch: TokenBatch, _ texts: Range<Int>) -> [Range<Int>] {
    batch.runs(of: texts) { first in
      let left = batch.starts[texts.upperBound] - batch.starts[first]
      return min(passTokens, max(WorkerScratch.blockRows, left / (2 * workers)))
    }
  }

  private func isBalanced(_ batch: TokenBatch, _ passes: [Range<Int>]) -> Bool {
    var loads = [Double](repeating: 0, count: workers)
    for pass in passes {
      let least = loads.indices.min { loads[$0] < loads[$1] } ?? 0
      loads[least] += pass.reduce(0) { $0 + work(batch, $1) }
    }
    let fair = loads.reduce(0, +) / Double(workers)
    return (loads.max() ?? 0) <= fair * Self.tolerance
  }

  /// What a text takes, in multiply-adds over the hidden size.
  private func work(_ batch: TokenBatch, _ text: Int) -> Double {
    let c = configuration
    let tokens = batch.range(text).count
    let wanted = batch.wanted[text].count(in: tokens)
    // Queries, keys and values of all tokens; attention and what follows of those that count.
    let all = Double(c.layerCount * tokens) * Double(3 * c.hiddenSize)
    let rows = Double((c.layerCount - 1) * tokens + wanted)
    let feedForward = LinearSite.feedForwardUp.outputs(c) + c.intermediateSize
    let seen = (0..<c.layerCount).reduce(0) { sum, layer in
      guard let window = c.window, !window.isWhole(layer) else { return sum + tokens }
      return sum + min(tokens, 2 * window.reach + 1)
    }
    return all
      + rows * (Double(c.hiddenSize + feedForward) + 2 * Double(seen) / Double(c.layerCount))
  }
}
