import BertErrors
import BertKernels
import BertModel

/// Which arithmetic the encoder's linears and attention use.
package enum Precision: String, Sendable, CaseIterable {
  /// float32 throughout: the reference.
  case float32 = "float"
  /// int8 products, float32 between them.
  case int8
}

/// Gain and bias of a layer norm.
struct NormWeights {
  let weight: UnsafePointer<Float>
  let bias: UnsafePointer<Float>
}

/// A place in a layer where the int8 path differs from float32.
package enum QuantizedSite: Hashable, Sendable {
  /// One of the four linears.
  case linear(LinearSite)
  /// The attention's two products.
  case attention

  /// Every place of a layer, in the order of the computation.
  package static let all: [QuantizedSite] = [
    .linear(.queryKeyValue), .attention, .linear(.attentionOutput), .linear(.feedForwardUp),
    .linear(.feedForwardDown),
  ]

  /// The name in reports.
  package var name: String {
    switch self {
    case .linear(let site): site.name
    case .attention: "attention.products"
    }
  }
}

/// The norms of a layer: those that stand before its blocks leave the hidden states as they are, those behind change them.
struct LayerNorms {
  var beforeAttention: NormWeights?
  var behindAttention: NormWeights?
  var beforeFeedForward: NormWeights?
  var behindFeedForward: NormWeights?

  /// The norm whose rows go into a linear; nil where the hidden states themselves do.
  func before(_ site: LinearSite) -> NormWeights? {
    switch site {
    case .queryKeyValue: beforeAttention
    case .feedForwardUp: beforeFeedForward
    case .attentionOutput, .feedForwardDown: nil
    }
  }
}

/// One encoder layer's weights.
struct LayerWeights {
  let linears: [LinearStep]
  /// Whether attention's products are in int8.
  let hasInt8Attention: Bool
  let norms: LayerNorms
  /// Cosines and sines of each position's angles; nil where nothing is turned.
  let rotary: (cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>)?
  /// How far away those are at most that a token sees; nil where it sees all.
  let reach: Int?
  /// The tables by distance that queries and keys are multiplied with, `[rows, hidden]`; nil where there is none.
  let relative: (key: UnsafePointer<Float>?, query: UnsafePointer<Float>?)

  subscript(site: LinearSite) -> LinearStep { linears[site.rawValue] }
}

/// An encoder's weights in one precision, used in place.
///
/// Safety: every pointer points into `source`, which this keeps alive and nobody writes.
final class EncoderWeights: @unchecked Sendable {
  let source: any WeightSource
  let configuration: BertConfiguration
  let word: WordTable
  /// `[positions, embedding]`, or a row of zeros where the model has no positions.
  let position: UnsafePointer<Float>
  let type: UnsafePointer<Float>
  let embeddingNorm: NormWeights
  /// From the embeddings' width to the hidden states'; nil where they are the same.
  let projection: LinearStep?
  /// Biases on scores by distance, head after head; nil when there are none.
  let bias: UnsafePointer<Float>?
  /// The row of the relative tables for each distance of `configuration.relative`; empty without.
  let relativeRows: [Int32]
  let layers: [LayerWeights]
  /// How every layer's heads are computed together.
  let heads: HeadGroups
  let precision: Precision
  /// Keeps the zeros of a model without positions.
  private let noPositions: AlignedBuffer?

  /// Takes the weights of every place that `quantizes` names in int8, where the source has them; of layers that share
  /// tensors it is asked by the number under which they are stored.
  ///
  /// - Parameter place: which layer of a model the source's only one is; nil where the source is the whole model.
  init(
    source: any WeightSource, precision: Precision, place: Int? = nil,
    quantizes: (Int, QuantizedSite) -> Bool = { _, _ in true }
  ) throws(BertError) {
    let c = source.model.configuration
    self.source = source
    self.precision = precision
    configuration = c
    heads = HeadGroups(c)
    func floats(_ name: String, _ shape: [Int]) throws(BertError) -> UnsafePointer<Float> {
      try source.require(name, .float32, shape).floats
    }
    func norm(_ name: String, _ width: Int) throws(BertError) -> NormWeights {
      NormWeights(
        weight: try floats(name + ".weight", [width]), bias: try floats(name + ".bias", [width]))
    }
    let width = c.embeddingWidth
    // Rows of the word table are verified when they are first looked up.
    word = try WordTable(source, precision)
    if c.lacksPositions {
      let zeros = try AlignedBuffer(checkedFloats: width, for: "a row of zeros")
      (position, noPositions) = (UnsafePointer(zeros.floats), zeros)
    } else {
      position = try floats(CanonicalName.positionEmbeddings, [c.maximumPositions, width])
      noPositions = nil
    }
    type = try floats(CanonicalName.tokenTypeEmbeddings, [c.tokenTypeCount, width])
    embeddingNorm = try norm(CanonicalName.embeddingNorm, width)
    projection = try c.embeddingSize.map { (inputs) throws(BertError) in
      try LinearStep.loadFloat(
        CanonicalName.embeddingProjection, outputs: c.hiddenSize, inputs: inputs, from: source)
    }
    func rotary(_ isWhole: Bool) throws(BertError) -> (
      cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>
    )? {
      guard let size = c.rotarySize else { return nil }
      let shape = [c.maximumPositions, size / 2]
      return (
        try floats(isWhole ? CanonicalName.rotaryCosines : CanonicalName.windowCosines, shape),
        try floats(isWhole ? CanonicalName.rotarySines : CanonicalName.windowSines, shape)
      )
    }
    func norms(_ layer: Int, at place: Int, isLast: Bool) throws(BertError) -> LayerNorms {
      let feedForward = try norm(CanonicalName.feedForwardNorm(layer), c.hiddenSize)
      let attention = CanonicalName.attentionNorm(layer)
      guard c.normalizesFirst else {
        return LayerNorms(
          behindAttention: try norm(attention, c.hiddenSize), behindFeedForward: feedForward)
      }
      return LayerNorms(
        beforeAttention: c.hasNormBeforeAttention(place) ? try norm(attention, c.hiddenSize) : nil,
        beforeFeedForward: feedForward,
        behindFeedForward: isLast ? try norm(CanonicalName.finalNorm, c.hiddenSize) : nil)
    }
    func relative(_ layer: Int) throws(BertError) -> (
      key: UnsafePointer<Float>?, query: UnsafePointer<Float>?
    ) {
      guard let relative = c.relative else { return (nil, nil) }
      let shape = [relative.rowCount, c.hiddenSize]
      return (
        relative.hasKeys ? try floats(CanonicalName.relativeKey(layer), shape) : nil,
        relative.hasQueries ? try floats(CanonicalName.relativeQuery(layer), shape) : nil
      )
    }
    relativeRows = c.relative?.rows ?? []
    bias = try c.biasSpan.map { (span) throws(BertError) in
      try floats(CanonicalName.attentionBias, [c.headCount, 2 * span + 1])
    }
    // A file that is whole, but for the other path only.
    if precision == .float32, !Self.holds(.some, ".weight", source),
      Self.holds(.all, QuantizedPart.weight, source)
    {
      throw Self.absent("float32")
    }
    var layers: [LayerWeights] = []
    var quantized = 0
    for index in 0..<c.layerCount {
      let layer = index % c.storedLayerCount
      let own = place ?? index
      let isWhole = c.window?.isWhole(own) ?? true
      var steps: [LinearStep] = []
      for site in LinearSite.allCases {
        let name = CanonicalName.linear(layer, site)
        let (n, k) = (site.outputs(c), site.inputs(c))
        if precision == .int8, quantizes(layer, .linear(site)),
          let step = try LinearStep.loadInt8(name, outputs: n, inputs: k, from: source)
        {
          steps.append(step)
          quantized += 1
        } else {
          steps.append(try LinearStep.loadFloat(name, outputs: n, inputs: k, from: source))
        }
      }
      layers.append(
        LayerWeights(
          linears: steps,
          hasInt8Attention: precision == .int8 && quantizes(layer, .attention),
          norms: try norms(
            layer, at: own, isLast: place == nil && index + 1 == c.layerCount),
          rotary: try rotary(isWhole), reach: isWhole ? nil : c.window?.reach,
          relative: try relative(layer)))
    }
    if precision == .int8 && quantized == 0 && !Self.holds(.some, QuantizedPart.weight, source) {
      throw Self.absent("int8")
    }
    self.layers = layers
  }

  private static func absent(_ path: String) -> BertError {
    BertError(
      .unsupported,
      "the file holds no \(path) weights; convert the checkpoint again, with them",
      remedy: .storeBothPrecisions)
  }

  private enum Quantity { case some, all }

  /// Whether some or all linears have a weight of this kind.
  private static func holds(
    _ quantity: Quantity, _ part: String, _ source: any WeightSource
  ) -> Bool {
    var found = 0
    let count = source.model.configuration.storedLayerCount
    for layer in 0..<count {
      for site in LinearSite.allCases
      where source.find(CanonicalName.linear(layer, site) + part) != nil { found += 1 }
    }
    return quantity == .all ? found == count * LinearSite.allCases.count : found > 0
  }
}
