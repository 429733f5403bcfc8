import BertErrors
import BertKernels
import BertModel
import Fixtures
import SystemLibrary
import Testing

@testable import BertRuntime

/// Weights of words for a text.
struct SparseHeadTests {
  static let model = {
    var model = HeadModel(HeadTests.shapes[0])
    model.addMaskedWords(isTied: true)
    return model
  }()
  static let lengths = [1, 2, 17, 48, 5] + Array(repeating: 48, count: 12)

  private func vectors(
    kernels: KernelSet = KernelSet.available[0], threads: Int = 1, precision: Precision = .float32,
    budget: Int? = nil, settings: HeadSettings? = nil
  ) throws -> [SparseVector] {
    let store = try Self.model.store(.embedding, .int8, settings: settings)
    let team = ThreadTeam(count: threads)
    let encoder = try BertEncoder(
      source: store, precision: .float32, kernels: kernels, team: team, tokenBudget: budget)
    let head = try SparseHead(
      HeadSource(store, precision: precision, kernels: kernels, team: team))
    let batch = try Self.model.base.batch(Self.model.base.texts(Self.lengths))
    var vectors: [SparseVector] = []
    try encoder.encode(batch) { states throws(BertError) in
      try head.append(states.texts.map { HeadText(batch, $0) }, of: states, to: &vectors)
    }
    return vectors
  }

  /// The weights of a word over a text's tokens: the largest or the sum, of one logarithm or of two.
  static let settings: [(sums: Bool, weight: SparseWeight)] = [
    (false, .log1pRelu), (true, .log1pRelu), (false, .log1pLog1pRelu), (true, .log1pLog1pRelu),
  ]

  @Test(arguments: settings)
  func weightsAreThoseOfTheDefinition(_ sums: Bool, _ weight: SparseWeight) throws {
    var settings = HeadSettings()
    settings.sumsSparseWeights = sums
    settings.sparseWeight = weight
    let width = Self.model.base.configuration.hiddenSize
    let encoder = try Self.model.base.encoder(Self.model.store(), .float32)
    let states = try encoder.hiddenStates(
      Self.model.base.batch(Self.model.base.texts(Self.lengths)))
    let vectors = try vectors(settings: settings)
    #expect(vectors.count == Self.lengths.count)
    for (text, vector) in zip(states, vectors) {
      let rows = stride(from: 0, to: text.count, by: width).map { start in
        (0..<width).map { Double(text[start + $0]) }
      }
      let expected = NaiveHeads(model: Self.model).sparse(rows, settings)
      #expect(vector.ids == vector.ids.sorted() && Set(vector.ids).count == vector.ids.count)
      #expect(vector.ids.count > 10 && vector.weights.allSatisfy { $0 > 0 })
      var found = [Double](repeating: 0, count: expected.count)
      for (id, weight) in zip(vector.ids, vector.weights) { found[Int(id)] = Double(weight) }
      // A sum's error grows with the tokens.
      let tolerance = sums ? 2e-5 * Double(max(1, rows.count / 4)) : 2e-5
      #expect(largestDifference(found, expected) <= tolerance)
    }
  }

  @Test(arguments: Precision.allCases, [false, true])
  func weightsHaveTheSameBitsInAnyCompany(_ precision: Precision, _ sums: Bool) throws {
    var settings = HeadSettings()
    settings.sumsSparseWeights = sums
    let expected = try vectors(precision: precision, settings: settings)
    for kernels in KernelSet.available {
      let found = try vectors(
        kernels: kernels, threads: 3, precision: precision, settings: settings)
      #expect(found == expected)
    }
    #expect(try vectors(precision: precision, budget: 1, settings: settings) == expected)
  }

  /// The logarithm is the kernels' polynomial: within its error everywhere, and above 0 where its
  /// argument is.
  @Test func theLogarithmIsWithinItsError() {
    var largest = 0.0
    for step in 0...4000 {
      let x = Float(exp(Double(step) / 4000 * 30 - 20))
      let found = Logarithm.ofOnePlus(x)
      #expect(found > 0)
      largest = max(largest, abs(Double(found) - log1p(Double(x))))
    }
    #expect(largest < 3e-6)
    #expect(Logarithm.ofOnePlus(0) == 0)
    for x in [Float.leastNonzeroMagnitude, .leastNormalMagnitude, 1e-9, 5.9e-8] {
      #expect(Logarithm.ofOnePlus(x) == x)
    }
    #expect(Logarithm.ofOnePlus(.greatestFiniteMagnitude).isFinite)
  }
}
