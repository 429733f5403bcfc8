import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Fixtures
import Glibc
import JSONText
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
  ) throws -> Encoder {
    try Encoder(
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
    _ store: TensorStore, _ batches: [TokenBatch], budget: Int = DriftMeter.tokenBudget,
    other: Precision = .int8
  ) throws -> DriftReport {
    let meter = DriftMeter(
      reference: try encoder(store, .float32, budget: budget),
      other: try encoder(store, other, budget: budget),
      pooler: try Pooler(.mean, source: store, kernels: .choose()), normalizes: true)
    for batch in batches { try meter.add(batch) }
    return meter.report(
      fingerprint: "x", settings: .init(kernels: "k", quantizer: [], date: ""))
  }

  private func states(_ encoder: Encoder, _ batch: TokenBatch) throws -> [[Double]] {
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
    let store = try Self.model.store { Self.model.rounded($0, $1) }
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
    #expect(abs((found.spearman ?? 0) - (Ranking.spearman(pairs(p), pairs(q)) ?? 9)) < 1e-12)
    #expect(found.texts == 7 && found.tokens == 109 && found.layers.count == 3)
    #expect(found.layers[2].sqnr == found.hidden.sqnr)
  }

  /// Passes are an affair of memory: what is measured does not depend on them.
  @Test(arguments: [1, 20, 64])
  func budgetsAndBatchesDoNotChangeTheNumbers(_ budget: Int) throws {
    let store = try Self.model.store { Self.model.rounded($0, $1) }
    let whole = try report(store, [batch(Self.lengths)])
    let passes = try report(store, [batch(Self.lengths)], budget: budget)
    #expect(whole.json == passes.json)
  }

  @Test func aPathHasNoDriftAgainstItself() throws {
    let store = try Self.model.store()
    let found = try report(store, [batch([5, 9]), batch([7])], other: .float32)
    #expect(found.hidden.sqnr == .infinity && found.hidden.largestDifference == 0)
    #expect(abs(found.hidden.cosineWorst - 1) < 1e-12)
    #expect(found.spearman == 1)
    #expect(found.json["hidden"]?["sqnr_db"]?.numberValue == .greatestFiniteMagnitude)
  }

  @Test func fewTextsHaveNoRanking() throws {
    let store = try Self.model.store { Self.model.rounded($0, $1) }
    #expect(try report(store, [batch([5, 9])]).spearman == nil)
    #expect(try report(store, []).json["texts"] == 0)
  }
}
