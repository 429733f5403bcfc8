import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// Measures a finished int8 model on texts, with some linears left in float.
package final class HeldOutDrift {
  /// How far the int8 path lies from the float32 one.
  package struct Measurement: Sendable {
    /// All last hidden states.
    let states: VectorDifference
    /// The cosine of each text's two vectors.
    let cosines: [Double]

    /// The SQNR of the last hidden states in dB.
    package var sqnr: Double { states.sqnr }
    /// The mean cosine of a text's two vectors.
    package var meanCosine: Double { cosines.reduce(0, +) / Double(max(cosines.count, 1)) }
    /// The least cosine of a text's two vectors; NaN counts as the least.
    package var worstCosine: Double {
      cosines.reduce(1) { $1 >= $0 ? $0 : $1.isNaN ? -2 : $1 }
    }
  }

  private let source: any WeightSource
  private let batch: TokenBatch
  private let pooler: Pooler
  private let kernels: KernelSet
  private let team: ThreadTeam
  private var states: [Float] = []
  private var vectors: [[Float]] = []

  private var width: Int { source.model.configuration.hiddenSize }

  /// Runs the texts through the float32 path of a source that holds both.
  package init(
    source: any WeightSource, batch: TokenBatch, kernels: KernelSet, team: ThreadTeam
  ) throws(BertError) {
    self.source = source
    self.batch = batch
    self.kernels = kernels
    self.team = team
    let model = source.model
    // Heads that read the pooler's output do so through the vector of the first token.
    let hasPooler = source.find(CanonicalName.pooler + ".weight") != nil
    let needsPooler = model.embedding.poolings.contains(.pooler)
    pooler = try Pooler(
      needsPooler && !hasPooler ? EmbeddingRecipe(.cls) : model.embedding, source: source,
      kernels: kernels)
    let encoder = try BertEncoder(source: source, precision: .float32, kernels: kernels, team: team)
    states.reserveCapacity(batch.tokenCount * width)
    try run(encoder) { row, _ in
      states += UnsafeBufferPointer(start: row, count: width)
    } vector: {
      vectors.append($0)
    }
  }

  /// The drift with these linears in float.
  package func measure(_ floats: Set<LinearName>) throws(BertError) -> Measurement {
    let encoder = try BertEncoder(source: source, precision: .int8, kernels: kernels, team: team) {
      layer, place in
      if case .linear(let site) = place { !floats.contains(LinearName(layer, site)) } else { true }
    }
    var difference = VectorDifference()
    var cosines: [Double] = []
    try states.withUnsafeBufferPointer { (states) throws(BertError) in
      guard let expected = states.baseAddress else { return }
      try run(encoder) { row, token in
        difference.add(reference: expected + token * width, other: row, width: width)
      } vector: {
        cosines.append(VectorDifference(reference: vectors[cosines.count], other: $0).cosine)
      }
    }
    return Measurement(states: difference, cosines: cosines)
  }

  private func run(
    _ encoder: BertEncoder, row: (UnsafePointer<Float>, Int) -> Void, vector: ([Float]) -> Void
  ) throws(BertError) {
    try encoder.encode(batch) { (states) throws(BertError) in
      for text in states.texts {
        for token in batch.range(text) { row(states.row(token), token) }
        vector(try pooler.vector(states, tokens: batch.range(text)))
      }
    }
  }
}
