import BertErrors
import BertModel

/// Finds the cheapest linears to keep in float until a budget holds.
package struct BudgetSearch {
  /// What came of a search.
  package struct Result {
    /// The linears to keep in float, in the order of the model, each with the reason.
    package let kept: [(linear: LinearName, reason: String)]
    /// The drift with every linear in int8.
    package let before: HeldOutDrift.Measurement
    /// The drift with those in float.
    package let after: HeldOutDrift.Measurement

    /// All linears in int8, and the drift of that.
    package init(unlimited drift: HeldOutDrift.Measurement) {
      (kept, before, after) = ([], drift, drift)
    }

    init(
      kept: [(linear: LinearName, reason: String)], before: HeldOutDrift.Measurement,
      after: HeldOutDrift.Measurement
    ) {
      self.kept = kept
      self.before = before
      self.after = after
    }
  }

  private let budget: DriftBudget
  private let drift: HeldOutDrift
  private let configuration: BertConfiguration

  /// Prepares for a model.
  package init(budget: DriftBudget, drift: HeldOutDrift, configuration: BertConfiguration) {
    self.budget = budget
    self.drift = drift
    self.configuration = configuration
  }

  private var linears: [LinearName] {
    (0..<configuration.storedLayerCount).flatMap { layer in
      LinearSite.allCases.map { LinearName(layer, $0) }
    }
  }

  /// Multiply-adds a token.
  private func cost(_ linear: LinearName) -> Int {
    linear.site.outputs(configuration) * linear.site.inputs(configuration)
  }

  /// Tries each linear in float alone, and measures how much drift that takes away.
  ///
  /// Those that take away most for their multiply-adds become float, one by one, until the budget holds.
  /// Finally each float linear is tried in int8 again, and stays so if the budget still holds.
  /// One linear stays in int8 whatever happens: a budget that holds with this one alone in int8 is kept.
  ///
  /// - Parameter progress: called with the number of linears tried, and of all.
  /// - Throws: `driftGate` when the budget fails even then.
  package func run(progress: (Int, Int) -> Void = { _, _ in }) throws(BertError) -> Result {
    let before = try drift.measure([])
    if budget.holds(before) { return Result(kept: [], before: before, after: before) }
    var gains: [(linear: LinearName, gain: Double)] = []
    for (index, linear) in linears.enumerated() {
      let without = try drift.measure([linear])
      gains.append((linear, gain(from: before, to: without)))
      progress(index + 1, linears.count)
    }
    gains.sort {
      let (a, b) = ($0.gain / Double(cost($0.linear)), $1.gain / Double(cost($1.linear)))
      return a == b
        ? ($0.linear.layer, $0.linear.site.rawValue)
          < ($1.linear.layer, $1.linear.site.rawValue) : a > b
    }
    var kept: Set<LinearName> = []
    var after = before
    for candidate in gains.dropLast() {
      kept.insert(candidate.linear)
      after = try drift.measure(kept)
      if budget.holds(after) { break }
    }
    guard budget.holds(after) else {
      throw BertError(
        .driftGate,
        "the drift budget cannot be kept: with all linears but one in float, SQNR is "
          + "\(DecimalText.fixed(after.sqnr, 2)) dB and the worst cosine "
          + "\(DecimalText.fixed(after.worstCosine, 6))", remedy: .allowMoreDrift)
    }
    after = try prune(&kept, after)
    let total = Double(linears.reduce(0) { $0 + cost($1) })
    let reasons = gains.filter { kept.contains($0.linear) }.map { candidate in
      (
        linear: candidate.linear,
        reason: "in float it takes \(DecimalText.fixed(100 * candidate.gain, 1)) % off the drift "
          + "for \(DecimalText.fixed(100 * Double(cost(candidate.linear)) / total, 1)) % of the "
          + "linears' multiply-adds"
      )
    }
    return Result(
      kept: reasons.sorted {
        ($0.linear.layer, $0.linear.site.rawValue) < ($1.linear.layer, $1.linear.site.rawValue)
      }, before: before, after: after)
  }

  /// Gives linears back, the most expensive first, while the budget holds.
  private func prune(
    _ kept: inout Set<LinearName>, _ reached: HeldOutDrift.Measurement
  ) throws(BertError) -> HeldOutDrift.Measurement {
    var after = reached
    let order = kept.sorted {
      (cost($1), $0.layer, $0.site.rawValue) < (cost($0), $1.layer, $1.site.rawValue)
    }
    for linear in order where kept.count > 1 {
      let fewer = try drift.measure(kept.subtracting([linear]))
      if budget.holds(fewer) {
        kept.remove(linear)
        after = fewer
      }
    }
    return after
  }

  /// The part of the drift that goes away, in the terms of the budget that fails.
  private func gain(
    from before: HeldOutDrift.Measurement, to after: HeldOutDrift.Measurement
  ) -> Double {
    var gains: [Double] = []
    if let sqnr = budget.sqnr, before.sqnr < sqnr {
      gains.append((before.states.noise - after.states.noise) / before.states.noise)
    }
    if let cosine = budget.cosine, before.worstCosine < cosine {
      // Of the texts that fall short: the worst one alone would be a matter of chance.
      let short = before.cosines.indices.filter { !(before.cosines[$0] >= cosine) }
      let (old, new) = short.reduce((0.0, 0.0)) {
        ($0.0 + 1 - before.cosines[$1], $0.1 + 1 - after.cosines[$1])
      }
      gains.append(old > 0 ? (old - new) / old : 0)
    }
    return gains.isEmpty ? 0 : gains.reduce(0, +) / Double(gains.count)
  }
}
