/// The texts that models are calibrated with when none are given; written for this purpose.
///
/// What counts is variety: of the inputs that they drive apart, of lengths and of scripts, for a
/// model may be used with any of them.
package enum CalibrationTexts {
  /// Raised whenever a text changes.
  package static let version = 1

  /// All texts; English ones and others take turns, so that every part of the list has both.
  package static let all: [String] = {
    let parts = [english, languages].map { $0.split(separator: "\n").map(String.init) }
    let count = parts.reduce(0) { $0 + $1.count }
    var places: [(position: Int, part: Int, index: Int)] = []
    for (part, texts) in parts.enumerated() {
      for index in texts.indices {
        places.append((position: (2 * index + 1) * count / texts.count, part: part, index: index))
      }
    }
    places.sort { ($0.position, $0.part, $0.index) < ($1.position, $1.part, $1.index) }
    return places.map { parts[$0.part][$0.index] }
  }()
}
