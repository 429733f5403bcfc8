import BertErrors
import BertModel
import BertRuntime
import JSONText

/// One measured cell.
package struct Cell {
  /// What was run.
  package let workload: Workload
  /// In which precision.
  package let precision: Precision
  /// By how many threads.
  package let threads: Int
  /// The time of each round.
  package let milliseconds: [Double]
  /// The ceiling of one thread, in multiply-adds a second, beside each round.
  let ceilings: [Double]
  /// How much of the time threads that had work had a core too.
  package let share: Double
  let stages: [(stage: Stage, share: Double)]
  let multiplyAdds: Int
  /// The other model's times, each measured right after the one of the same round.
  let rival: [Double]

  /// The median of the rounds' times, in milliseconds.
  package var median: Double { Self.median(milliseconds) }
  var tokensPerSecond: Double { Double(workload.tokens.tokenCount) / median * 1e3 }
  var ceilingFraction: Double {
    Self.median(
      zip(milliseconds, ceilings).map {
        Double(multiplyAdds) / ($0 * 1e-3) / ($1 * Double(threads))
      })
  }

  /// How many times this model's time the other one takes: the median over rounds.
  var rivalRatio: Double? {
    rival.isEmpty ? nil : Self.median(zip(rival, milliseconds).map { $0 / $1 })
  }

  /// What other programs took while this was measured; nil where that was little.
  package var disturbance: String? {
    if share >= Self.quiet { return nil }
    return
      "other programs took \(DecimalText.fixed((1 - share) * 100, 0)) % of the cores' time: the machine is "
      + "too busy to measure, and these figures say little"
  }

  /// Below, medians move by more than what is usually looked for.
  private static let quiet = 0.95

  /// The middle of some values, NaN of none.
  package static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return .nan }
    return (sorted[sorted.count / 2] + sorted[(sorted.count - 1) / 2]) / 2
  }

  /// The cell as `--json` writes it.
  package var json: JSON {
    [
      "workload": .string(workload.kind), "precision": .string(precision.rawValue),
      "threads": .integer(threads), "batch": .integer(workload.batch),
      "length": .integer(workload.length), "tokens": .integer(workload.tokens.tokenCount),
      "ms_median": .number(median), "ms_min": .number(milliseconds.min() ?? .nan),
      "ms_max": .number(milliseconds.max() ?? .nan), "rounds": .integer(milliseconds.count),
      "tokens_per_s": .number(tokensPerSecond),
      "gmac_s": .number(Double(multiplyAdds) / median / 1e6),
      "ceiling_gmac_s": .number(Self.median(ceilings) / 1e9),
      "ceiling_fraction": .number(ceilingFraction),
      "core_share": .number(share),
      "against_ms_median": rival.isEmpty ? .null : .number(Self.median(rival)),
      "against_ratio": rivalRatio.map { .number($0) } ?? .null,
      "stages": .object(JSONObject(stages.map { ($0.stage.name, .number($0.share)) })),
    ]
  }
}
