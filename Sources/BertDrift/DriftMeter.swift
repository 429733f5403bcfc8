import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// Runs texts through both paths of a model and sums up how far they lie apart.
public final class DriftMeter {
  private let reference: Encoder
  private let other: Encoder
  private let pooler: Pooler
  private let normalizes: Bool
  private let attribution: SiteAttribution?
  private let head: HeadLogits?
  private var headDrift: HeadDrift?
  private var layers: [VectorDrift]
  private var embeddings = VectorDrift(keepsCosines: true)
  private var texts = 0
  private var tokens = 0
  private var worstText = ""
  /// Both paths' embeddings of the first texts, for the ranking.
  private var kept: (reference: [[Float]], other: [[Float]]) = ([], [])
  /// The first texts, for the attribution.
  private var sample = TokenBatch()

  /// Texts whose pairwise similarities are ranked: their number grows with the square.
  public static let mostRankedTexts = 1500
  /// Tokens of a pass: both paths keep the hidden states of every layer of so many.
  public static let tokenBudget = 512

  /// Compares the float32 and the int8 path of one source.
  ///
  /// - Parameter attributes: also finds out which linears and places cause the drift, on the first
  ///   texts.
  public init(
    source: any WeightSource, kernels: KernelSet, team: ThreadTeam, pooler: Pooler,
    normalizes: Bool, attributes: Bool = false
  ) throws(BertError) {
    func encoder(_ precision: Precision) throws(BertError) -> Encoder {
      try Encoder(
        source: source, precision: precision, kernels: kernels, team: team,
        tokenBudget: Self.tokenBudget)
    }
    reference = try encoder(.float32)
    other = try encoder(.int8)
    self.pooler = pooler
    self.normalizes = normalizes
    attribution =
      attributes ? SiteAttribution(source: source, kernels: kernels, team: team) : nil
    head = try HeadLogits(source: source, kernels: kernels)
    headDrift = head.map { HeadDrift(head: $0.head) }
    layers = (0..<reference.configuration.layerCount).map { _ in VectorDrift() }
  }

  /// Adds a batch; `labels` are the texts, to quote the one that drifts most.
  ///
  /// - Throws: `malformed` when a path gives NaN or infinity.
  public func add(_ batch: TokenBatch, labels: [String] = []) throws(BertError) {
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
    for (text, (a, b)) in zip(expected.embeddings, found.embeddings).enumerated() {
      embeddings.add(reference: a, other: b, width: width)
      if embeddings.worstIndex == embeddings.count - 1, text < labels.count {
        worstText = labels[text]
      }
      if kept.reference.count < Self.mostRankedTexts {
        kept.reference.append(a)
        kept.other.append(b)
      }
    }
    for (a, b) in zip(expected.logits, found.logits) {
      headDrift?.add(reference: a, other: b, width: head?.width ?? 1)
    }
    try addToSample(batch)
    texts += batch.count
    tokens += batch.tokenCount
  }

  private func addToSample(_ batch: TokenBatch) throws(BertError) {
    guard attribution != nil else { return }
    for text in 0..<batch.count
    where sample.tokenCount + batch.range(text).count <= SiteAttribution.mostTokens {
      let range = batch.range(text)
      try sample.append(
        ids: Array(batch.ids[range]), types: Array(batch.types[range]),
        for: reference.configuration)
    }
  }

  /// What was measured so far.
  public func report(settings: DriftReport.Settings) throws(BertError) -> DriftReport {
    DriftReport(
      texts: texts, tokens: tokens, hidden: layers.last ?? VectorDrift(), embedding: embeddings,
      worstText: worstText, head: headDrift,
      ranking: RankingDrift(reference: kept.reference, other: kept.other), layers: layers,
      linears: try attribution?.linears(sample) ?? [], sites: try attribution?.sites(sample) ?? [],
      settings: settings)
  }

  private func trace(
    _ encoder: Encoder, _ batch: TokenBatch
  ) throws(BertError) -> Trace {
    let recorder = HiddenRecorder(
      layers: layers.count, tokens: batch.tokenCount, width: encoder.configuration.hiddenSize)
    var embeddings: [[Float]] = []
    var logits: [[Float]] = []
    try encoder.encode(batch, observer: recorder) { states throws(BertError) in
      for text in states.texts {
        embeddings.append(
          try pooler.vector(states, tokens: batch.range(text), normalizes: normalizes))
        if let head { logits.append(try head.logits(states, tokens: batch.range(text))) }
      }
      recorder.firstToken = states.tokens.upperBound
    }
    return Trace(states: recorder.states(), embeddings: embeddings, logits: logits)
  }

  /// One path's results for a batch: hidden states by layer, vectors and scores by text.
  private struct Trace {
    let states: [[Float]]
    let embeddings: [[Float]]
    let logits: [[Float]]
  }
}

/// Copies every layer's hidden states.
///
/// Safety: workers write disjoint rows; `firstToken` changes only between passes.
private final class HiddenRecorder: EncoderObserver, @unchecked Sendable {
  private let width: Int
  private let layers: [UnsafeMutableBufferPointer<Float>]
  /// The token of the batch that is row 0 of the pass.
  var firstToken = 0

  init(layers count: Int, tokens: Int, width: Int) {
    self.width = width
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
