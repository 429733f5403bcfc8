import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// Quantises a model's linears by what its float32 encoder does with some texts, a layer at a time.
///
///     let quantizer = try CalibratedQuantizer(
///       configuration: c, batch: texts, recipe: .standard, kernels: kernels, team: team, read: read,
///       words: words)
///     for layer in 0..<c.storedLayerCount {
///       try quantizer.quantize(layer: layer) { site, linear, measured in ... }
///     }
///
/// In memory at once are the weights of one layer, the moments of its four inputs, and the hidden
/// states of all texts; see `docs/quantization.md` for the bound.
package final class CalibratedQuantizer {
  /// Reads a canonical tensor, row-major.
  package typealias Read = (String) throws(BertError) -> [Float]
  /// Reads the word embeddings of some tokens, in ascending order of their ids.
  package typealias ReadWords = ([Int32]) throws(BertError) -> [Float]
  /// Takes the weight of a linear in the layout in which it is computed and stored.
  package typealias TakePacked = (String, UnsafeRawBufferPointer) throws(BertError) -> Void

  /// What came of one linear.
  package struct Measured: Sendable {
    /// The SQNR of its outputs on calibration rows, in dB, as it is.
    package let sqnr: Double
    /// The same with its weights rounded to nearest; equal when they are.
    package let nearestSQNR: Double
    /// What the moments' diagonal was damped by; nil when its weights were rounded to nearest.
    package let damping: Double?
  }

  /// What is added to the diagonal of an input's moments, as a part of its mean.
  package static let damping = RoundingProblem.damping

  private static let tokensOfPass = 1024

  private let configuration: BertConfiguration
  private let quantizer: LinearQuantizer
  private let runner: LayerRunner
  private let read: Read
  private let words: ReadWords
  private let packed: TakePacked
  private let scratch: InputStatistics.Scratch
  private let workspace: AlignedBuffer
  private let product: FloatProduct
  private let inputs: LayerInputs
  /// The tables that attention reads in every layer.
  private let tables: [String: [Float]]
  private var kernels: KernelSet { quantizer.kernels }
  private var team: ThreadTeam { quantizer.team }

  /// Embeds the texts.
  ///
  /// - Parameters:
  ///   - batch: the calibration texts; at least one.
  ///   - read: gives the model's canonical tensors; called layer by layer, and once for each tensor unless layers
  ///     share theirs.
  ///   - words: gives rows of the word embeddings; called once, likewise.
  ///   - packed: is given each linear's weight in panels of float32, before it is quantised.
  /// - Throws: `usage` without texts, `malformed` when embeddings are not finite, `system` when
  ///   there is no memory, and what `read` throws.
  package init(
    configuration: BertConfiguration, batch: TokenBatch, recipe: Recipe, kernels: KernelSet,
    team: ThreadTeam, read: @escaping Read, words: @escaping ReadWords,
    packed: @escaping TakePacked = { _, _ in }
  ) throws(BertError) {
    guard batch.count > 0 else {
      throw BertError(.usage, "there is no text to calibrate with")
    }
    self.configuration = configuration
    self.read = read
    self.words = words
    self.packed = packed
    quantizer = LinearQuantizer(recipe: recipe, kernels: kernels, team: team)
    runner = try LayerRunner(
      batch: batch, configuration: configuration, kernels: kernels, team: team,
      tokenBudget: Self.tokensOfPass)
    let longest = (0..<batch.count).map { batch.range($0).count }.max() ?? 1
    let rows = min(batch.tokenCount, max(Self.tokensOfPass, longest))
    let widest = max(configuration.hiddenSize, configuration.intermediateSize)
    var tables: [String: [Float]] = [:]
    for table in configuration.attentionTables { tables[table.name] = try read(table.name) }
    self.tables = tables
    scratch = try InputStatistics.Scratch(rows: rows, inputs: widest)
    let side = roundUp(widest, to: FloatProduct.panel)
    workspace = try AlignedBuffer(quantizing: side * side)
    product = try FloatProduct(kernels: kernels, columns: widest)
    inputs = try LayerInputs(configuration, rows: rows)
    try embed()
  }

  /// Steps of a progress bar that a layer takes: tokens, and as many again for its linears.
  package var stepsOfLayer: Int { 2 * runner.batch.tokenCount }

  private func embed() throws(BertError) {
    let ids = runner.batch.distinctIDs
    func pair(_ stem: String) throws(BertError) -> (weight: [Float], bias: [Float]) {
      (try read(stem + FloatPart.weight), try read(stem + FloatPart.bias))
    }
    let norm = try pair(CanonicalName.embeddingNorm)
    try runner.embed(
      LayerRunner.Embeddings(
        ids: ids, word: try words(ids),
        position: try configuration.lacksPositions ? [] : read(CanonicalName.positionEmbeddings),
        type: try read(CanonicalName.tokenTypeEmbeddings), weight: norm.weight, bias: norm.bias,
        projection: try configuration.embeddingSize == nil
          ? nil : pair(CanonicalName.embeddingProjection)))
    try checkStates("after the embeddings")
  }

  /// Runs the texts through the next layer and quantises its linears; call it for each stored layer in turn.
  ///
  /// Where layers share tensors, the texts run through all of them, and what goes into any that has this one's counts.
  ///
  /// - Parameters:
  ///   - progress: called with the steps done of `stepsOfLayer`.
  ///   - body: called for each linear, in the order of the sites.
  /// - Throws: `malformed` when the layer's results are not finite, `system` when there is no
  ///   memory, and what `read` and `body` throw.
  package func quantize(
    layer: Int, progress: (Int) -> Void = { _ in },
    _ body: (LinearSite, QuantizedLinear, Measured) throws(BertError) -> Void
  ) throws(BertError) {
    let c = configuration
    let sharesLayers = c.storedLayerCount < c.layerCount
    // The states are those behind the last layer.
    if sharesLayers && layer > 0 { try embed() }
    var weights: [LinearWeights] = []
    let store = try self.store(layer) { weights.append($0) }
    let statistics = try LinearSite.allCases.map { (site) throws(BertError) in
      try InputStatistics(inputs: site.inputs(c))
    }
    let samples = try LinearSite.allCases.map { (site) throws(BertError) in
      try LinearSample(
        inputs: site.inputs(c), capacity: min(runner.batch.tokenCount, LinearSample.mostRows))
    }
    let total = runner.batch.tokenCount
    for index in sharesLayers ? 0..<c.layerCount : layer..<layer + 1 {
      let stored = index % c.storedLayerCount
      if stored == layer {
        try watch(store, index, statistics, samples) {
          progress(sharesLayers ? (index * total + $0) / c.layerCount : $0)
        }
      } else {
        try runner.run(self.store(stored), layer: index, observer: nil) { _ in }
      }
      try checkStates("after layer \(index)")
    }
    for site in LinearSite.allCases {
      let outcome = try quantizer.quantize(
        weights[site.rawValue], site: site, statistics: statistics[site.rawValue],
        workspace: workspace, product: product)
      let float = try store.require(
        CanonicalName.linear(0, site) + ".weight", .float32, [site.outputs(c), site.inputs(c)],
        .floatPanels)
      let measured = try measure(outcome, float, samples[site.rawValue])
      try body(site, outcome.linear, measured)
      progress(total + total * (site.rawValue + 1) / LinearSite.allCases.count)
    }
  }

  /// A stored layer's tensors, as those of the only layer.
  private func store(
    _ layer: Int, _ take: (LinearWeights) -> Void = { _ in }
  ) throws(BertError) -> TensorStore {
    let c = configuration
    var tables = self.tables
    for (own, first) in zip(c.relativeTables(layer), c.relativeTables(0)) {
      tables[first.name] = try read(own.name)
    }
    let store = try LayerRunner.oneLayer(of: c, tables: tables)
    try addNorms(layer, to: store)
    for site in LinearSite.allCases {
      let name = CanonicalName.linear(layer, site)
      let linear = try LinearWeights(
        name, weight: try read(name + ".weight"), bias: try read(name + ".bias"),
        outputs: site.outputs(c), inputs: site.inputs(c))
      let place = CanonicalName.linear(0, site)
      try add(linear, to: store, named: place)
      if let view = store.find(place + ".weight") { try packed(name + ".weight", view.bytes) }
      take(linear)
    }
    return store
  }

  private func addNorms(_ layer: Int, to store: TensorStore) throws(BertError) {
    var norms = [(CanonicalName.feedForwardNorm(layer), CanonicalName.feedForwardNorm(0))]
    if !configuration.normalizesFirst || configuration.hasNormBeforeAttention(layer) {
      norms.append((CanonicalName.attentionNorm(layer), CanonicalName.attentionNorm(0)))
    }
    for (from, to) in norms {
      for part in [".weight", ".bias"] {
        try store.add(to + part, .float32, [configuration.hiddenSize], try read(from + part))
      }
    }
  }

  private func add(
    _ linear: LinearWeights, to store: TensorStore, named name: String
  ) throws(BertError) {
    try store.add(name + ".weight", .float32, [linear.outputs, linear.inputs], .floatPanels) {
      bk_pack_f32(
        linear.weight, linear.outputs, linear.inputs,
        $0.assumingMemoryBound(to: Float.self).baseAddress)
    }
    try store.add(name + ".bias", .float32, [linear.outputs], linear.bias)
  }

  private func watch(
    _ store: TensorStore, _ layer: Int, _ statistics: [InputStatistics],
    _ samples: [LinearSample],
    _ progress: (Int) -> Void
  ) throws(BertError) {
    let step = (runner.batch.tokenCount + LinearSample.mostRows - 1) / LinearSample.mostRows
    try runner.run(store, layer: layer, observer: inputs) { (pass) throws(BertError) in
      for site in LinearSite.allCases {
        let rows = inputs.rows(site)
        statistics[site.rawValue].add(
          rows, stride: inputs.stride(site), count: pass.tokens.count, scratch: scratch,
          product: product, team: team)
        for token in pass.tokens where token % step == 0 {
          samples[site.rawValue].add(
            rows + (token - pass.tokens.lowerBound) * inputs.stride(site))
        }
      }
      progress(pass.tokens.upperBound)
    }
  }

  private func measure(
    _ outcome: LinearQuantizer.Outcome, _ float: TensorView, _ sample: LinearSample
  ) throws(BertError) -> Measured {
    guard let panels = float.bytes.assumingMemoryBound(to: Float.self).baseAddress else {
      return Measured(sqnr: 0, nearestSQNR: 0, damping: nil)
    }
    let sqnr = try sample.sqnr(of: outcome.linear, float: panels, kernels: kernels, team: team)
    let nearest = try outcome.nearest.map { (linear) throws(BertError) in
      try sample.sqnr(of: linear, float: panels, kernels: kernels, team: team)
    }
    return Measured(sqnr: sqnr, nearestSQNR: nearest ?? sqnr, damping: outcome.damping)
  }

  private func checkStates(_ place: String) throws(BertError) {
    for token in 0..<runner.batch.tokenCount {
      let row = UnsafeBufferPointer(start: runner.row(token), count: configuration.hiddenSize)
      // A sum is finite unless an element is not, or the state is beyond use.
      guard row.reduce(Float(0), +).isFinite else {
        throw BertError(
          .malformed,
          "the calibration texts give NaN or infinity \(place) in float32 already: the weights are "
            + "damaged or overflow", remedy: .convertWithoutCalibration)
      }
    }
  }
}

/// Copies what goes into each linear of a layer during a pass.
///
/// Safety: workers write disjoint rows; read between passes.
private final class LayerInputs: EncoderObserver, @unchecked Sendable {
  private let widths: [Int]
  private let buffers: [AlignedBuffer]

  init(_ configuration: BertConfiguration, rows: Int) throws(BertError) {
    widths = LinearSite.allCases.map { $0.inputs(configuration) }
    buffers = try widths.map { (width) throws(BertError) in
      try AlignedBuffer(quantizing: rows * width)
    }
  }

  func rows(_ site: LinearSite) -> UnsafePointer<Float> {
    UnsafePointer(buffers[site.rawValue].floats)
  }

  func stride(_ site: LinearSite) -> Int { widths[site.rawValue] }

  func hidden(layer: Int, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int) {}

  func input(
    layer: Int, site: LinearSite, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int
  ) {
    let width = widths[site.rawValue]
    let to = buffers[site.rawValue].floats + rows.lowerBound * width
    for index in 0..<rows.count {
      (to + index * width).update(from: values + index * stride, count: width)
    }
  }
}
