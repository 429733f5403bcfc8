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
    _ recipe: EmbeddingRecipe, _ lengths: [Int], prompt: Int = 0
  ) throws -> (vectors: [[Float]], states: [[[Double]]]) {
    let store = try Self.model.store(embedding: recipe)
    let pooler = try Pooler(recipe, source: store, kernels: .choose())
    let encoder = try Self.model.encoder(store, .float32)
    let batch = try Self.model.batch(Self.model.texts(lengths))
    let width = Self.model.configuration.hiddenSize
    var vectors: [[Float]] = []
    var states: [[[Double]]] = []
    try encoder.encode(batch) { pass throws(BertError) in
      for text in pass.texts {
        vectors.append(
          try pooler.vector(pass, tokens: batch.range(text), promptTokens: prompt))
        states.append(
          batch.range(text).map { token in (0..<width).map { Double(pass.row(token)[$0]) } })
      }
    }
    return (vectors, states)
  }

  @Test(arguments: Pooling.allCases, [false, true])
  func vectorsAreThoseOfTheDefinition(_ pooling: Pooling, normalizes: Bool) throws {
    let (vectors, states) = try pool(
      EmbeddingRecipe(pooling, normalizes: normalizes), [1, 2, 17, 48])
    for (vector, rows) in zip(vectors, states) {
      var wanted = NaiveBert(model: Self.model).pool(pooling, rows)
      if normalizes {
        let length = wanted.reduce(0) { $0 + $1 * $1 }.squareRoot()
        wanted = wanted.map { $0 / length }
      }
      #expect(largestDifference(vector, wanted) <= Self.tolerance)
    }
  }

  @Test(arguments: Pooling.allCases)
  func tokensOfAPromptAreLeftOutWhereTheRecipeSaysSo(_ pooling: Pooling) throws {
    var recipe = EmbeddingRecipe(pooling)
    let (all, states) = try pool(recipe, [9, 30], prompt: 4)
    recipe.poolsPrompt = false
    let (rest, _) = try pool(recipe, [9, 30], prompt: 4)
    let naive = NaiveBert(model: Self.model)
    for (index, rows) in states.enumerated() {
      #expect(largestDifference(all[index], naive.pool(pooling, rows)) <= Self.tolerance)
      // The pooler reads the first token as it is; weights are those of the whole text's places.
      var wanted = naive.pool(
        pooling, pooling == .pooler ? rows : Array(rows[4...]))
      if pooling == .weightedMean {
        let places = 4..<rows.count
        wanted = rows[0].indices.map { i in
          let total = places.reduce(0.0) { $0 + Double($1 + 1) * rows[$1][i] }
          return total / places.reduce(0.0) { $0 + Double($1 + 1) }
        }
      }
      #expect(largestDifference(rest[index], wanted) <= Self.tolerance)
    }
    #expect(throws: BertError(.malformed, "")) { try pool(recipe, [4], prompt: 4) }
  }

  @Test func dimensionsAreTheFirstOfTheVectorAsTheyAre() throws {
    var recipe = EmbeddingRecipe(.mean, normalizes: true)
    let (whole, _) = try pool(recipe, [5])
    recipe.dimensions = 7
    let (cut, _) = try pool(recipe, [5])
    #expect(cut == [Array(whole[0][..<7])])
  }

  @Test func severalPoolingsStandEndToEnd() throws {
    var recipe = EmbeddingRecipe(.cls)
    let (first, _) = try pool(recipe, [6])
    let (second, _) = try pool(EmbeddingRecipe(.max), [6])
    recipe.poolings = [.cls, .max]
    #expect(try pool(recipe, [6]).vectors == [first[0] + second[0]])
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
