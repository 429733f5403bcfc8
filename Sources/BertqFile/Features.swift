import BertErrors
import BertModel

extension Header {
  /// Refuses a file that needs what this program does not know, by its name.
  ///
  /// - Throws: `unsupported` for names that are not known, `malformed` for a list out of order.
  static func checkFeatures(_ names: [String]) throws(BertError) -> Set<ModelFeature> {
    var known: Set<ModelFeature> = []
    let unknown = names.filter { ModelFeature(rawValue: $0) == nil }
    if let first = unknown.first {
      throw BertError(
        .unsupported,
        "needs the feature \(printable(first))"
          + (unknown.count > 1 ? " and \(unknown.count - 1) more" : "")
          + ", which this program does not have; use a newer one")
    }
    for (name, next) in zip(names, names.dropFirst())
    where !name.utf8.lexicographicallyPrecedes(
      next.utf8)
    {
      throw BertError(.malformed, "the features are not in order, or one is there twice")
    }
    for name in names {
      if let feature = ModelFeature(rawValue: name) { known.insert(feature) }
    }
    return known
  }

  /// Refuses a header that uses a feature it does not name: an older reader would pass it over.
  func checkUsed(_ named: Set<ModelFeature>) throws(BertError) {
    let used = description.features(
      tensors: tensors.map { ($0.tensor.name, $0.tensor.elementType) })
    if let missing = used.subtracting(named).map(\.rawValue).min() {
      throw BertError(.malformed, "uses the feature '\(missing)' without naming it")
    }
  }
}
