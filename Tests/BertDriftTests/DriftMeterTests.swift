import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Fixtures
import JSONText
import SystemLibrary
import Testing

@testable import BertDrift

/// The meter on whole models, against the same numbers computed from the encoders' outputs.
struct DriftMeterTests {
  static let model = GeneratedModel(
    BertConfiguration(
      vocabularySize: 80, hiddenSize: 36, layerCount: 3, headCount: 3, intermediateSize: 50,
      maximumPositions: 40, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu))
  static let lengths = [3, 1, 40, 17, 17, 2, 29]

  private func encoder(
    _ store: TensorStore, _ precision: Precision, budget: Int = DriftMeter.tokenBudget
  ) throws -> BertEncoder {
    try BertEncoder(
      source: store, precision: precision, kernels: .choose(), team: ThreadTeam(count: 2),
      tokenBudget: budget)
  }

  private func batch(_ lengths: [Int]) throws -> TokenBatch {
    var batch = TokenBatch()
    for (index, length) in lengths.enumerated() {
      try batch.append(
        ids: Self.model.ids(length, seed: UInt64(index)), for: Self.model.configuration)
    }
    return batch
  }

  private func report(
    _ store: TensorStore, _ batches: [TokenBatch], attributes: Bool = false
  ) throws -> DriftReport {
    let meter = try DriftMeter(
      source: store, kernels: .choose(), team: ThreadTeam(count: 2),
      pooler: Pooler(
        EmbeddingRecipe(.mean, normalizes: true), source: store, kernels: .choose()),
      attributes: attributes)
    for batch in batches { try meter.add(batch) }
    return try meter.report(settings: noSettings)
  }

  private func states(_ encoder: BertEncoder, _ batch: TokenBatch) throws -> [[Double]] {
    var rows: [[Double]] = []
    try encoder.encode(batch) { states in
      for token in states.tokens {
        rows.append((0..<36).map { Double(states.row(token)[$0]) })
      }
    }
    return rows
  }

  private func cosine(_ a: [Double], _ b: [Double]) -> Double {
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
  }

  @Test func numbersAreThoseOfTheEncodersOutputs() throws {
    let store = try Self.model.store(int8: Self.model.rounded)
    let batch = try batch(Self.lengths)
    let found = try report(store, [batch])
    let (a, b) = (
      try states(encoder(store, .float32), batch), try states(encoder(store, .int8), batch)
    )
    let (x, y) = (a.flatMap { $0 }, b.flatMap { $0 })
    let noise = zip(x, y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let sqnr = 10 * log10(x.reduce(0) { $0 + $1 * $1 } / noise)
    #expect(abs(found.hidden.sqnr - sqnr) < 1e-9)
    let cosines = zip(a, b).map { cosine($0, $1) }
    #expect(abs(found.hidden.cosineWorst - (cosines.min() ?? 0)) < 1e-12)
    #expect(found.hidden.largestDifference == zip(x, y).reduce(0) { max($0, abs($1.0 - $1.1)) })
    func means(_ rows: [[Double]]) -> [[Double]] {
      Self.lengths.indices.map { text in
        let tokens = rows[batch.range(text)]
        return (0..<36).map { i in tokens.reduce(0) { $0 + $1[i] } / Double(tokens.count) }
      }
    }
    let (p, q) = (means(a), means(b))
    let worst = zip(p, q).map { cosine($0, $1) }.min() ?? 0
    #expect(abs(found.embedding.cosineWorst - worst) < 1e-6)
    func pairs(_ v: [[Double]]) -> [Double] {
      v.indices.flatMap { i in (0..<i).map { cosine(v[i], v[$0]) } }
    }
    #expect(
      abs((found.ranking.spearman ?? 0) - (Ranking.spearman(pairs(p), pairs(q)) ?? 9)) < 1e-12)
    #expect(found.texts == 7 && found.tokens == 109 && found.layers.count == 3)
    #expect(found.layers[2].sqnr == found.hidden.sqnr)
  }

  /// Batches are an affair of memory: what is measured does not depend on them.
  @Test func batchesDoNotChangeTheNumbers() throws {
    let store = try Self.model.store(int8: Self.model.rounded)
    // 1 400 tokens are three passes.
    let lengths = (0..<35).map { _ in 40 } + Self.lengths
    var parts: [TokenBatch] = []
    for (index, length) in lengths.enumerated() {
      var part = TokenBatch()
      try part.append(
        ids: Self.model.ids(length, seed: UInt64(index)), for: Self.model.configuration)
      parts.append(part)
    }
    #expect(try report(store, parts).json == report(store, [batch(lengths)]).json)
  }

  @Test func everyPlaceIsBlamedForItsOwnPart() throws {
    let store = try Self.model.store(int8: Self.model.rounded)
    let found = try report(store, [batch(Self.lengths)], attributes: true)
    #expect(found.linears.count == 3 * 4 && found.sites.count == 5)
    for linear in found.linears { #expect(10..<60 ~= linear.outputs.sqnr, "\(linear)") }
    for site in found.sites {
      #expect(site.alone.sqnr > found.hidden.sqnr, "\(site.site.name)")
      #expect(site.without.sqnr > found.hidden.sqnr - 1, "\(site.site.name)")
    }
    let none = try report(store, [batch(Self.lengths)])
    #expect(none.linears.isEmpty && none.sites.isEmpty)
    #expect(none.hidden.sqnr == found.hidden.sqnr)
  }

  static let heads: [(ModelTask, HeadKind)] = [
    (.fillMask, .maskedWords), (.tag, .classifier), (.classify, .classifier), (.answer, .answer),
    (.nextSentence, .nextSentence),
  ]

  /// The numbers are those of both paths' scores, text by text.
  @Test(arguments: heads.indices)
  func answersAreComparedAsTheHeadsGiveThem(_ index: Int) throws {
    let (task, kind) = Self.heads[index]
    let store = try Self.model.store(task: task, head: kind, int8: Self.model.rounded)
    let batch = try batch(Self.lengths)
    func scores(_ precision: Precision) throws -> HeadScores {
      let encoder = try encoder(store, precision)
      let head = try #require(
        try HeadSource(
          store, precision: precision, kernels: encoder.kernels, team: encoder.team
        ).headOfTask())
      var scores = HeadScores(width: head.width)
      try encoder.encode(batch) { (states) throws(BertError) in
        try head.append(states, of: batch, to: &scores)
      }
      return scores
    }
    let (a, b) = (try scores(.float32), try scores(.int8))
    let reads: HeadDrift.Reading =
      switch task {
      case .answer: .spans
      case .tag: .entities([])
      default: .rows
      }
    var expected = HeadDrift(head: kind, reads: reads)
    for text in 0..<batch.count {
      func rows(_ scores: HeadScores) -> [Float] { scores.rows(text).flatMap { scores[$0] } }
      expected.add(
        reference: rows(a), other: rows(b), width: a.width,
        types: Array(batch.types[batch.range(text)]))
    }
    let found = try #require(try report(store, [batch]).head)
    #expect(found.answers == expected.answers && found.answers > 0)
    #expect(found.flips == expected.flips && found.top5 == expected.top5)
    #expect(found.entities?.changed == expected.entities?.changed)
    #expect(found.spans?.overlap == expected.spans?.overlap)
    #expect(found.largestProbabilityChange == expected.largestProbabilityChange)
    #expect((found.largestProbabilityChange ?? 0) > 0)
  }

  /// Texts that are all longer than the attribution looks at still give it one: the shortest.
  @Test func longTextsAreBlamedToo() throws {
    var configuration = Self.model.configuration
    configuration.maximumPositions = 1_400
    let model = GeneratedModel(configuration)
    let store = try model.store(int8: model.rounded)
    func found(_ lengths: [Int]) throws -> DriftReport {
      var batch = TokenBatch()
      for length in lengths { try batch.append(ids: model.ids(length), for: configuration) }
      return try report(store, [batch], attributes: true)
    }
    let long = try found([1_300, 1_100, 1_200])
    #expect(long.linears.count == 3 * 4 && long.sites.count == 5)
    #expect(long.linears.allSatisfy { $0.outputs.count == 1_100 })
    let mixed = try found([1_300, 30, 1_200])
    #expect(mixed.linears.allSatisfy { $0.outputs.count == 30 })
  }

  @Test func fewTextsHaveNoRanking() throws {
    let store = try Self.model.store(int8: Self.model.rounded)
    #expect(try report(store, [batch([5, 9])]).ranking.spearman == nil)
    #expect(try report(store, []).json["texts"] == 0)
  }

  @Test func bothPathsAreNeeded() throws {
    #expect(throws: BertError(.unsupported, "")) {
      _ = try report(Self.model.store(), [])
    }
  }
}

/// Nothing is known of how it was measured.
let noSettings = DriftReport.Settings(
  fingerprint: "f", model: "m", kernels: "k", quantizer: [("rounding", "nearest")], date: "d")
