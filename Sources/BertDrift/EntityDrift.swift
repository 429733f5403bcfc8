/// Tokens next to each other that a tagger gives one tag.
struct Entity: Hashable {
  /// Its tokens, counted from the text's first.
  let tokens: Range<Int>
  /// The tag, without its `B-` or `I-`.
  let tag: String

  /// The entities of a text's labels, one a token: runs of one tag, of which `B-` begins another;
  /// `O` is none.
  ///
  /// The first and the last token, which are special ones, belong to none.
  static func all(_ labels: [Int], names: [String]) -> [Entity] {
    var entities: [Entity] = []
    for token in labels.indices.dropFirst().dropLast() {
      let label = labels[token]
      let name = label < names.count ? names[label] : "LABEL_\(label)"
      if name == "O" { continue }
      let isMarked = name.hasPrefix("B-") || name.hasPrefix("I-")
      let tag = isMarked ? String(name.dropFirst(2)) : name
      if let last = entities.last, last.tokens.upperBound == token, last.tag == tag,
        !name.hasPrefix("B-")
      {
        entities[entities.count - 1] = Entity(
          tokens: last.tokens.lowerBound..<(token + 1), tag: tag)
      } else {
        entities.append(Entity(tokens: token..<(token + 1), tag: tag))
      }
    }
    return entities
  }
}

/// How the entities that a tagger finds change between the two paths.
package struct EntityDrift: Sendable {
  /// Entities of both paths alike.
  package private(set) var same = 0
  /// Entities of the other path alone.
  package private(set) var added = 0
  /// Entities of the reference alone.
  package private(set) var lost = 0
  /// Entities of the same tokens and different tags.
  package private(set) var relabelled = 0

  /// The share of all entities found that are not the same; nil when none was found.
  package var changed: Double? {
    let all = same + added + lost + relabelled
    return all == 0 ? nil : Double(all - same) / Double(all)
  }

  /// Adds a text's labels, one a token.
  mutating func add(reference: [Int], other: [Int], names: [String]) {
    func tags(_ labels: [Int]) -> [Range<Int>: String] {
      Dictionary(
        Entity.all(labels, names: names).map { ($0.tokens, $0.tag) }, uniquingKeysWith: { $1 })
    }
    let (a, b) = (tags(reference), tags(other))
    for (tokens, tag) in a {
      switch b[tokens] {
      case nil: lost += 1
      case tag: same += 1
      default: relabelled += 1
      }
    }
    added += b.keys.count { a[$0] == nil }
  }
}
