import BertErrors
import BertKernels
import BertModel
import BertQuantize
import BertRuntime
import Fixtures
import Testing

/// The encoder against a plain implementation of the published architecture.
struct EncoderReferenceTests {
  /// What a float32 path may differ from double precision: states are of about unit size, a sum
  /// of some hundred products rounds to a few millionths, and layers add up.
  static let floatTolerance = 2e-5
  /// What the int8 path must agree to with the scheme, in dB, layer by layer.
  ///
  /// Both compute the same integers but for a value here and there on a rounding edge. A wrong sum or scale falls far below.
  static let int8Agreement = 42.0

  static let shapes: [BertConfiguration] =
    [
      configuration(heads: 3, headSize: 11),
      configuration(heads: 2, headSize: 16, intermediate: 37, activation: .geluTanh),
      configuration(heads: 1, headSize: 32, intermediate: 64, activation: .relu),
      configuration(heads: 2, headSize: 64, intermediate: 129),
      configuration(heads: 1, headSize: 80, intermediate: 81, activation: .geluTanh),
      configuration(heads: 5, headSize: 1, layers: 1, intermediate: 1),
      configuration(heads: 1, headSize: 1, layers: 1, intermediate: 3, activation: .relu),
      configuration(heads: 7, headSize: 5, layers: 4, intermediate: 333),
      configuration(heads: 3, headSize: 16, intermediate: 160),
      configuration(heads: 6, headSize: 32, layers: 1, intermediate: 384),
      configuration(heads: 3, headSize: 11, biasSpan: 5),
      configuration(heads: 2, headSize: 32, intermediate: 70, biasSpan: 60),
    ] + relatives
  static let lengths = [1, 2, 7, 13, 31, 32, 33, 48]

  @Test(arguments: shapes.indices)
  func floatStatesAreThoseOfAPlainImplementation(_ index: Int) throws {
    let model = GeneratedModel(Self.shapes[index])
    let naive = NaiveBert(model: model)
    let texts = model.texts(Self.lengths)
    let found = try model.encoder(model.store(), .float32).hiddenStates(model.batch(texts))
    for (text, found) in zip(texts, found) {
      let expected = naive.hidden(text.ids, text.types).last?.flatMap { $0 } ?? []
      let difference = largestDifference(found, expected)
      #expect(difference <= Self.floatTolerance, "\(text.ids.count) tokens")
    }
  }

  @Test(arguments: shapes.indices, [false, true])
  func int8LayersAreThoseOfTheScheme(_ index: Int, rotates: Bool) throws {
    let model = GeneratedModel(Self.shapes[index])
    try expectScheme(model, Self.lengths) {
      rotates ? model.rotated($0, $1) : model.rounded($0, $1)
    }
  }

  /// Any mixture of int8 and float linears, as a file may hold when some were not worth quantising.
  @Test(arguments: 0..<15)
  func linearsWithoutInt8WeightsRunInFloat(_ mask: Int) throws {
    let model = GeneratedModel(configuration(heads: 2, headSize: 16, intermediate: 45))
    try expectScheme(model, [1, 9, 48]) { layer, site in
      (mask + layer) & (1 << site.rawValue) == 0 ? model.rounded(layer, site) : nil
    }
  }

  /// Each layer's states against the scheme's, computed from the encoder's own states before it: so
  /// that a value on a rounding edge does not grow from layer to layer.
  private func expectScheme(
    _ model: GeneratedModel, _ lengths: [Int],
    _ linears: @escaping (Int, LinearSite) -> QuantizedLinear?
  ) throws {
    let c = model.configuration
    let naive = NaiveBert(model: model, quantized: linears, quantizesAttention: true)
    let batch = try model.batch(model.texts(lengths))
    let recorder = LayerRecorder(
      layers: c.layerCount, tokens: batch.tokenCount, width: c.hiddenSize)
    try model.encoder(model.store(int8: linears), .int8, threads: 2)
      .encode(batch, observer: recorder) { _ in }
    for layer in 0..<c.layerCount {
      let before = recorder.states(layer - 1)
      let rows = (0..<batch.tokenCount).map { token in
        before[(token * c.hiddenSize)..<((token + 1) * c.hiddenSize)].map { Double($0) }
      }
      let expected = (0..<batch.count).flatMap { text in
        naive.layer(layer, Array(rows[batch.range(text)])).flatMap { $0 }
      }
      let agreement = signalToNoise(recorder.states(layer), expected)
      #expect(agreement >= Self.int8Agreement, "layer \(layer)")
    }
  }

  @Test(arguments: [129, 512], [nil, 91])
  func longTextsAreThoseOfAPlainImplementation(_ length: Int, biasSpan: Int?) throws {
    try expectPlain(
      configuration(
        heads: 2, headSize: 16, layers: 1, intermediate: 40, positions: 512, biasSpan: biasSpan),
      length)
  }

  @Test(arguments: [129, 512], [60, 511])
  func longTextsWithRelativeTermsAreThoseOfAPlainImplementation(_ length: Int, _ span: Int) throws {
    try expectPlain(
      relative(configuration(heads: 2, headSize: 16, layers: 1, intermediate: 40, positions: 512)) {
        $0.relative = RelativeTerms(
          starts: Array(0...50) + Array(stride(from: 53, through: span, by: 3)), hasKeys: true,
          hasQueries: true)
      }, length)
  }

  private func expectPlain(_ configuration: BertConfiguration, _ length: Int) throws {
    let model = GeneratedModel(configuration)
    let text = model.texts([length])
    let float = try model.encoder(model.store(), .float32, threads: 2).hiddenStates(
      model.batch(text))
    let naive = NaiveBert(model: model).hidden(text[0].ids, text[0].types)[1].flatMap { $0 }
    #expect(largestDifference(float[0], naive) <= Self.floatTolerance)
    try expectScheme(model, [length], model.rounded)
  }

  @Test(arguments: Precision.allCases)
  func observersSeeEveryLayerOfTheSamePass(_ precision: Precision) throws {
    let model = GeneratedModel(configuration(layers: 3))
    let texts = model.texts([5, 17, 2])
    let encoder = try model.encoder(model.bothPaths(), precision, threads: 2)
    let batch = try model.batch(texts)
    let recorder = LayerRecorder(
      layers: 3, tokens: batch.tokenCount, width: model.configuration.hiddenSize)
    try encoder.encode(batch, observer: recorder) { _ in }
    let unobserved = try encoder.hiddenStates(batch).flatMap { $0 }
    #expect(haveSameBits(recorder.states(2), unobserved))
    guard precision == .float32 else { return }
    let naive = texts.map { NaiveBert(model: model).hidden($0.ids, $0.types) }
    for layer in -1..<3 {
      let expected = naive.flatMap { $0[layer + 1].flatMap { $0 } }
      #expect(largestDifference(recorder.states(layer), expected) <= Self.floatTolerance)
    }
  }

  @Test func aConstantRowQuantisesToItself() throws {
    var model = GeneratedModel(configuration(heads: 2, headSize: 8, layers: 1))
    // A norm without gain gives every row its bias, here the same everywhere.
    for name in model.values.keys where name.hasSuffix("norm.weight") {
      model.values[name] = model.values[name]?.map { _ in 0 }
    }
    for name in model.values.keys where name.hasSuffix("norm.bias") {
      model.values[name] = model.values[name]?.map { _ in 0.25 }
    }
    let found = try model.encoder(model.bothPaths(), .int8)
      .hiddenStates(model.batch(model.texts([4])))
    #expect(found[0].allSatisfy { $0 == 0.25 })
  }
}
