/// What is wrong with the items of a list: one error names all of them.
package struct ItemFaults: Sendable {
  private var first: ServeError?
  private var places: [String] = []
  private var indices: [Int] = []
  private var count = 0

  package init() {}

  /// Places that a message names at most; the indices are all there.
  private static let placesNamed = 20

  /// Notes an item's error, whose place is the item's.
  ///
  /// - Parameter index: where the item stands in its list; nil for one that stands outside of it.
  package mutating func note(_ error: ServeError, at index: Int?) {
    first = first ?? error
    count += 1
    if let index { indices.append(index) }
    if count <= Self.placesNamed, let place = error.place { places.append(place) }
  }

  /// Refuses the list if anything is wrong with it.
  package func check() throws(ServeError) { if let error { throw error } }

  /// The first item's error, with what tells all others.
  package var error: ServeError? {
    guard var error = first else { return nil }
    error.indices = indices
    if count > 1 {
      let more = count > Self.placesNamed ? " and others" : ""
      error.message += "; \(count) are at fault: \(places.joined(separator: ", "))\(more)"
    }
    return error
  }
}
