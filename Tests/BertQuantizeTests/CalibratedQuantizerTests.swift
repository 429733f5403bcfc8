import BertErrors
import BertKernels
import BertModel
import BertQuantize
import BertRuntime
import Fixtures
import Testing

/// Whole models: watched layer by layer, quantised, measured, and kept to a budget.
struct CalibratedQuantizerTests {
  static func configuration(
    _ hidden: Int = 32, _ intermediate: Int = 48, biasSpan: Int? = nil
  ) -> BertConfiguration {
    BertConfiguration(
      vocabularySize: 50, hiddenSize: hidden, layerCount: 2, headCount: 4,
      intermediateSize: intermediate, maximumPositions: 40, tokenTypeCount: 2,
      layerNormEpsilon: 1e-12, activation: .gelu, biasSpan: biasSpan)
  }

  /// A plain model, one with biases on scores, one whose layers share tensors behind a narrow embedding, with gates
  /// and turned queries, one whose norms come first, with windows of attention, and one with terms of scores by distance.
  static func kind(_ index: Int, _ hidden: Int = 32, _ intermediate: Int = 48) -> BertConfiguration
  {
    var c = configuration(hidden, intermediate, biasSpan: index == 1 ? 7 : nil)
    if index == 2 {
      c.layerCount = 3
      c.storedLayers = 2
      c.embeddingSize = 12
      c.gatesFeedForward = true
      c.lacksPositions = true
      c.rotarySize = hidden / 8 * 2
    }
    if index == 3 {
      c.layerCount = 4
      c.gatesFeedForward = true
      c.lacksPositions = true
      c.rotarySize = hidden / 8 * 2
      c.normalizesFirst = true
      c.window = AttentionWindow(reach: 4, wholeEvery: 3)
    }
    if index == 4 {
      c.lacksPositions = true
      c.relative = RelativeTerms(starts: [0, 1, 2, 5, 11], hasKeys: true, hasQueries: true)
    }
    return c
  }

  static func batch(_ model: GeneratedModel, texts: Int = 24) throws -> TokenBatch {
    var batch = TokenBatch()
    for text in 0..<texts {
      try batch.append(
        ids: model.ids(1 + text * 7 % 37, seed: UInt64(text)), for: model.configuration)
    }
    return batch
  }

  /// Rows of a model's word embeddings.
  static func words(_ model: GeneratedModel, _ ids: [Int32]) -> [Float] {
    let (all, width) = (
      model.values[CanonicalName.wordEmbeddings] ?? [], model.configuration.embeddingWidth
    )
    return ids.flatMap { all[Int($0) * width..<(Int($0) + 1) * width] }
  }

  /// Every linear of a model, by its name.
  static func quantized(
    _ model: GeneratedModel, texts: Int = 24, threads: Int = 1,
    kernels: KernelSet = KernelSet.available[0]
  ) throws -> [LinearName: (QuantizedLinear, CalibratedQuantizer.Measured)] {
    let quantizer = try CalibratedQuantizer(
      configuration: model.configuration, batch: try batch(model, texts: texts), recipe: .standard,
      kernels: kernels, team: ThreadTeam(count: threads),
      read: { name throws(BertError) in
        guard let values = model.values[name] else {
          throw BertError(.notFound, "is not there", tensor: name)
        }
        return values
      },
      words: { words(model, $0) })
    var all: [LinearName: (QuantizedLinear, CalibratedQuantizer.Measured)] = [:]
    for layer in 0..<model.configuration.storedLayerCount {
      try quantizer.quantize(layer: layer) { site, linear, measured in
        all[LinearName(layer, site)] = (linear, measured)
      }
    }
    return all
  }

  @Test(arguments: 0..<5)
  func layersOneByOneGiveTheEncodersBits(kind: Int) throws {
    let model = GeneratedModel(Self.kind(kind, 20, 36))
    let (c, batch) = (model.configuration, try Self.batch(model))
    let kernels = KernelSet.available[0]
    let runner = try LayerRunner(
      batch: batch, configuration: c, kernels: kernels, team: ThreadTeam(count: 2), tokenBudget: 50)
    func values(_ name: String) -> [Float] { model.values[name] ?? [] }
    try runner.embed(
      LayerRunner.Embeddings(
        ids: batch.distinctIDs, word: Self.words(model, batch.distinctIDs),
        position: values(CanonicalName.positionEmbeddings),
        type: values(CanonicalName.tokenTypeEmbeddings),
        weight: values(CanonicalName.embeddingNorm + ".weight"),
        bias: values(CanonicalName.embeddingNorm + ".bias"),
        projection: c.embeddingSize == nil
          ? nil
          : (
            values(CanonicalName.embeddingProjection + ".weight"),
            values(CanonicalName.embeddingProjection + ".bias")
          )))
    let whole = try model.store()
    for layer in 0..<c.layerCount {
      let store = try LayerRunner.oneLayer(of: c, tables: model.values)
      let stem = "layer.\(layer % c.storedLayerCount)."
      for name in whole.names where name.hasPrefix(stem) {
        let view = try #require(whole.find(name))
        try store.add(
          "layer.0." + name.dropFirst(stem.count), view.elementType, view.shape,
          view.layout
        ) { $0.copyMemory(from: view.bytes) }
      }
      try runner.run(store, layer: layer, observer: nil) { _ in }
    }
    // Behind the last layer stands a norm that is no layer's.
    func normalised(_ token: Int) -> [Float] {
      var row = Array(UnsafeBufferPointer(start: runner.row(token), count: c.hiddenSize))
      guard c.normalizesFirst else { return row }
      kernels.calls.norm_rows(
        runner.row(token), runner.stride, 1, c.hiddenSize,
        values(CanonicalName.finalNorm + ".weight"), values(CanonicalName.finalNorm + ".bias"),
        c.layerNormEpsilon, &row, c.hiddenSize)
      return row
    }
    let encoder = try BertEncoder(
      source: whole, precision: .float32, kernels: kernels, team: ThreadTeam(count: 1))
    try encoder.encode(batch) { states in
      for token in states.tokens {
        let expected = normalised(token)
        for k in 0..<c.hiddenSize {
          #expect(states.row(token)[k].bitPattern == expected[k].bitPattern)
        }
      }
    }
  }

  @Test(arguments: 0..<5)
  func resultsDoNotDependOnThreadsOrKernels(kind: Int) throws {
    let model = GeneratedModel(Self.kind(kind))
    let expected = try Self.quantized(model)
    for kernels in KernelSet.available {
      for threads in [1, 3] {
        let found = try Self.quantized(model, threads: threads, kernels: kernels)
        for (name, (linear, measured)) in expected {
          let other = try #require(found[name])
          #expect(linear.weights == other.0.weights && linear.scale == other.0.scale)
          #expect(linear.multiplier == other.0.multiplier)
          #expect(measured.sqnr == other.1.sqnr && measured.nearestSQNR == other.1.nearestSQNR)
        }
      }
    }
  }

  /// Widths with and without a rotation, and one that is no whole number of groups.
  @Test(arguments: [(32, 48), (48, 96), (20, 36), (12, 30)])
  func compensatedOutputsAreCloser(_ hidden: Int, _ intermediate: Int) throws {
    let found = try Self.quantized(GeneratedModel(Self.configuration(hidden, intermediate)))
    #expect(found.count == 8)
    var (after, before) = (0.0, 0.0)
    for (_, measured) in found.values {
      #expect(measured.sqnr.isFinite && measured.sqnr > 25)
      after += measured.sqnr
      before += measured.nearestSQNR
    }
    #expect(after > before)
  }

  @Test func oneShortTextIsEnoughToBeSound() throws {
    let found = try Self.quantized(GeneratedModel(Self.configuration()), texts: 1)
    for (linear, _) in found.values {
      #expect(linear.scale.allSatisfy { $0.isFinite && $0 > 0 })
      #expect(linear.multiplier.allSatisfy { $0.isFinite && $0 != 0 })
    }
  }

  @Test func noTextIsAnError() {
    #expect(throws: BertError(.usage, "")) {
      try Self.quantized(GeneratedModel(Self.configuration()), texts: 0)
    }
  }

  @Test func anOutlierThatOverflowsTheEncoderIsAnError() throws {
    for name in [CanonicalName.positionEmbeddings, "layer.1.feed_forward.down.weight"] {
      var model = GeneratedModel(Self.configuration())
      model.values[name]?[1] = 1e30
      #expect(throws: BertError(.malformed, "")) { try Self.quantized(model) }
    }
  }

  @Test func anOutlierThatNothingFeedsIsSound() throws {
    var model = GeneratedModel(Self.configuration())
    // A channel that is always zero, and a huge weight on it.
    for k in 0..<50 { model.values[CanonicalName.wordEmbeddings]?[k * 32 + 3] = 0 }
    for part in [".weight", ".bias"] { model.values[CanonicalName.embeddingNorm + part]?[3] = 0 }
    model.values["layer.0.attention.qkv.weight"]?[3] = 1e30
    for (linear, measured) in try Self.quantized(model).values {
      #expect(linear.scale.allSatisfy { $0.isFinite && $0 > 0 })
      #expect(!measured.sqnr.isNaN)
    }
  }
}
