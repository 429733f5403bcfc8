import BertTokenize

/// A token of a text, and how likely each label is.
struct TaggedToken {
  let probabilities: [Float]
  /// The Unicode scalars that it covers.
  let start: Int
  let end: Int
  /// Whether it belongs to the word of the token before it.
  let continuesWord: Bool
}

/// From labelled tokens to entities, as the reference's pipeline for token classification does it.
struct EntityGrouping {
  let names: [String]
  let aggregation: Aggregation

  /// A token, or a word, with the label that was decided for it.
  private struct Labelled {
    let label: String
    let score: Float
    let start: Int
    let end: Int

    /// Whether it must begin an entity, and the label without that.
    var tag: (begins: Bool, name: Substring) {
      if label.hasPrefix("B-") { return (true, label.dropFirst(2)) }
      if label.hasPrefix("I-") { return (false, label.dropFirst(2)) }
      return (false, label[...])
    }
  }

  /// The entities that are not labelled `O`.
  func entities(_ tokens: [TaggedToken], _ text: TextPlaces) -> [Entity] {
    let labelled: [Labelled]
    switch aggregation {
    case .none, .simple: labelled = tokens.map { decided([$0], $0.probabilities) }
    case .first, .average, .max: labelled = words(tokens).map(decided)
    }
    let found = aggregation == .none ? labelled : grouped(labelled)
    return found.filter { $0.label != "O" }.map { item in
      Entity(
        label: item.label, score: item.score, start: item.start, end: item.end,
        byteStart: text.byte(item.start), byteEnd: text.byte(item.end),
        text: text.text(item.start..<max(item.start, item.end)))
    }
  }

  private func words(_ tokens: [TaggedToken]) -> [[TaggedToken]] {
    var words: [[TaggedToken]] = []
    for token in tokens {
      if token.continuesWord, !words.isEmpty {
        words[words.count - 1].append(token)
      } else {
        words.append([token])
      }
    }
    return words
  }

  private func decided(_ tokens: [TaggedToken], _ probabilities: [Float]) -> Labelled {
    let best = Self.largest(probabilities)
    return Labelled(
      label: names[best], score: probabilities[best], start: tokens[0].start,
      end: tokens[tokens.count - 1].end)
  }

  /// The label of a word.
  private func decided(_ word: [TaggedToken]) -> Labelled {
    switch aggregation {
    case .average:
      let means = names.indices.map { label in
        word.reduce(Float(0)) { $0 + $1.probabilities[label] } / Float(word.count)
      }
      return decided(word, means)
    case .max:
      let surest = word.map { $0.probabilities[Self.largest($0.probabilities)] }
      return decided(word, word[Self.largest(surest)].probabilities)
    case .none, .simple, .first: return decided(word, word[0].probabilities)
    }
  }

  /// The place of the largest; of equal ones the first.
  private static func largest(_ values: [Float]) -> Int {
    var best = 0
    for (index, value) in values.enumerated() where value > values[best] { best = index }
    return best
  }

  /// Neighbours of one label become one, unless the second must begin an entity.
  private func grouped(_ items: [Labelled]) -> [Labelled] {
    var groups: [[Labelled]] = []
    for item in items {
      if let last = groups.last?.last, item.tag.name == last.tag.name, !item.tag.begins {
        groups[groups.count - 1].append(item)
      } else {
        groups.append([item])
      }
    }
    return groups.map { group in
      let label = group[0].label
      // What is before the first dash is the scheme's, whatever it is.
      let name = label.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).last
      return Labelled(
        label: String(name ?? label[...]),
        score: group.reduce(0) { $0 + $1.score } / Float(group.count),
        start: group[0].start, end: group[group.count - 1].end)
    }
  }
}
