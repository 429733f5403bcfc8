import BertErrors
import BertKernels
import BertModel

/// Which arithmetic the encoder's linears and attention use.
public enum Precision: String, Sendable, CaseIterable {
  /// float32 throughout: the reference.
  case float32 = "float"
  /// int8 products, float32 between them.
  case int8
}

/// Gain and bias of a layer norm.
struct NormWeights {
  let gain: UnsafePointer<Float>
  let bias: UnsafePointer<Float>
}

/// One encoder layer's weights.
struct LayerWeights {
  let linears: [LinearStep]
  let attentionNorm: NormWeights
  let feedForwardNorm: NormWeights

  subscript(site: LinearSite) -> LinearStep { linears[site.rawValue] }
}

/// An encoder's weights in one precision, used in place.
///
/// Safety: every pointer points into `source`, which this keeps alive and nobody writes.
final class EncoderWeights: @unchecked Sendable {
  let source: any WeightSource
  let configuration: BertConfiguration
  let word: TensorView
  let position: UnsafePointer<Float>
  let type: UnsafePointer<Float>
  let embeddingNorm: NormWeights
  let layers: [LayerWeights]
  let precision: Precision

  init(source: any WeightSource, precision: Precision) throws(BertError) {
    let c = source.description.configuration
    self.source = source
    self.precision = precision
    configuration = c
    func norm(_ name: String) throws(BertError) -> NormWeights {
      NormWeights(
        gain: try source.require(name + ".weight", .float32, [c.hiddenSize]).floats,
        bias: try source.require(name + ".bias", .float32, [c.hiddenSize]).floats)
    }
    // Rows of the word table are verified when they are first looked up.
    word = try source.require(
      CanonicalName.wordEmbeddings, .float32, [c.vocabularySize, c.hiddenSize],
      verifying: false)
    position = try source.require(
      CanonicalName.positionEmbeddings, .float32, [c.maximumPositions, c.hiddenSize]
    ).floats
    type = try source.require(
      CanonicalName.tokenTypeEmbeddings, .float32, [c.tokenTypeCount, c.hiddenSize]
    ).floats
    embeddingNorm = try norm(CanonicalName.embeddingNorm)
    if precision == .float32, Self.isInt8Only(source) { throw Self.absent("float32", "float") }
    var layers: [LayerWeights] = []
    var quantized = 0
    for layer in 0..<c.layerCount {
      var steps: [LinearStep] = []
      for site in LinearSite.allCases {
        let name = CanonicalName.linear(layer, site)
        let (n, k) = (site.outputs(c), site.inputs(c))
        if precision == .int8,
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
          linears: steps, attentionNorm: try norm(CanonicalName.attentionNorm(layer)),
          feedForwardNorm: try norm(CanonicalName.feedForwardNorm(layer))))
    }
    if precision == .int8 && quantized == 0 { throw Self.absent("int8", "int8") }
    self.layers = layers
  }

  private static func absent(_ path: String, _ option: String) -> BertError {
    BertError(
      .unsupported,
      "the file holds no \(path) weights; convert it again with --weights both or \(option)")
  }

  /// Whether no linear has float weights because all have int8 ones: a whole file, for another path.
  private static func isInt8Only(_ source: any WeightSource) -> Bool {
    (0..<source.description.configuration.layerCount).allSatisfy { layer in
      LinearSite.allCases.allSatisfy { site in
        let name = CanonicalName.linear(layer, site)
        return source.find(name + ".weight") == nil
          && source.find(name + QuantizedPart.weight) != nil
      }
    }
  }
}
