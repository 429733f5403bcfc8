import BertErrors
import BertKernels
import BertModel

/// Quantises a model's linears looking at no text.
package struct PlainQuantizer {
  private let configuration: BertConfiguration
  private let quantizer: LinearQuantizer
  private let read: CalibratedQuantizer.Read

  /// Prepares for a model whose canonical tensors `read` gives.
  package init(
    configuration: BertConfiguration, recipe: Recipe, kernels: KernelSet, team: ThreadTeam,
    read: @escaping CalibratedQuantizer.Read
  ) {
    self.configuration = configuration
    self.read = read
    quantizer = LinearQuantizer(recipe: recipe, kernels: kernels, team: team)
  }

  /// Quantises one linear.
  ///
  /// - Throws: what `read` throws, `system` when there is no memory.
  package func quantize(_ linear: LinearName) throws(BertError) -> QuantizedLinear {
    let name = linear.description
    let weights = try LinearWeights(
      name, weight: try read(name + ".weight"), bias: try read(name + ".bias"),
      outputs: linear.site.outputs(configuration), inputs: linear.site.inputs(configuration))
    return try quantizer.quantize(weights, site: linear.site, energies: try inputEnergies(linear))
  }

  /// Quantises the masked-word decoder, whose inputs come from a norm.
  ///
  /// - Parameter isTied: whether its weights are the word embeddings.
  /// - Throws: what `read` throws, `system` when there is no memory.
  package func quantizeDecoder(isTied: Bool) throws(BertError) -> QuantizedLinear {
    let stem = CanonicalName.maskedDecoder
    let name = isTied ? CanonicalName.wordEmbeddings : stem + FloatPart.weight
    let weights = try LinearWeights(
      stem, weight: try read(name), bias: try read(stem + FloatPart.bias),
      outputs: configuration.vocabularySize, inputs: configuration.embeddingWidth)
    // As for every linear behind a norm; the site decides nothing but the rotation.
    return try quantizer.quantize(
      weights, site: .feedForwardUp, energies: try energies(behind: CanonicalName.maskedNorm))
  }

  /// Each input's mean square as far as the weights tell; nil where no norm comes before the linear.
  ///
  /// A layer norm's outputs have its weight as their deviation and its bias as their mean. Of layers that share tensors,
  /// all but the first come behind another's norm.
  private func inputEnergies(_ linear: LinearName) throws(BertError) -> [Double]? {
    let norm: String
    let c = configuration
    switch linear.site {
    case .queryKeyValue:
      if c.hasNormBeforeAttention(linear.layer) {
        norm = CanonicalName.attentionNorm(linear.layer)
      } else if linear.layer > 0 {
        norm = CanonicalName.feedForwardNorm(linear.layer - 1)
      } else if c.storedLayerCount < c.layerCount {
        norm = CanonicalName.feedForwardNorm(c.storedLayerCount - 1)
      } else if c.embeddingSize == nil {
        norm = CanonicalName.embeddingNorm
      } else {
        return nil
      }
    case .feedForwardUp:
      norm =
        c.normalizesFirst
        ? CanonicalName.feedForwardNorm(linear.layer) : CanonicalName.attentionNorm(linear.layer)
    case .attentionOutput, .feedForwardDown: return nil
    }
    return try energies(behind: norm)
  }

  private func energies(behind norm: String) throws(BertError) -> [Double] {
    let (weight, bias) = (try read(norm + ".weight"), try read(norm + ".bias"))
    return zip(weight, bias).map { Double($0) * Double($0) + Double($1) * Double($1) }
  }
}
