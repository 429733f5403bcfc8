import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// Measures a finished int8 model on texts, with some linears left in float.
package final class HeldOutDrift {
  /// How far the int8 path lies from the float32 one.
  package struct Measurement: Sendable {
    /// Σ f² over Σ (q - f)² of the last hidden states.
    let signal: Double
    let noise: Double
    /// The cosine of each text's two vectors.
    let cosines: [Double]

    /// The SQNR of the last hidden states in dB.
    package var sqnr: Double { decibels(signal, over: noise) }
    /// The least cosine of a text's two vectors; NaN counts as the least.
    package var worstCosine: Double {
      cosines.reduce(1) { $1 >= $0 ? $0 : $1.isNaN ? -2 : $1 }
    }
  }

  private let source: any WeightSource
  private let batch: TokenBatch
  private let pooler: Pooler
  private let normalizes: Bool
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
    pooler = try Pooler(
      model.pooling == .pooler && !hasPooler ? .cls : model.pooling, source: source,
      kernels: kernels)
    normalizes = model.normalizes
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
    var (signal, noise) = (0.0, 0.0)
    var cosines: [Double] = []
    try states.withUnsafeBufferPointer { (states) throws(BertError) in
      try run(encoder) { row, token in
        for k in 0..<width {
          let expected = Double(states[token * width + k])
          let difference = Double(row[k]) - expected
          signal += expected * expected
          noise += difference * difference
        }
      } vector: {
        cosines.append(Self.cosine(vectors[cosines.count], $0))
      }
    }
    return Measurement(signal: signal, noise: noise, cosines: cosines)
  }

  private func run(
    _ encoder: BertEncoder, row: (UnsafePointer<Float>, Int) -> Void, vector: ([Float]) -> Void
  ) throws(BertError) {
    try encoder.encode(batch) { (states) throws(BertError) in
      for text in states.texts {
        for token in batch.range(text) { row(states.row(token), token) }
        vector(try pooler.vector(states, tokens: batch.range(text), normalizes: normalizes))
      }
    }
  }

  private static func cosine(_ a: [Float], _ b: [Float]) -> Double {
    var (aa, bb, ab) = (0.0, 0.0, 0.0)
    for (x, y) in zip(a, b) {
      aa += Double(x) * Double(x)
      bb += Double(y) * Double(y)
      ab += Double(x) * Double(y)
    }
    return aa == 0 && bb == 0 ? 1 : ab / (aa * bb).squareRoot()
  }
}
