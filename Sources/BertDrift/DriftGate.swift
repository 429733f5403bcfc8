import BertErrors

/// Thresholds that a drift report must meet.
package struct DriftGate: Sendable {
  /// One threshold.
  package struct Requirement: Sendable {
    /// The name as it was given.
    package let name: String
    /// Where the number stands in the report's JSON.
    package let path: [String]
    /// The least value allowed, or the most where less is better.
    package let threshold: Double
    /// Whether a larger number is better.
    package let isMinimum: Bool
  }

  /// All thresholds.
  package private(set) var requirements: [Requirement] = []

  /// A gate that everything passes.
  package init() {}

  private static let short = [
    "cosine": "embedding.cosine_worst", "sqnr": "hidden.sqnr_db", "spearman": "ranking.spearman",
    "top1": "ranking.top1_agreement", "top10": "ranking.top10_agreement",
    "flips": "head.flips", "parity": "parity_float.cosine_worst",
  ]
  private static let vectorFields = [
    "sqnr_db", "cosine_mean", "cosine_worst", "cosine_p1", "max_abs",
  ]
  private static let fields: [String: [String]] = [
    "hidden": vectorFields.filter { $0 != "cosine_p1" }, "embedding": vectorFields,
    "parity_float": vectorFields, "parity_int8": vectorFields,
    "ranking": ["spearman", "top1_agreement", "top10_agreement"],
    "head": [
      "flips", "max_probability_change", "top1_agreement", "top5_agreement", "max_score_change",
      "entities_changed", "spans_changed", "span_overlap",
    ],
  ]

  private static let lessIsBetter: Set = [
    "max_abs", "flips", "max_probability_change", "max_score_change", "entities_changed",
    "spans_changed",
  ]

  /// Numbers that are 1 at best.
  private static let atMostOne: Set = [
    "cosine_mean", "cosine_worst", "cosine_p1", "spearman", "top1_agreement", "top5_agreement",
    "top10_agreement", "span_overlap",
  ]

  /// Every name that may be required.
  package static var names: [String] {
    short.keys.sorted()
      + fields.sorted { $0.key < $1.key }.flatMap { group, names in
        names.map { "\(group).\($0)" }
      }
  }

  /// Adds a threshold.
  ///
  /// - Throws: `usage` for a name it does not know, or a number that is not finite or that nothing reaches.
  package mutating func require(_ name: String, _ threshold: Double) throws(BertError) {
    let path = (Self.short[name] ?? name).split(separator: ".", omittingEmptySubsequences: false)
      .map(String.init)
    guard path.count == 2, Self.fields[path[0]]?.contains(path[1]) == true else {
      throw BertError(
        .usage,
        "no metric is called '\(name)'; names are: " + Self.names.joined(separator: ", "))
    }
    guard threshold.isFinite else {
      throw BertError(.usage, "the threshold of '\(name)' is not a number")
    }
    if Self.atMostOne.contains(path[1]), threshold > 1 {
      throw BertError(
        .usage, "nothing reaches \(name)=\(threshold): it is 1 at best")
    }
    if Self.lessIsBetter.contains(path[1]), threshold < 0 {
      throw BertError(
        .usage, "nothing keeps below \(name)=\(threshold): it is 0 at best")
    }
    requirements.append(
      Requirement(
        name: name, path: path, threshold: threshold,
        isMinimum: !Self.lessIsBetter.contains(path[1])))
  }

  /// Adds thresholds that `ThresholdText` has read.
  ///
  /// - Throws: `usage` for a name it does not know.
  package mutating func add(_ thresholds: [NamedThreshold]) throws(BertError) {
    for threshold in thresholds { try require(threshold.name, threshold.value) }
  }

  /// Holds a report to the thresholds.
  package func verdict(_ report: DriftReport) -> DriftVerdict {
    let json = report.json
    return DriftVerdict(
      checks: requirements.map { requirement in
        DriftVerdict.Check(
          requirement: requirement,
          value: json[requirement.path[0]]?[requirement.path[1]]?.numberValue)
      }, texts: report.texts)
  }
}
