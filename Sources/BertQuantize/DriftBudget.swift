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
  package let cosine: Double?
  /// The least SQNR of the last hidden states, in dB.
  package let sqnr: Double?

  /// A budget of one measure or both.
  ///
  /// - Throws: `usage` for a cosine that int8 cannot keep, or for no measure at all.
  package init(cosine: Double? = nil, sqnr: Double? = nil) throws(BertError) {
    if cosine == nil && sqnr == nil {
      throw BertError(.usage, "a drift budget names cosine, sqnr or both")
    }
    if let cosine, cosine >= 1 {
      throw BertError(
        .usage, "int8 cannot keep a cosine of \(cosine); ask for less than 1")
    }
    self.cosine = cosine
    self.sqnr = sqnr
  }

  /// Whether a drift keeps to it.
  package func holds(_ drift: HeldOutDrift.Measurement) -> Bool {
    drift.worstCosine >= (cosine ?? -2) && drift.sqnr >= (sqnr ?? -.infinity)
  }
}
