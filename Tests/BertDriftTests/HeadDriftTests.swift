import BertErrors
import BertModel
import BertRuntime
import Fixtures
import JSONText
import SystemLibrary
import Testing

@testable import BertDrift

/// How answers change, on made-up logits whose numbers are worked out by hand.
struct HeadDriftTests {
  private func labels(
    _ problem: LabelProblem, _ reference: [Float], _ other: [Float], width: Int
  ) -> HeadDrift {
    var drift = HeadDrift(head: .classifier, reads: .rows, problem: problem)
    drift.add(reference: reference, other: other, width: width)
    return drift
  }

  private func isNear(_ found: Double?, _ expected: Double) -> Bool {
    found.map { abs($0 - expected) < 1e-12 } ?? false
  }

  // MARK: Labels

  @Test func oneOfSeveralFlipsWithTheBestLabel() {
    // The second of four rows changes its best label; ln 3 is a probability of 3/4 beside 0.
    let third = Float(log(3.0))
    let found = labels(
      .oneOfSeveral, [2, 0, 0, 0.1, 0, 5, 1, 0], [1, 0, 0.2, 0, 0, 5, 1, 0], width: 2)
    #expect(found.answers == 4 && found.flips == 0.25 && found.top1 == 0.75 && found.top5 == nil)
    let change = labels(.oneOfSeveral, [third, 0], [0, 0], width: 2)
    #expect(abs((change.largestProbabilityChange ?? 0) - 0.25) < 1e-7)
    #expect(change.largestScoreChange == nil)
  }

  @Test func independentLabelsFlipOneByOneAtAHalf() {
    let found = labels(
      .independent, [1, -1, 0.1, -0.1, 3, 3], [1, 1, -0.1, -0.2, 2, 4], width: 3)
    #expect(found.answers == 6 && isNear(found.flips, 2.0 / 6) && found.top1 == nil)
    let change = 1 / (1 + exp(-1.0)) - 1 / (1 + exp(1.0))
    #expect(isNear(found.largestProbabilityChange, change))
  }

  @Test func aSingleLogitFlipsWithItsSign() {
    let found = labels(.oneLogit, [1, -1, 0.5, 9], [2, 1, -0.5, 9], width: 1)
    #expect(found.answers == 4 && found.flips == 0.5 && found.top1 == 0.5)
    #expect(isNear(found.largestProbabilityChange, 1 / (1 + exp(-1.0)) - 1 / (1 + exp(1.0))))
  }

  @Test func aRegressionChangesInItsOwnUnits() {
    let found = labels(.regression, [10, -3, 0], [12.5, -3, 0.5], width: 1)
    #expect(found.answers == 3 && found.largestScoreChange == 2.5)
    #expect(found.flips == nil && found.top1 == nil && found.largestProbabilityChange == nil)
  }

  @Test func theFiveBestAreCountedOfRowsOfSix() {
    var words = HeadDrift(head: .maskedWords, reads: .rows)
    words.add(
      reference: [9, 8, 7, 6, 5, 4, 3] + [1, 2, 3, 4, 5, 6, 7],
      other: [9, 8, 7, 6, 3, 4, 5] + [7, 2, 3, 4, 5, 6, 1], width: 7)
    // 4 of 5 shared (the fifth became the last), then 4 of 5 with another first.
    #expect(words.top5 == 0.8 && words.top1 == 0.5)
  }

  @Test func aNaNIsNotHidden() {
    #expect(labels(.regression, [1], [.nan], width: 1).largestScoreChange?.isNaN == true)
    #expect(labels(.oneLogit, [1], [.nan], width: 1).largestProbabilityChange?.isNaN == true)
    #expect(
      labels(.oneOfSeveral, [1, 2], [.nan, 2], width: 2).largestProbabilityChange?.isNaN == true)
  }

  // MARK: Entities

  static let names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
  static let taggings: [(labels: [Int], entities: [Entity])] = [
    ([0, 1, 2, 0, 3, 0], [.init(tokens: 1..<3, tag: "PER"), .init(tokens: 4..<5, tag: "LOC")]),
    // B begins another; I goes on, also after a B of another tag, as an entity of its own.
    ([0, 1, 1, 2, 0], [.init(tokens: 1..<2, tag: "PER"), .init(tokens: 2..<4, tag: "PER")]),
    ([0, 1, 4, 4, 0], [.init(tokens: 1..<2, tag: "PER"), .init(tokens: 2..<4, tag: "LOC")]),
    // The first and last tokens are special ones.
    ([1, 0, 2, 2], [.init(tokens: 2..<3, tag: "PER")]),
    ([0, 7, 7, 0], [.init(tokens: 1..<3, tag: "LABEL_7")]),
    ([0, 0], []), ([1], []), ([], []),
  ]

  @Test(arguments: taggings.indices)
  func entitiesAreRunsOfATag(_ index: Int) {
    let (labels, entities) = Self.taggings[index]
    #expect(Entity.all(labels, names: Self.names) == entities)
  }

  @Test func entitiesAreAddedLostAndRelabelled() {
    var drift = EntityDrift()
    #expect(drift.changed == nil)
    drift.add(
      reference: [0, 1, 2, 0, 3, 0, 1, 0, 0], other: [0, 1, 2, 0, 1, 0, 0, 3, 0],
      names: Self.names)
    #expect(drift.same == 1 && drift.relabelled == 1 && drift.lost == 1 && drift.added == 1)
    #expect(drift.changed == 0.75)
    // Longer by a token: one lost, another added.
    drift.add(reference: [0, 1, 0, 0], other: [0, 1, 2, 0], names: Self.names)
    #expect(drift.lost == 2 && drift.added == 2 && isNear(drift.changed, 5.0 / 6))
  }

  @Test func taggersAreMeasuredByTokenAndByEntity() {
    var drift = HeadDrift(head: .classifier, reads: .entities(["O", "B-X"]))
    drift.add(
      reference: [1, 0, 0, 1, 0, 1, 1, 0], other: [1, 0, 0, 1, 1, 0, 1, 0], width: 2)
    #expect(drift.answers == 4 && drift.flips == 0.25)
    #expect(drift.entities?.same == 1 && drift.entities?.lost == 1)
  }

  // MARK: Spans

  static let contexts: [(types: [UInt8], context: Range<Int>)] = [
    ([0, 0, 0, 1, 1, 1], 3..<5), ([0, 0, 0, 0], 1..<3), ([0, 0, 1], 0..<3), ([0], 0..<1),
    ([0, 0], 0..<2), ([0, 1, 1], 1..<2),
  ]

  @Test(arguments: contexts.indices)
  func answersLieInTheSecondText(_ index: Int) {
    let (types, context) = Self.contexts[index]
    #expect(AnswerSpan.context(types, tokens: types.count) == context)
  }

  /// Rows of a start and an end.
  private func rows(_ starts: [Float], _ ends: [Float]) -> [Float] {
    zip(starts, ends).flatMap { [$0, $1] }
  }

  @Test func theBestAnswerEndsBehindItsStart() {
    let found = AnswerSpan.best(rows([9, 0, 5, 1, 0], [9, 8, 0, 3, 7]), in: 1..<4)
    // 1…1: 0 + 8; 2…3: 5 + 3: the first of equal ones.
    #expect(found == 1...1)
    #expect(AnswerSpan.best(rows([0, 1, 6], [0, 5, 1]), in: 0..<3) == 2...2)
    var ends = [Float](repeating: 0, count: 40)
    (ends[15], ends[14]) = (9, 4)
    var starts = ends.map { _ in Float(0) }
    starts[0] = 9
    // 0…15 would be 16 tokens.
    #expect(AnswerSpan.best(rows(starts, ends), in: 0..<40) == 0...14)
  }

  @Test func answersAreComparedByTheirTokens() {
    let types: [UInt8] = [0, 0, 1, 1, 1, 1, 1]
    var drift = HeadDrift(head: .answer, reads: .spans)
    func text(_ start: Int, _ end: Int) -> [Float] {
      (0..<7).flatMap { [$0 == start ? 9 : 0, $0 == end ? 9 : 0] as [Float] }
    }
    drift.add(reference: text(2, 4), other: text(2, 4), width: 2, types: types)
    drift.add(reference: text(2, 4), other: text(3, 5), width: 2, types: types)
    drift.add(reference: text(2, 2), other: text(4, 5), width: 2, types: types)
    #expect(drift.answers == 3 && isNear(drift.flips, 2.0 / 3) && isNear(drift.top1, 1.0 / 3))
    // Two of three tokens shared, then none.
    #expect(isNear(drift.spans?.overlap, (1 + 4.0 / 6) / 3))
  }

  // MARK: In the report

  @Test func theReportHasWhatTheHeadHas() throws {
    func json(_ head: HeadDrift) -> JSON? {
      DriftReport(
        texts: 1, tokens: 1, hidden: VectorDrift(), embedding: VectorDrift(), worstText: "",
        head: head, ranking: RankingDrift(reference: [], other: []), parity: nil, layers: [],
        linears: [],
        sites: [], settings: noSettings
      ).json["head"]
    }
    let score = json(labels(.regression, [1], [1.5], width: 1))
    #expect(score?["max_score_change"]?.numberValue == 0.5 && score?["flips"]?.isNull == true)
    var tagger = HeadDrift(head: .classifier, reads: .entities(["O", "X"]))
    tagger.add(reference: [1, 0, 0, 1, 1, 0], other: [1, 0, 0, 1, 1, 0], width: 2)
    let tags = json(tagger)
    #expect(tags?["entities_same"]?.numberValue == 1 && tags?["entities_changed"]?.numberValue == 0)
    #expect(tags?["spans_changed"]?.isNull == true)
    for name in DriftGate.names where name.hasPrefix("head.") {
      #expect(tags?[String(name.dropFirst(5))] != nil, "\(name)")
    }
  }
}
