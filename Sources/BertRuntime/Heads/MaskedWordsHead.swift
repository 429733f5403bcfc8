import BertErrors
import BertKernels
import BertModel

/// Logits of every word of the vocabulary for each token: a linear with the encoder's nonlinearity, a
/// norm, and the decoder, whose weights are its own or the word embeddings.
package final class MaskedWordsHead: Head {
  package let subject = HeadSubject.token
  package var width: Int { decoder.outputs }
  private let source: HeadSource
  private let transform: HeadLinear
  /// Part of the linear's kernel; none where it is a silu behind it.
  private let activation: bk_activation
  private let endsInSilu: Bool
  private let norm: NormWeights
  private let decoder: HeadLinear

  /// Prepares it; the weights it will use are verified now.
  ///
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` for an activation that is
  ///   not computed here.
  package init(_ source: HeadSource) throws(BertError) {
    let c = source.configuration
    self.source = source
    (activation, endsInSilu) = try Self.activation(source)
    transform = try HeadLinear(
      CanonicalName.maskedTransform, outputs: c.embeddingWidth, inputs: c.hiddenSize, from: source)
    norm = try source.norm(CanonicalName.maskedNorm, width: c.embeddingWidth)
    decoder = try HeadLinear(
      CanonicalName.maskedDecoder, outputs: c.vocabularySize, inputs: c.embeddingWidth,
      from: source,
      orWords: true)
  }

  private static func activation(
    _ source: HeadSource
  ) throws(BertError) -> (ofKernel: bk_activation, endsInSilu: Bool) {
    let own = source.settings.transformActivation
    switch own ?? OutputActivation(source.configuration.activation) {
    case .identity: return (BK_ACT_NONE, false)
    case .relu: return (BK_ACT_RELU, false)
    case .gelu: return (BK_ACT_GELU, false)
    case .geluTanh: return (BK_ACT_GELU_TANH, false)
    case .silu: return (BK_ACT_NONE, true)
    case .tanh, .sigmoid:
      let name = own?.rawValue ?? source.configuration.activation.rawValue
      throw BertError(
        .unsupported,
        "the model's masked-word head has the activation '\(name)'; identity, relu, gelu, gelu_new "
          + "and silu are computed")
    }
  }

  package func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    let width = self.width
    try scores.append(rows: texts.map(\.wanted.count)) { out throws(BertError) in
      try decode(texts.flatMap(\.wanted), of: states) { first, block in
        for (index, row) in block.rows.enumerated() {
          (out + (first + row) * width + block.columns.lowerBound).update(
            from: block.values + index * block.stride, count: block.columns.count)
        }
      }
    }
  }

  /// Hands out the logits of some tokens block by block, on the team's threads, without keeping them.
  ///
  /// A block's rows count from a place among the tokens, which comes with it. Blocks of the same words
  /// come one after the other on one thread until the place changes.
  func decode(
    _ tokens: [Int], of states: BertEncoder.HiddenStates, _ sink: (Int, HeadBlock) -> Void
  ) throws(BertError) {
    let c = source.configuration
    try source.eachBlock(of: tokens, states) { places, x throws(BertError) in
      let (rows, base) = try source.transformed(x.count)
      try transform.write(
        x, activation: activation, to: base, stride: rows.stride)
      if endsInSilu {
        for row in 0..<rows.count {
          ContractMath.applySilu(base + row * rows.stride, c.embeddingWidth)
        }
      }
      source.kernels.calls.norm_rows(
        base, rows.stride, rows.count, c.embeddingWidth, norm.weight, norm.bias, c.layerNormEpsilon,
        base, rows.stride)
      try decoder.run(rows) { sink(places.lowerBound, $0) }
    }
  }
}
