import BertErrors
import JSONText

/// Thresholds that a drift report must meet.
public struct DriftGate: Sendable {
  /// One threshold.
  public struct Requirement: Sendable {
    /// The name as it was given.
    public let name: String
    /// Where the number stands in the report's JSON.
    public let path: [String]
    /// The least value allowed, or the most where less is better.
    public let threshold: Double
    /// Whether a larger number is better.
    public let isMinimum: Bool
  }

  /// All thresholds.
  public private(set) var requirements: [Requirement]

  private static let short = [
    "cosine": "embedding.cosine_worst", "sqnr": "hidden.sqnr_db", "spearman": "ranking.spearman",
  ]
  private static let fields: [String: [String]] = [
    "hidden": ["sqnr_db", "cosine_mean", "cosine_worst", "max_abs"],
    "embedding": ["sqnr_db", "cosine_mean", "cosine_worst", "cosine_p1", "max_abs"],
    "ranking": ["spearman"],
  ]

  /// Every name that `parse` takes.
  public static var names: [String] {
    short.keys.sorted()
      + fields.sorted { $0.key < $1.key }.flatMap { group, names in
        names.map { "\(group).\($0)" }
      }
  }

  /// Reads `cosine=0.999,sqnr=28`.
  ///
  /// - Throws: `usage` for a name or number it does not know.
  public static func parse(_ text: String) throws(BertError) -> DriftGate {
    var list: [Requirement] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(separator: "=", omittingEmptySubsequences: false)
      guard sides.count == 2, let threshold = Double(sides[1]), threshold.isFinite else {
        throw BertError(
          .usage,
          "'\(part)' in --require is not NAME=NUMBER; names are: "
            + names.joined(separator: ", "))
      }
      let name = String(sides[0])
      let path = (short[name] ?? name).split(separator: ".", omittingEmptySubsequences: false)
        .map(String.init)
      guard path.count == 2, fields[path[0]]?.contains(path[1]) == true else {
        throw BertError(
          .usage,
          "--require knows no metric '\(name)'; names are: "
            + names.joined(separator: ", "))
      }
      list.append(
        Requirement(
          name: name, path: path, threshold: threshold, isMinimum: path[1] != "max_abs"))
    }
    return DriftGate(requirements: list)
  }

  /// What the report falls short of, a sentence each; empty when it passes.
  public func failures(_ report: DriftReport) -> [String] {
    requirements.compactMap { requirement in
      guard let value = report.json[requirement.path[0]]?[requirement.path[1]]?.numberValue else {
        return "\(requirement.name) could not be measured on these texts"
      }
      let passes =
        requirement.isMinimum ? value >= requirement.threshold : value <= requirement.threshold
      let word = requirement.isMinimum ? "at least" : "at most"
      return passes
        ? nil : "\(requirement.name) is \(value); required \(word) \(requirement.threshold)"
    }
  }
}
