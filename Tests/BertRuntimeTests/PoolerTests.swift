import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Fixtures
import Testing

/// One vector from many.
struct PoolerTests {
  static let tolerance = 1e-5
  static let model = GeneratedModel(configuration(heads: 3, headSize: 11))

  /// The vectors of texts of these lengths, and their hidden states in double precision.
  private func pool(
    _ pooling: Pooling, normalizes: Bool, _ lengths: [Int]
  ) throws -> (vectors: [[Float]], states: [[[Double]]]) {
    let store = try Self.model.store()
    let pooler = try Pooler(pooling, source: store, kernels: .choose())
    let encoder = try Self.model.encoder(store, .float32)
    let batch = try Self.model.batch(Self.model.texts(lengths))
    let width = Self.model.configuration.hiddenSize
    var vectors: [[Float]] = []
    var states: [[[Double]]] = []
    try encoder.encode(batch) { pass throws(BertError) in
      for text in pass.texts {
        vectors.append(
          try pooler.vector(pass, tokens: batch.range(text), normalizes: normalizes))
        states.append(
          batch.range(text).map { token in (0..<width).map { Double(pass.row(token)[$0]) } })
      }
    }
    return (vectors, states)
  }

  @Test(arguments: Pooling.allCases, [false, true])
  func vectorsAreThoseOfTheDefinition(_ pooling: Pooling, normalizes: Bool) throws {
    let (vectors, states) = try pool(pooling, normalizes: normalizes, [1, 2, 17, 48])
    for (vector, rows) in zip(vectors, states) {
      var wanted = NaiveBert(model: Self.model).pool(pooling, rows)
      if normalizes {
        let length = wanted.reduce(0) { $0 + $1 * $1 }.squareRoot()
        wanted = wanted.map { $0 / length }
      }
      #expect(largestDifference(vector, wanted) <= Self.tolerance)
    }
  }

  @Test func aModelWithoutPoolerIsUnsupported() throws {
    let store = try GeneratedModel(configuration(), hasPooler: false).store()
    #expect(throws: BertError(.unsupported, "")) {
      _ = try Pooler(.pooler, source: store, kernels: .choose())
    }
    _ = try Pooler(.mean, source: store, kernels: .choose())
    _ = try Pooler(.cls, source: store, kernels: .choose())
  }

  @Test func aPoolerWithoutBiasIsMalformed() throws {
    let store = try GeneratedModel(configuration()).store()
    store.remove(CanonicalName.pooler + ".bias")
    #expect(throws: BertError(.malformed, "")) {
      _ = try Pooler(.pooler, source: store, kernels: .choose())
    }
  }
}
