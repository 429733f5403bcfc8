import BertErrors
import BertModel
import BertRuntime

/// Runs texts through both paths of a model and sums up how far they lie apart.
public final class DriftMeter {
  private let reference: Encoder
  private let other: Encoder
  private let pooler: Pooler
  private let normalizes: Bool
  private var layers: [VectorDrift]
  private var embeddings = VectorDrift(keepsCosines: true)
  private var texts = 0
  private var tokens = 0
  /// Both paths' embeddings of the first texts, for the ranking.
  private var kept: (reference: [[Float]], other: [[Float]]) = ([], [])

  /// Texts whose pairwise similarities are ranked: their number grows with the square.
  public static let mostRankedTexts = 1500
  /// Tokens of a pass: both paths keep the hidden states of every layer of so many.
  public static let tokenBudget = 512

  /// Compares `other` with `reference`: two encoders of the same model.
  public init(reference: Encoder, other: Encoder, pooler: Pooler, normalizes: Bool) {
    self.reference = reference
    self.other = other
    self.pooler = pooler
    self.normalizes = normalizes
    layers = (0..<reference.configuration.layerCount).map { _ in VectorDrift() }
  }

  /// Adds a batch.
  ///
  /// - Throws: `malformed` when a path gives NaN or infinity.
  public func add(_ batch: TokenBatch) throws(BertError) {
    let expected = try trace(reference, batch)
    let found = try trace(other, batch)
    let width = reference.configuration.hiddenSize
    for layer in layers.indices {
      expected.states[layer].withUnsafeBufferPointer { a in
        found.states[layer].withUnsafeBufferPointer { b in
          guard let a = a.baseAddress, let b = b.baseAddress else { return }
          for token in 0..<batch.tokenCount {
            layers[layer].add(
              reference: a + token * width, other: b + token * width, width: width)
          }
        }
      }
    }
    for (a, b) in zip(expected.embeddings, found.embeddings) {
      embeddings.add(reference: a, other: b, width: width)
      if kept.reference.count < Self.mostRankedTexts {
        kept.reference.append(a)
        kept.other.append(b)
      }
    }
    texts += batch.count
    tokens += batch.tokenCount
  }

  /// What was measured so far.
  public func report(fingerprint: String, settings: DriftReport.Settings) -> DriftReport {
    DriftReport(
      fingerprint: fingerprint, texts: texts, tokens: tokens,
      hidden: layers.last ?? VectorDrift(), embedding: embeddings,
      spearman: Ranking.spearman(similarities(kept.reference), similarities(kept.other)),
      layers: layers, settings: settings)
  }

  /// Cosines of every pair of texts.
  private func similarities(_ vectors: [[Float]]) -> [Double] {
    let lengths = vectors.map { vector in
      vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    }
    var list: [Double] = []
    list.reserveCapacity(vectors.count * (vectors.count - 1) / 2)
    for i in vectors.indices {
      for j in 0..<i {
        var dot = 0.0
        for k in vectors[i].indices { dot += Double(vectors[i][k]) * Double(vectors[j][k]) }
        list.append(dot / max(lengths[i] * lengths[j], .leastNormalMagnitude))
      }
    }
    return list
  }

  private func trace(
    _ encoder: Encoder, _ batch: TokenBatch
  ) throws(BertError) -> (states: [[Float]], embeddings: [[Float]]) {
    let recorder = HiddenRecorder(
      layers: layers.count, tokens: batch.tokenCount, width: encoder.configuration.hiddenSize)
    var embeddings: [[Float]] = []
    try encoder.encode(batch, observer: recorder) { states throws(BertError) in
      for text in states.texts {
        embeddings.append(
          try pooler.vector(states, tokens: batch.range(text), normalizes: normalizes))
      }
      recorder.firstToken = states.tokens.upperBound
    }
    return (recorder.states(), embeddings)
  }
}

/// Copies every layer's hidden states.
///
/// Safety: workers write disjoint rows; `firstToken` changes only between passes.
private final class HiddenRecorder: EncoderObserver, @unchecked Sendable {
  private let width: Int
  private let tokens: Int
  private let layers: [UnsafeMutableBufferPointer<Float>]
  /// The token of the batch that is row 0 of the pass.
  var firstToken = 0

  init(layers count: Int, tokens: Int, width: Int) {
    self.width = width
    self.tokens = tokens
    layers = (0..<count).map { _ in .allocate(capacity: tokens * width) }
    for layer in layers { layer.initialize(repeating: 0) }
  }

  deinit {
    for layer in layers { layer.deallocate() }
  }

  func states() -> [[Float]] { layers.map { Array($0) } }

  func hidden(layer: Int, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int) {
    guard layer >= 0, let to = layers[layer].baseAddress else { return }
    for (index, row) in rows.enumerated() {
      (to + (firstToken + row) * width).update(from: values + index * stride, count: width)
    }
  }

  func input(
    layer: Int, site: LinearSite, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int
  ) {}
}
