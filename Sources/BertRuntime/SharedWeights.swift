import BertErrors
import BertKernels
import BertModel

/// An encoder's weights, verified once, for any number of encoders that work at the same time.
package struct SharedWeights: Sendable {
  private let weights: EncoderWeights

  /// Verifies the weights of a precision; embedding rows are verified when they are looked up.
  ///
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` when the source does not hold
  ///   this precision.
  package init(source: any WeightSource, precision: Precision) throws(BertError) {
    weights = try EncoderWeights(source: source, precision: precision)
  }

  /// The encoder's sizes.
  package var configuration: BertConfiguration { weights.configuration }
  /// The most tokens worth computing in one pass of one thread: their states stay in a core's cache.
  package var passTokens: Int { BatchPlan.passTokens(weights.configuration) }

  /// An encoder with memory of its own; it serves one caller at a time.
  package func encoder(kernels: KernelSet, team: ThreadTeam) -> BertEncoder {
    BertEncoder(weights: weights, kernels: kernels, team: team)
  }

  /// Where heads over such an encoder's states take their weights from; it serves one caller at a time, as
  /// the encoder does.
  package func heads(of encoder: BertEncoder) -> HeadSource {
    HeadSource(
      weights.source, precision: weights.precision, kernels: encoder.kernels, team: encoder.team)
  }
}
