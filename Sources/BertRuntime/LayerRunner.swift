import BertErrors
import BertKernels
import BertModel

/// Runs an encoder in float32 a layer at a time, over hidden states that the caller keeps.
///
/// So a model may be watched without all of its weights in memory: give `embed` the embedding
/// tables, then `run` one layer after another. The bits are those of `BertEncoder`. For one caller at a
/// time, who may use the team for nothing else meanwhile.
package final class LayerRunner {
  /// The texts whose hidden states it moves on.
  package let batch: TokenBatch
  /// Floats from one token's row to the next.
  package let stride: Int

  private let configuration: BertConfiguration
  private let kernels: KernelSet
  private let team: ThreadTeam
  private let tokenBudget: Int
  private let states: AlignedBuffer

  /// Makes room for the hidden states of a batch: `stride` floats a token.
  ///
  /// - Parameter tokenBudget: the most tokens in one pass, unless one text alone is longer.
  /// - Throws: `system` when there is no memory for them.
  package init(
    batch: TokenBatch, configuration: BertConfiguration, kernels: KernelSet, team: ThreadTeam,
    tokenBudget: Int
  ) throws(BertError) {
    self.batch = batch
    self.configuration = configuration
    self.kernels = kernels
    self.team = team
    self.tokenBudget = max(1, tokenBudget)
    stride = Workspace.stride(configuration)
    states = try AlignedBuffer(
      checkedFloats: batch.tokenCount * stride, for: "the states of \(batch.tokenCount) tokens",
      advice: "calibrate with fewer texts")
  }

  /// The hidden state of token `index` of the batch: `hiddenSize` floats.
  package func row(_ index: Int) -> UnsafePointer<Float> {
    UnsafePointer(states.floats + index * stride)
  }

  /// The embedding tables and their norm, each row-major.
  package struct Embeddings {
    /// The tokens whose word embeddings are here, in ascending order.
    package var ids: [Int32]
    /// `[ids, embedding]`.
    package var word: [Float]
    /// `[positions, embedding]`; empty where the model has none.
    package var position: [Float]
    /// `[token types, embedding]`.
    package var type: [Float]
    /// `[embedding]`.
    package var weight: [Float]
    /// `[embedding]`.
    package var bias: [Float]
    /// The linear to the hidden size, `[hidden, embedding]` and `[hidden]`; nil where there is none.
    package var projection: (weight: [Float], bias: [Float])?

    /// Gathers the tables.
    package init(
      ids: [Int32], word: [Float], position: [Float], type: [Float], weight: [Float],
      bias: [Float], projection: (weight: [Float], bias: [Float])? = nil
    ) {
      self.projection = projection
      self.ids = ids
      self.word = word
      self.position = position
      self.type = type
      self.weight = weight
      self.bias = bias
    }
  }

  /// Sets every token's state to its embedding.
  ///
  /// - Throws: `malformed` when a table has the wrong size for the configuration.
  package func embed(_ tables: Embeddings) throws(BertError) {
    let c = configuration
    let width = c.embeddingWidth
    let sizes = [
      (tables.word.count, tables.ids.count), (tables.position.count, c.positionRows),
      (tables.type.count, c.tokenTypeCount), (tables.weight.count, 1), (tables.bias.count, 1),
      (tables.projection?.weight.count ?? 0, c.embeddingSize == nil ? 0 : c.hiddenSize),
    ]
    for (found, rows) in sizes where found != rows * width {
      throw BertError(.malformed, "an embedding table has \(found) values, not \(rows * width)")
    }
    guard let projection = tables.projection else {
      return try embed(tables, into: states.floats, stride)
    }
    let narrow = roundUp(width, to: BK_PANEL)
    let rows = try AlignedBuffer(
      checkedFloats: batch.tokenCount * narrow, for: "the embeddings of the calibration texts",
      advice: "calibrate with fewer texts")
    try embed(tables, into: rows.floats, narrow)
    let panels = try AlignedBuffer(
      checkedFloats: roundUp(c.hiddenSize, to: BK_PANEL) * width,
      for: "the linear behind the embeddings", advice: "calibrate with fewer texts")
    bk_pack_f32(projection.weight, c.hiddenSize, width, panels.floats)
    projection.bias.withUnsafeBufferPointer { bias in
      var linear = bk_linear_f32(
        outputs: c.hiddenSize, depth: width, weights: UnsafePointer(panels.floats),
        bias: bias.baseAddress)
      var all = bk_panels(columns: 0..<c.hiddenSize)
      var output = bk_output(states.floats, stride: stride)
      kernels.calls.linear_f32(
        &linear, rows.floats, narrow, batch.tokenCount, &all, 1, &output)
    }
  }

  /// Rows of embeddings and their norm.
  private func embed(
    _ tables: Embeddings, into out: UnsafeMutablePointer<Float>, _ stride: Int
  ) throws(BertError) {
    let c = configuration
    let rows = try batch.places(of: tables.ids)
    let positions =
      c.lacksPositions ? [Float](repeating: 0, count: c.embeddingWidth) : tables.position
    let places =
      c.lacksPositions
      ? [Int32](repeating: 0, count: batch.tokenCount)
      : (0..<batch.count).flatMap { 0..<Int32(batch.range($0).count) }
    tables.word.withUnsafeBufferPointer { word in
      positions.withUnsafeBufferPointer { position in
        tables.type.withUnsafeBufferPointer { type in
          var embedding = bk_embedding(
            width: c.embeddingWidth, word: word.baseAddress, position: position.baseAddress,
            type: type.baseAddress)
          batch.withTokens { _, types in
            kernels.calls.embed_rows(
              &embedding, rows, places, types, batch.tokenCount, out, stride)
          }
        }
      }
    }
    kernels.calls.norm_rows(
      out, stride, batch.tokenCount, c.embeddingWidth, tables.weight, tables.bias,
      c.layerNormEpsilon, out, stride)
  }

  /// The rows that one pass computed: those of the observer's row 0 and after.
  package struct Pass {
    /// The tokens of the batch.
    package let tokens: Range<Int>
  }

  /// Moves every state through one layer.
  ///
  /// - Parameters:
  ///   - source: a source made by `oneLayer`, with the layer's tensors under the names of layer 0.
  ///   - layer: the layer's number in its model.
  ///   - observer: told of every pass, as layer 0 of an encoder; rows count from the pass's start.
  ///   - afterPass: called between passes.
  /// - Throws: `malformed` for missing tensors, and whatever `afterPass` throws.
  package func run(
    _ source: any WeightSource, layer: Int, observer: (any EncoderObserver)?,
    afterPass: (Pass) throws(BertError) -> Void
  ) throws(BertError) {
    let weights = try EncoderWeights(source: source, precision: .float32, place: layer)
    let space = WorkerSpace(
      PassWorkers(team: team.count > 1 ? team : nil, first: 0), weights: weights, kernels: kernels)
    for texts in batch.runs(of: 0..<batch.count, tokens: tokenBudget) {
      let tokens = batch.range(texts)
      let input = PassInput(
        batch: batch, texts: texts, states: states.floats + tokens.lowerBound * stride,
        embeds: false)
      let pass = try ForwardPass(input, in: space, observer: observer)
      team.run { pass.work($0) }
      try afterPass(Pass(tokens: tokens))
    }
  }
}

extension LayerRunner {
  /// An empty source for one layer of a model: the embeddings that an encoder asks for are there, of
  /// one row each, and never used.
  ///
  /// - Parameter tables: the tables that attention reads, by name: those of every layer, and those of this one as
  ///   layer 0's.
  package static func oneLayer(
    of configuration: BertConfiguration, tables: [String: [Float]] = [:]
  ) throws(BertError) -> TensorStore {
    var c = configuration
    c.layerCount = 1
    c.storedLayers = nil
    c.vocabularySize = 1
    c.embeddingSize = nil
    c.lacksPositions = true
    c.tokenTypeCount = 1
    let store = TensorStore(model: ModelDescription(configuration: c))
    let unused = [Float](repeating: 0, count: c.hiddenSize)
    for name in [CanonicalName.wordEmbeddings, CanonicalName.tokenTypeEmbeddings] {
      try store.add(name, .float32, [1, c.hiddenSize], unused)
    }
    try store.add(CanonicalName.embeddingNorm + ".weight", .float32, [c.hiddenSize], unused)
    try store.add(CanonicalName.embeddingNorm + ".bias", .float32, [c.hiddenSize], unused)
    for table in c.attentionTables + c.relativeTables(0) {
      if let values = tables[table.name] {
        try store.add(table.name, .float32, table.shape, values)
      }
    }
    return store
  }
}
