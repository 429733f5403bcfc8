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

  /// Each input's mean square as far as the weights tell; nil where no norm comes before the linear.
  ///
  /// A layer norm's outputs have its gain as their deviation and its bias as their mean.
  private func inputEnergies(_ linear: LinearName) throws(BertError) -> [Double]? {
    let norm: String
    switch linear.site {
    case .queryKeyValue:
      norm =
        linear.layer == 0
        ? CanonicalName.embeddingNorm : CanonicalName.feedForwardNorm(linear.layer - 1)
    case .feedForwardUp: norm = CanonicalName.attentionNorm(linear.layer)
    case .attentionOutput, .feedForwardDown: return nil
    }
    let (gain, bias) = (try read(norm + ".weight"), try read(norm + ".bias"))
    return zip(gain, bias).map { Double($0) * Double($0) + Double($1) * Double($1) }
  }
}
