import BertErrors
import BertModel

/// A linear of a model.
package struct LinearName: Hashable, Sendable, CustomStringConvertible {
  /// Its layer, from 0.
  package let layer: Int
  /// Its place in the layer.
  package let site: LinearSite

  /// Names a linear.
  package init(_ layer: Int, _ site: LinearSite) {
    self.layer = layer
    self.site = site
  }

  /// Its canonical name.
  package var description: String { CanonicalName.linear(layer, site) }
}

/// How much an int8 model may drift from float32.
package struct DriftBudget: Equatable, Sendable {
  /// The least cosine of a text's two vectors.
  package private(set) var cosine: Double?
  /// The least SQNR of the last hidden states, in dB.
  package private(set) var sqnr: Double?

  /// Reads `cosine=0.9995,sqnr=32`, or one of the two.
  ///
  /// - Throws: `usage` for another name, or a number that cannot be.
  package static func parse(_ text: String) throws(BertError) -> DriftBudget {
    var budget = DriftBudget()
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(separator: "=", omittingEmptySubsequences: false)
      guard sides.count == 2, let value = Double(sides[1]), value.isFinite else {
        throw BertError(
          .usage, "'\(part)' in --max-drift is not cosine=NUMBER or sqnr=NUMBER")
      }
      switch sides[0] {
      case "cosine":
        guard value < 1 else {
          throw BertError(
            .usage, "--max-drift cosine=\(value): int8 cannot keep it; ask for less than 1")
        }
        budget.cosine = value
      case "sqnr": budget.sqnr = value
      default:
        throw BertError(.usage, "--max-drift knows cosine and sqnr, not '\(sides[0])'")
      }
    }
    return budget
  }

  /// Whether a drift keeps to it.
  package func holds(_ drift: HeldOutDrift.Measurement) -> Bool {
    drift.worstCosine >= (cosine ?? -2) && drift.sqnr >= (sqnr ?? -.infinity)
  }
}
