import BertErrors
import JSONText

/// What a gate says of a report: every threshold beside the number that was measured.
package struct DriftVerdict: Sendable {
  /// One threshold and what was measured.
  package struct Check: Sendable {
    /// The threshold.
    package let requirement: DriftGate.Requirement
    /// What was measured; nil where these texts do not give it.
    package let value: Double?

    /// Whether the number keeps to the threshold; one that was not measured does not.
    package var passes: Bool {
      guard let value else { return false }
      return requirement.isMinimum
        ? value >= requirement.threshold : value <= requirement.threshold
    }

    /// How far the number lies on the good side of the threshold: negative where it is missed.
    package var margin: Double? {
      guard let value else { return nil }
      let difference = value - requirement.threshold
      return requirement.isMinimum ? difference : -difference
    }

    /// The metric's own name: `embedding.cosine_worst`.
    package var metric: String { requirement.path.joined(separator: ".") }
    private var field: String { requirement.path.last ?? "" }

    /// `at least 0.9995`.
    package var demand: String {
      (requirement.isMinimum ? "at least " : "at most ") + "\(requirement.threshold)"
    }

    /// The number, with as many decimals as mean something, or as tell it from the threshold.
    package var valueText: String {
      DriftNumber.text(value, of: field, beside: requirement.threshold)
    }

    /// The margin, rounded likewise.
    package var marginText: String {
      guard let margin else { return "n/a" }
      let text = DriftNumber.text(margin, of: field, beside: 0)
      return margin < 0 ? text : "+" + text
    }

    /// What is wrong, as a sentence; nil when it passes.
    var failure: String? {
      if passes { return nil }
      if value == nil { return "\(requirement.name) could not be measured on these texts" }
      return "\(requirement.name) is \(valueText); required \(demand)"
    }
  }

  /// All thresholds, in the order in which they were given.
  package let checks: [Check]
  /// Texts that were measured.
  let texts: Int

  /// Whether all thresholds are kept.
  package var passes: Bool { failures.isEmpty }

  /// What the report falls short of, a sentence each; empty when it passes.
  package var failures: [String] {
    if texts == 0, !checks.isEmpty { return ["there were no texts to measure"] }
    return checks.compactMap(\.failure)
  }

  /// The verdict in a sentence.
  package var sentence: String {
    let missed = checks.count { !$0.passes }
    if checks.count == 1 {
      return passes
        ? "The gate passed: its threshold is kept." : "The gate failed: its threshold is missed."
    }
    if passes {
      return "The gate passed: all \(checks.count) thresholds are kept."
    }
    return "The gate failed: \(missed) of \(checks.count) thresholds \(missed == 1 ? "is" : "are") "
      + "missed."
  }

  /// The verdict for programs.
  package var json: JSON {
    [
      "passes": .bool(passes),
      "checks": .array(
        checks.map { check in
          [
            "name": .string(check.requirement.name), "metric": .string(check.metric),
            "kind": .string(check.requirement.isMinimum ? "minimum" : "maximum"),
            "threshold": .number(check.requirement.threshold),
            "value": DriftNumber.json(check.value), "margin": DriftNumber.json(check.margin),
            "passes": .bool(check.passes),
          ]
        }),
    ]
  }
}

/// How numbers of drift are rounded.
enum DriftNumber {
  /// Decimals of a field that mean something.
  private static func decimals(_ field: String) -> Int {
    switch field {
    case "sqnr_db": 2
    case "cosine_mean", "cosine_worst", "cosine_p1", "spearman": 6
    case "max_abs", "max_probability_change", "max_score_change": 5
    default: 4
    }
  }

  /// A field's number; with all its digits where rounded it would look like the threshold that it is not.
  static func text(_ value: Double?, of field: String, beside threshold: Double) -> String {
    guard let value else { return "n/a" }
    // The largest number stands for no difference at all.
    if value == .greatestFiniteMagnitude { return "∞" }
    let text = DecimalText.fixed(value, decimals(field))
    let hidesDifference =
      value != threshold && text == DecimalText.fixed(threshold, decimals(field))
    return hidesDifference ? "\(value)" : text
  }

  /// To six significant digits.
  static func json(_ value: Double?) -> JSON {
    guard let value, !value.isNaN else { return .null }
    if value.isInfinite {
      return .number(value < 0 ? -.greatestFiniteMagnitude : .greatestFiniteMagnitude)
    }
    if value == 0 || value.magnitude > 1e12 || value.magnitude < 1e-9 { return .number(value) }
    var scale = 1.0
    while value.magnitude * scale < 1e5 { scale *= 10 }
    return .number((value * scale).rounded() / scale)
  }
}
