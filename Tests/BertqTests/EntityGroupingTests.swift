import BertTokenize
import Testing

@testable import Bertq

/// From labelled tokens to entities: tables of what the reference's pipeline gives.
struct EntityGroupingTests {
  static let names = ["O", "B-PER", "I-PER", "B-LOC", "X-ODD"]

  /// A token of a text: its scalars, whether it continues a word, and the probabilities of the labels.
  typealias Token = (Range<Int>, Bool, [Float])

  /// "Anna Smith, Rome", with Smith in two pieces.
  static let tokens: [Token] = [
    (0..<4, false, [0.1, 0.7, 0.1, 0.05, 0.05]), (5..<7, false, [0.1, 0.1, 0.6, 0.1, 0.1]),
    (7..<10, true, [0.5, 0.1, 0.2, 0.1, 0.1]), (10..<11, false, [0.9, 0.1, 0, 0, 0]),
    (12..<16, false, [0.1, 0.1, 0.1, 0.2, 0.5]),
  ]

  struct Expected: Sendable {
    let aggregation: Aggregation
    let entities: [(label: String, text: String, score: Float)]
  }

  static let table = [
    Expected(
      aggregation: .none,
      entities: [("B-PER", "Anna", 0.7), ("I-PER", "Sm", 0.6), ("X-ODD", "Rome", 0.5)]),
    // The second piece is "O", which ends the name; the dash of a label that is no scheme's goes too.
    Expected(aggregation: .simple, entities: [("PER", "Anna Sm", 0.65), ("ODD", "Rome", 0.5)]),
    Expected(aggregation: .first, entities: [("PER", "Anna Smith", 0.65), ("ODD", "Rome", 0.5)]),
    // Smith's means are 0.3, 0.1, 0.4, 0.1, 0.1.
    Expected(aggregation: .average, entities: [("PER", "Anna Smith", 0.55), ("ODD", "Rome", 0.5)]),
    Expected(aggregation: .max, entities: [("PER", "Anna Smith", 0.65), ("ODD", "Rome", 0.5)]),
  ]

  private func entities(_ aggregation: Aggregation, _ tokens: [Token], _ text: String) -> [Entity] {
    EntityGrouping(names: Self.names, aggregation: aggregation).entities(
      tokens.map {
        TaggedToken(
          probabilities: $0.2, start: $0.0.lowerBound, end: $0.0.upperBound, continuesWord: $0.1)
      }, TextPlaces(Array(text.utf8)))
  }

  @Test(arguments: table.indices)
  func groupsAreTheReferences(_ index: Int) {
    let expected = Self.table[index]
    let found = entities(expected.aggregation, Self.tokens, "Anna Smith, Rome")
    #expect(found.map(\.label) == expected.entities.map(\.label))
    #expect(found.map(\.text) == expected.entities.map(\.text))
    for (entity, other) in zip(found, expected.entities) {
      #expect(abs(entity.score - other.score) < 1e-6)
    }
  }

  @Test func twoThatBeginAreTwo() {
    let begins: [Float] = [0, 1, 0, 0, 0]
    let found = entities(.simple, [(0..<1, false, begins), (2..<3, false, begins)], "A B")
    #expect(found.map(\.text) == ["A", "B"] && found.map(\.label) == ["PER", "PER"])
  }

  /// Scalars and bytes are counted in the text as given, whatever bytes it has.
  @Test func placesAreScalarsAndBytes() {
    let place: [Float] = [0, 0, 0, 1, 0]
    let text = "é 🏔 e\u{301}x"
    let found = entities(.none, [(2..<3, false, place), (4..<7, false, place)], text)
    #expect(found.map(\.text) == ["🏔", "e\u{301}x"])
    #expect(found.map(\.byteStart) == [3, 8] && found.map(\.byteEnd) == [7, 12])
    let none = EntityGrouping(names: Self.names, aggregation: .max).entities(
      [], TextPlaces([]))
    #expect(none.isEmpty)
    // A byte that is no UTF-8 counts as one scalar, as the tokenizer counts it.
    let places = TextPlaces([0x61, 0xFF, 0xE2, 0x82, 0x62])
    #expect(places.count == 4 && (0...4).map(places.byte) == [0, 1, 2, 4, 5])
  }
}
