import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Fixtures
import Testing

/// The promise: a text's vectors have the same bits in any batch, with any number of threads, any
/// budget of memory, and any kernels.
struct SameBitsTests {
  /// Head sizes, widths and activations that meet the edges of panels, groups and vectors.
  static let shapes: [BertConfiguration] =
    [
      configuration(heads: 3, headSize: 11),
      configuration(
        heads: 2, headSize: 32, intermediate: 100, positions: 130, activation: .geluTanh),
      configuration(heads: 1, headSize: 80, layers: 1, intermediate: 33, activation: .relu),
      configuration(heads: 3, headSize: 16, layers: 1, intermediate: 192),
      configuration(heads: 2, headSize: 32, intermediate: 40, positions: 130, biasSpan: 91),
      relative(configuration(heads: 2, headSize: 32, intermediate: 40, positions: 130)) {
        $0.relative = RelativeTerms(
          starts: Array(0...30) + [40, 55, 91], hasKeys: true, hasQueries: true)
      },
    ] + relatives

  /// A model with both paths, 32 texts of mixed lengths, and the states of each computed alone.
  struct Case {
    let model: GeneratedModel
    let store: TensorStore
    let texts: [Text]
    let precision: Precision
    let alone: [[Float]]

    init(_ shape: Int, _ precision: Precision) throws(BertError) {
      self.precision = precision
      model = GeneratedModel(SameBitsTests.shapes[shape], seed: UInt64(shape + 1))
      store = try model.store { [model] in
        shape == 0 ? model.rounded($0, $1) : model.rotated($0, $1)
      }
      let longest = model.configuration.maximumPositions
      texts = model.texts((0..<32).map { $0 == 5 ? longest : 1 + ($0 * 13 + $0 * $0) % 47 })
      let encoder = try model.encoder(store, precision)
      var alone: [[Float]] = []
      for text in texts { alone += try encoder.hiddenStates(model.batch([text])) }
      self.alone = alone
    }

    /// Runs these texts as one batch and counts those whose bits are not those of the text alone.
    func differences(_ encoder: BertEncoder, _ order: [Int]) throws(BertError) -> Int {
      let found = try encoder.hiddenStates(model.batch(order.map { texts[$0] }))
      return zip(order, found).count { !haveSameBits(alone[$0], $1) }
    }
  }

  @Test(arguments: shapes.indices, Precision.allCases)
  func batchOfOneEqualsBatchOfThirtyTwo(_ shape: Int, _ precision: Precision) throws {
    let fixture = try Case(shape, precision)
    let encoder = try fixture.model.encoder(fixture.store, precision)
    #expect(try fixture.differences(encoder, Array(fixture.texts.indices)) == 0)
  }

  @Test(arguments: shapes.indices, Precision.allCases)
  func anyBatchInAnyOrderGivesTheSameBits(_ shape: Int, _ precision: Precision) throws {
    let fixture = try Case(shape, precision)
    let encoder = try fixture.model.encoder(fixture.store, precision)
    var random = SeededGenerator(seed: 3)
    for size in [2, 7, 32] {
      let order = fixture.texts.indices.shuffled(using: &random)
      for start in stride(from: 0, to: order.count, by: size) {
        let batch = Array(order[start..<min(start + size, order.count)])
        #expect(try fixture.differences(encoder, batch) == 0, "batches of \(size)")
      }
    }
  }

  @Test(arguments: shapes.indices, Precision.allCases)
  func anyThreadCountGivesTheSameBits(_ shape: Int, _ precision: Precision) throws {
    let fixture = try Case(shape, precision)
    for threads in [1, 2, 3, 8] {
      let encoder = try fixture.model.encoder(fixture.store, precision, threads: threads)
      for order in [Array(fixture.texts.indices), [5], [0], [9, 5, 1]] {
        #expect(try fixture.differences(encoder, order) == 0, "\(threads) threads")
      }
    }
  }

  @Test(arguments: shapes.indices, Precision.allCases)
  func anyTokenBudgetGivesTheSameBits(_ shape: Int, _ precision: Precision) throws {
    let fixture = try Case(shape, precision)
    for budget in [1, 64, 100_000] {
      let encoder = try fixture.model.encoder(
        fixture.store, precision, threads: 2, tokenBudget: budget)
      #expect(
        try fixture.differences(encoder, Array(fixture.texts.indices)) == 0, "budget \(budget)")
    }
  }

  @Test(arguments: shapes.indices, Precision.allCases)
  func anyKernelSetGivesTheSameBits(_ shape: Int, _ precision: Precision) throws {
    let fixture = try Case(shape, precision)
    for kernels in KernelSet.available {
      let encoder = try fixture.model.encoder(
        fixture.store, precision, kernels: kernels, threads: 2)
      #expect(
        try fixture.differences(encoder, Array(fixture.texts.indices)) == 0, "\(kernels.name)")
    }
    print("kernel sets compared: \(KernelSet.available.map(\.name).joined(separator: ", "))")
  }

  @Test(arguments: Precision.allCases)
  func anyKernelSetPoolsToTheSameBits(_ precision: Precision) throws {
    let fixture = try Case(0, precision)
    for pooling in Pooling.allCases {
      var expected: [Float]?
      for kernels in KernelSet.available {
        let pooler = try Pooler(
          EmbeddingRecipe(pooling, normalizes: true), source: fixture.store, kernels: kernels)
        let encoder = try fixture.model.encoder(fixture.store, precision, kernels: kernels)
        let batch = try fixture.model.batch(fixture.texts)
        var found: [Float] = []
        try encoder.encode(batch) { states throws(BertError) in
          for text in states.texts {
            found += try pooler.vector(states, tokens: batch.range(text))
          }
        }
        #expect(haveSameBits(expected ?? found, found), "\(pooling) \(kernels.name)")
        expected = expected ?? found
      }
    }
  }

  /// An encoder's memory is used again: nothing of a longer text may be left for a shorter one.
  @Test(arguments: Precision.allCases)
  func whatRanBeforeLeavesNoTrace(_ precision: Precision) throws {
    let fixture = try Case(1, precision)
    let encoder = try fixture.model.encoder(fixture.store, precision, threads: 2, tokenBudget: 200)
    for order in [[0], [5], [1], [5, 6, 7, 8], [2], Array(fixture.texts.indices), [3], [5]] {
      #expect(try fixture.differences(encoder, order) == 0)
    }
  }
}
