/// One of a layer's four linear products; query, key and value are one.
package enum LinearSite: Int, CaseIterable, Sendable {
  /// Query, key and value, stacked in that order: `[3·hidden, hidden]`.
  case queryKeyValue
  /// The attention's output projection: `[hidden, hidden]`.
  case attentionOutput
  /// Into the feed-forward block: `[intermediate, hidden]`, or twice as many outputs where it is gated.
  case feedForwardUp
  /// Out of the feed-forward block: `[hidden, intermediate]`.
  case feedForwardDown

  /// The part of a canonical name that stands for the site.
  package var name: String {
    switch self {
    case .queryKeyValue: "attention.qkv"
    case .attentionOutput: "attention.output"
    case .feedForwardUp: "feed_forward.up"
    case .feedForwardDown: "feed_forward.down"
    }
  }

  /// Outputs (rows of the weight matrix).
  package func outputs(_ c: BertConfiguration) -> Int {
    switch self {
    case .queryKeyValue: 3 * c.hiddenSize
    case .attentionOutput, .feedForwardDown: c.hiddenSize
    case .feedForwardUp: c.gatesFeedForward ? 2 * c.intermediateSize : c.intermediateSize
    }
  }

  /// Inputs (columns of the weight matrix).
  package func inputs(_ c: BertConfiguration) -> Int {
    self == .feedForwardDown ? c.intermediateSize : c.hiddenSize
  }
}

/// The names of the tensors a `.bertq` file may hold; `formats/canonical-names.md` is the table.
package enum CanonicalName {
  /// The tokenizer's vocabulary, as a table that is looked up where it lies: `[bytes]`.
  package static let vocabulary = "tokenizer.vocabulary"
  /// The table of a tokenizer's pieces and their scores (Unigram): `[bytes]`.
  package static let pieces = "tokenizer.pieces"
  /// The table of a tokenizer's merges (byte pairs): `[bytes]`.
  package static let merges = "tokenizer.merges"
  /// The table of a tokenizer's precompiled normalisation: `[bytes]`.
  package static let normalizer = "tokenizer.normalizer"
  /// `[vocabulary, hidden]`, float32: the float path's, and the int8 path's where that has none of its
  /// own.
  package static let wordEmbeddings = "embeddings.word"
  /// `[vocabulary, hidden]`: the int8 path's own, float16, or int8 with `int8WordScales`.
  package static let int8Words = "embeddings.int8.word"
  /// `[vocabulary, ⌈hidden / 32⌉]`: what one step of int8 word embeddings is worth, for every 32 of
  /// a row.
  package static let int8WordScales = "embeddings.int8.word.scale"
  /// `[positions, hidden]`.
  package static let positionEmbeddings = "embeddings.position"
  /// `[token types, hidden]`.
  package static let tokenTypeEmbeddings = "embeddings.token_type"
  /// The stem of the embedding layer norm's `.weight` and `.bias`, `[hidden]`.
  package static let embeddingNorm = "embeddings.norm"
  /// `[heads, 2 · span + 1]`, float32: what is added in every layer to a head's score of tokens i and j, at
  /// j − i + span, held to the ends.
  package static let attentionBias = "attention.bias"
  /// The stem of the linear from the embeddings' norm to the hidden states: `.weight` `[hidden, embedding]`, `.bias`.
  package static let embeddingProjection = "embeddings.projection"
  /// `[positions, rotary size / 2]`, float32: the cosine of each pair's angle at each position.
  package static let rotaryCosines = "attention.rotary.cos"
  /// The sines, likewise.
  package static let rotarySines = "attention.rotary.sin"
  /// The cosines of layers with an attention window, likewise.
  package static let windowCosines = "attention.rotary.window.cos"
  /// Their sines.
  package static let windowSines = "attention.rotary.window.sin"
  /// `[classes of distances, hidden]`, float32: what each head's queries are multiplied with, by distance.
  package static func relativeKey(_ layer: Int) -> String {
    "layer.\(layer).attention.relative.key"
  }
  /// The same for keys.
  package static func relativeQuery(_ layer: Int) -> String {
    "layer.\(layer).attention.relative.query"
  }
  /// The stem of the norm behind all layers, where norms come first: `.weight` and `.bias`, `[hidden]`.
  package static let finalNorm = "norm"
  /// The stem of the pooler's `.weight` `[hidden, hidden]` and `.bias` `[hidden]`.
  package static let pooler = "pooler"
  /// The stem of the layer norm after attention, or before it where norms come first.
  package static func attentionNorm(_ layer: Int) -> String { "layer.\(layer).attention.norm" }
  /// The stem of the layer norm after the feed-forward block, or before it where norms come first.
  package static func feedForwardNorm(_ layer: Int) -> String { "layer.\(layer).feed_forward.norm" }
  /// The stem of a linear: `.weight` (float panels), `.bias`, and `.int8.*`.
  package static func linear(_ layer: Int, _ site: LinearSite) -> String {
    "layer.\(layer).\(site.name)"
  }
}

/// A tensor that a float32 model holds.
package struct TensorRequirement: Equatable, Sendable {
  /// Its canonical name.
  package let name: String
  /// Its logical shape.
  package let shape: [Int]
  /// How it lies in a `.bertq` file.
  package let layout: TensorLayout

  /// Makes a requirement.
  package init(_ name: String, _ shape: [Int], _ layout: TensorLayout = .rowMajor) {
    self.name = name
    self.shape = shape
    self.layout = layout
  }
}

extension BertConfiguration {
  /// The tensors of the embedding layer, the biases of scores, rotary and relative tables and the norms of every layer and behind
  /// them: both paths need them.
  package var sharedTensors: [TensorRequirement] {
    let width = embeddingWidth
    var list = [TensorRequirement(CanonicalName.wordEmbeddings, [vocabularySize, width])]
    if !lacksPositions {
      list.append(TensorRequirement(CanonicalName.positionEmbeddings, [maximumPositions, width]))
    }
    list.append(TensorRequirement(CanonicalName.tokenTypeEmbeddings, [tokenTypeCount, width]))
    if embeddingSize != nil {
      list += TensorRequirement.linear(
        CanonicalName.embeddingProjection, outputs: hiddenSize, inputs: width)
    }
    list += attentionTables
    list += TensorRequirement.norm(CanonicalName.embeddingNorm, width: width)
    var norms: [String] = []
    for layer in 0..<storedLayerCount {
      if !normalizesFirst || hasNormBeforeAttention(layer) {
        norms.append(CanonicalName.attentionNorm(layer))
      }
      norms.append(CanonicalName.feedForwardNorm(layer))
    }
    if normalizesFirst { norms.append(CanonicalName.finalNorm) }
    for layer in 0..<storedLayerCount { list += relativeTables(layer) }
    return list + norms.flatMap { TensorRequirement.norm($0, width: hiddenSize) }
  }

  /// The tables that attention reads in every layer.
  package var attentionTables: [TensorRequirement] {
    var list: [TensorRequirement] = []
    if let rotarySize {
      let windows =
        window == nil ? [] : [CanonicalName.windowCosines, CanonicalName.windowSines]
      for name in [CanonicalName.rotaryCosines, CanonicalName.rotarySines] + windows {
        list.append(TensorRequirement(name, [maximumPositions, rotarySize / 2]))
      }
    }
    if let biasSpan {
      list.append(TensorRequirement(CanonicalName.attentionBias, [headCount, 2 * biasSpan + 1]))
    }
    return list
  }

  /// The tables by distance that attention reads in one layer.
  package func relativeTables(_ layer: Int) -> [TensorRequirement] {
    guard let relative else { return [] }
    let names =
      (relative.hasKeys ? [CanonicalName.relativeKey(layer)] : [])
      + (relative.hasQueries ? [CanonicalName.relativeQuery(layer)] : [])
    return names.map { TensorRequirement($0, [relative.rowCount, hiddenSize]) }
  }

  /// The float32 weights and biases of every layer's linears.
  package var floatLinearTensors: [TensorRequirement] {
    (0..<storedLayerCount).flatMap { layer in
      LinearSite.allCases.flatMap { site in
        TensorRequirement.linear(
          CanonicalName.linear(layer, site), outputs: site.outputs(self), inputs: site.inputs(self))
      }
    }
  }

  /// The pooler's tensors: needed only when something asks for the pooler's output.
  package var poolerTensors: [TensorRequirement] {
    TensorRequirement.linear(CanonicalName.pooler, outputs: hiddenSize, inputs: hiddenSize)
  }
}
