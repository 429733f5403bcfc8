import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// Runs texts through both paths of a model and sums up how far they lie apart.
package final class DriftMeter {
  private let reference: BertEncoder
  private let other: BertEncoder
  private let pooler: Pooler
  private let attribution: SiteAttribution?
  private var head: HeadComparison?
  private var layers: [VectorDrift]
  private var embeddings = VectorDrift(keepsCosines: true)
  private let vectors: ReferenceVectors?
  private var parity: ParityDrift?
  private var texts = 0
  private var tokens = 0
  private var worstText = ""
  /// Both paths' embeddings of the first texts, for the ranking.
  private var kept: (reference: [[Float]], other: [[Float]]) = ([], [])
  /// The first texts, for the attribution.
  private var sample = TokenBatch()
  /// The shortest of those that are too long for it.
  private var longText: TokenBatch?
  private let recorders: (reference: HiddenRecorder, other: HiddenRecorder)

  /// Texts whose pairwise similarities are ranked: their number grows with the square.
  package static let mostRankedTexts = 1500
  /// Tokens of a pass: both paths keep the hidden states of every layer of so many, or of one text.
  package static let tokenBudget = 512

  /// Compares the float32 and the int8 path of one source.
  ///
  /// - Parameter attributes: also finds out which linears and places cause the drift, on the first
  ///   texts.
  /// - Parameter vectors: what another program computed for the texts, to compare both paths with.
  package init(
    source: any WeightSource, kernels: KernelSet, team: ThreadTeam, pooler: Pooler,
    attributes: Bool = false, vectors: ReferenceVectors? = nil
  ) throws(BertError) {
    func encoder(_ precision: Precision) throws(BertError) -> BertEncoder {
      try BertEncoder(
        source: source, precision: precision, kernels: kernels, team: team,
        tokenBudget: Self.tokenBudget)
    }
    reference = try encoder(.float32)
    other = try encoder(.int8)
    self.pooler = pooler
    self.vectors = vectors
    parity = vectors.map { ParityDrift(source: $0.name) }
    attribution =
      attributes ? SiteAttribution(source: source, kernels: kernels, team: team) : nil
    head = try HeadComparison(source, kernels: kernels, team: team)
    let c = reference.configuration
    layers = (0..<c.layerCount).map { _ in VectorDrift() }
    recorders = (
      HiddenRecorder(layers: c.layerCount, width: c.hiddenSize),
      HiddenRecorder(layers: c.layerCount, width: c.hiddenSize)
    )
  }

  /// Adds a batch; `labels` are the texts, to quote the one that drifts most, and `promptTokens` says how many
  /// tokens of each belong to a prompt before it.
  ///
  /// - Throws: `notFinite` when a path gives NaN or infinity; `malformed` when a text has no vector of the
  ///   reference.
  package func add(
    _ batch: TokenBatch, labels: [String] = [], promptTokens: [Int] = []
  ) throws(BertError) {
    let longest = (0..<batch.count).map { batch.range($0).count }.max() ?? 0
    let tokens = max(longest, min(batch.tokenCount, Self.tokenBudget))
    try recorders.reference.reserve(tokens)
    try recorders.other.reserve(tokens)
    try reference.encode(batch, observer: recorders.reference) { a throws(BertError) in
      // The same texts, which are one pass here too.
      var part = TokenBatch()
      for text in a.texts { try append(text, of: batch, to: &part) }
      try other.encode(part, observer: recorders.other) { b throws(BertError) in
        compareLayers(part.tokenCount)
        for (index, text) in a.texts.enumerated() {
          let places = (batch.range(text), part.range(index))
          try compareEmbeddings(
            a, b, places, text < promptTokens.count ? promptTokens[text] : 0,
            text < labels.count ? labels[text] : nil)
        }
        try head?.add(a, of: batch, b, of: part)
      }
    }
    try addToSample(batch)
    texts += batch.count
    self.tokens += batch.tokenCount
  }

  private func append(
    _ text: Int, of batch: TokenBatch, to other: inout TokenBatch
  ) throws(BertError) {
    let range = batch.range(text)
    try other.append(
      ids: Array(batch.ids[range]), types: Array(batch.types[range]), for: reference.configuration)
  }

  private func compareLayers(_ tokens: Int) {
    let width = reference.configuration.hiddenSize
    for layer in layers.indices {
      for token in 0..<tokens {
        layers[layer].add(
          reference: recorders.reference.row(layer, token),
          other: recorders.other.row(layer, token), width: width)
      }
    }
  }

  private func compareEmbeddings(
    _ a: BertEncoder.HiddenStates, _ b: BertEncoder.HiddenStates,
    _ places: (Range<Int>, Range<Int>), _ promptTokens: Int, _ label: String?
  ) throws(BertError) {
    let x = try pooler.vector(a, tokens: places.0, promptTokens: promptTokens)
    let y = try pooler.vector(b, tokens: places.1, promptTokens: promptTokens)
    embeddings.add(reference: x, other: y, width: x.count)
    if let vectors {
      parity?.add(
        reference: try vectors.row(embeddings.count - 1, width: x.count), float: x, int8: y)
    }
    if let label, embeddings.worstIndex == embeddings.count - 1 { worstText = label }
    if kept.reference.count < Self.mostRankedTexts {
      kept.reference.append(x)
      kept.other.append(y)
    }
  }

  private func addToSample(_ batch: TokenBatch) throws(BertError) {
    guard attribution != nil else { return }
    for text in 0..<batch.count {
      let count = batch.range(text).count
      if sample.tokenCount + count <= SiteAttribution.mostTokens {
        try append(text, of: batch, to: &sample)
      } else if sample.count == 0, count < longText?.tokenCount ?? .max {
        var one = TokenBatch()
        try append(text, of: batch, to: &one)
        longText = one
      }
    }
  }

  /// What was measured so far.
  ///
  /// - Throws: `malformed` when the reference has vectors of more texts.
  package func report(settings: DriftReport.Settings) throws(BertError) -> DriftReport {
    if let vectors, vectors.count != texts {
      throw BertError(
        .malformed, "holds \(vectors.count) vectors; there were \(counted(texts, "text"))",
        file: vectors.name)
    }
    // Rather one text that is too long than none.
    let sample = sample.count == 0 ? longText ?? sample : sample
    return DriftReport(
      texts: texts, tokens: tokens, hidden: layers.last ?? VectorDrift(), embedding: embeddings,
      worstText: worstText, head: head?.drift,
      ranking: RankingDrift(reference: kept.reference, other: kept.other), parity: parity,
      layers: layers,
      linears: try attribution?.linears(sample) ?? [], sites: try attribution?.sites(sample) ?? [],
      settings: settings)
  }
}

/// Copies every layer's hidden states of one pass.
///
/// Safety: workers write disjoint rows; nobody reads until they are done.
private final class HiddenRecorder: EncoderObserver, @unchecked Sendable {
  private let width: Int
  private let layerCount: Int
  private var tokens = 0
  private var values = AlignedBuffer(floats: 0)

  init(layers: Int, width: Int) {
    layerCount = layers
    self.width = width
  }

  /// Makes room for a pass; only between passes.
  func reserve(_ tokens: Int) throws(BertError) {
    if tokens <= self.tokens { return }
    values = try AlignedBuffer(
      checkedFloats: layerCount * tokens * width, for: "every layer's states of \(tokens) tokens",
      advice: "leave the drift out or shorten the longest text")
    self.tokens = tokens
  }

  /// The last pass's row of a token, counted from its first.
  func row(_ layer: Int, _ token: Int) -> UnsafeMutablePointer<Float> {
    values.floats + (layer * tokens + token) * width
  }

  func hidden(layer: Int, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int) {
    guard layer >= 0 else { return }
    for (index, token) in rows.enumerated() {
      row(layer, token).update(from: values + index * stride, count: width)
    }
  }

  func input(
    layer: Int, site: LinearSite, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int
  ) {}
}
