import BertErrors

/// The nonlinearity between the two linears of a feed-forward block.
package enum Activation: String, Sendable, CaseIterable {
  /// x·Φ(x), with the error function: published BERT's own.
  case gelu
  /// The tanh approximation (`gelu_new`, `gelu_pytorch_tanh`).
  case geluTanh = "gelu_new"
  /// max(x, 0).
  case relu
  /// x / (1 + e⁻ˣ), of gated blocks.
  case silu
}

/// Layers whose tokens see those near them alone, and layers between them whose tokens see all.
package struct AttentionWindow: Equatable, Sendable {
  /// How far away those are at most that a token sees.
  package var reach: Int
  /// Layers 0, `wholeEvery`, 2 · `wholeEvery` … see all.
  package var wholeEvery: Int

  /// Windows of so many tokens to each side.
  package init(reach: Int, wholeEvery: Int) {
    self.reach = reach
    self.wholeEvery = wholeEvery
  }

  /// Whether the tokens of a layer see all.
  package func isWhole(_ layer: Int) -> Bool { layer % wholeEvery == 0 }
}

/// Terms of attention's scores that are made of a token's query or key and of the distance of two tokens: a query is
/// multiplied with the row of one table, a key with the row of another, each layer has its own.
package struct RelativeTerms: Equatable, Sendable {
  /// The least distance of each class of distances: 0, and then ascending.
  ///
  /// The last has no end.
  package var starts: [Int]
  /// Whether there is the table that queries are multiplied with.
  package var hasKeys: Bool
  /// Whether there is the table that keys are multiplied with.
  package var hasQueries: Bool

  /// Terms of these classes.
  package init(starts: [Int], hasKeys: Bool, hasQueries: Bool) {
    self.starts = starts
    self.hasKeys = hasKeys
    self.hasQueries = hasQueries
  }

  /// How many there are of each score: 1 or 2.
  package var count: Int { (hasKeys ? 1 : 0) + (hasQueries ? 1 : 0) }
  /// Rows of each table: class 0 has one, each other one for keys behind the query and one for keys before it.
  package var rowCount: Int { max(1, 2 * starts.count - 1) }
  /// The distance from which on all are of one class.
  package var span: Int { starts.last ?? 0 }
  /// The row for each distance from the query back to the key, from −`span` to `span`.
  package var rows: [Int32] {
    var classes = [Int32](repeating: 0, count: span + 1)
    for (number, start) in starts.enumerated() where start <= span {
      classes[start] = Int32(number)
    }
    for distance in classes.indices.dropFirst() {
      classes[distance] = max(classes[distance], classes[distance - 1])
    }
    let middle = Int32(starts.count - 1)
    return classes.dropFirst().reversed().map { middle - $0 } + classes.map { middle + $0 }
  }

  /// - Throws: `malformed` for classes out of order, or no table; `unsupported` beyond a limit.
  func validate() throws(BertError) {
    guard starts.first == 0, zip(starts, starts.dropFirst()).allSatisfy({ $0 < $1 }) else {
      throw BertError(.malformed, "the classes of relative distances do not begin at 0 and ascend")
    }
    guard span <= BertConfiguration.largestBiasSpan else {
      throw BertError(
        .unsupported,
        "the last class of relative distances begins at \(span); the largest supported is "
          + "\(BertConfiguration.largestBiasSpan)")
    }
    guard hasKeys || hasQueries else {
      throw BertError(
        .malformed, "there are relative distances, and nothing is multiplied with them")
    }
  }
}

/// The sizes and constants of a BERT encoder.
package struct BertConfiguration: Equatable, Sendable {
  /// Rows of the word embedding table.
  package var vocabularySize: Int
  /// Width of a token's vector.
  package var hiddenSize: Int
  /// Encoder layers.
  package var layerCount: Int
  /// Attention heads; divides `hiddenSize`.
  package var headCount: Int
  /// Width between the two linears of a feed-forward block.
  package var intermediateSize: Int
  /// Rows of the position embedding table: the most tokens a text may have, specials included.
  package var maximumPositions: Int
  /// Rows of the token type (segment) embedding table.
  package var tokenTypeCount: Int
  /// Added to the variance in every layer norm.
  package var layerNormEpsilon: Float
  /// The feed-forward nonlinearity.
  package var activation: Activation
  /// The distance of two tokens from which on all biases on attention's scores are alike; nil without any.
  ///
  /// `CanonicalName.attentionBias` is their table.
  package var biasSpan: Int?
  /// Width of the embedding tables, where a linear makes the hidden size of it; nil where they have that width.
  package var embeddingSize: Int?
  /// Layers that have tensors: layer i has those of layer i mod this; nil where each has its own.
  package var storedLayers: Int?
  /// Whether half of what goes into the feed-forward block's second linear, after the activation, is multiplied by
  /// the other half.
  package var gatesFeedForward = false
  /// Whether there is no table of positions.
  package var lacksPositions = false
  /// How many numbers of each query and key are turned by their token's position; nil without.
  ///
  /// `CanonicalName.rotaryCosines` and `rotarySines` are the tables.
  package var rotarySize: Int?
  /// Whether norms stand before attention and feed-forward, whose results are added to states that no norm has changed,
  /// and a last norm behind all layers.
  ///
  /// The attention of layer 0 has none: it reads what the embeddings' norm, or the linear behind it, has made.
  package var normalizesFirst = false
  /// Nil where every token sees all in every layer.
  ///
  /// Where queries and keys are turned, layers with a window have tables of their own.
  package var window: AttentionWindow?
  /// Nil where scores have no terms of what tokens hold and of their distance.
  package var relative: RelativeTerms?

  /// Width of the embedding tables.
  package var embeddingWidth: Int { embeddingSize ?? hiddenSize }
  /// Layers that have tensors.
  package var storedLayerCount: Int { storedLayers ?? layerCount }
  /// Rows of the position table: none where there is none.
  package var positionRows: Int { lacksPositions ? 0 : maximumPositions }
  /// Whether attention in a layer has a norm of its own before it.
  package func hasNormBeforeAttention(_ layer: Int) -> Bool { normalizesFirst && layer > 0 }
  /// Width of one attention head.
  package var headSize: Int { hiddenSize / headCount }

  /// What a score is a sum of: the product of query and key, and relative terms.
  ///
  /// The root of the head size, times this, divides all.
  package var termsOfScore: Int { 1 + (relative?.count ?? 0) }

  /// Makes a configuration; call `validate()` on one that came from outside.
  package init(
    vocabularySize: Int, hiddenSize: Int, layerCount: Int, headCount: Int, intermediateSize: Int,
    maximumPositions: Int, tokenTypeCount: Int, layerNormEpsilon: Float, activation: Activation,
    biasSpan: Int? = nil
  ) {
    self.vocabularySize = vocabularySize
    self.hiddenSize = hiddenSize
    self.layerCount = layerCount
    self.headCount = headCount
    self.intermediateSize = intermediateSize
    self.maximumPositions = maximumPositions
    self.tokenTypeCount = tokenTypeCount
    self.layerNormEpsilon = layerNormEpsilon
    self.activation = activation
    self.biasSpan = biasSpan
  }

  /// The largest value each size may have; the bounds keep integer sums and allocations safe.
  ///
  /// The depth of a linear is at most `largestWidth`, which stays under
  /// 65 536: 65 536 × 255 × 128 = 2 139 095 040 < 2³¹.
  package static let largestWidth = 32_768
  /// The most layers.
  package static let largestLayerCount = 512
  /// The most rows of any embedding table.
  package static let largestVocabulary = 1 << 24
  /// The farthest distance that has a bias of its own: more tokens have no text.
  package static let largestBiasSpan = 65_536

  /// Refuses sizes that are impossible or beyond the limits.
  ///
  /// - Throws: `malformed` when values contradict each other, `unsupported` beyond a limit.
  package func validate() throws(BertError) {
    func check(_ name: String, _ value: Int, _ limit: Int) throws(BertError) {
      if value < 1 {
        throw BertError(.malformed, "\(name) is \(value); it must be at least 1")
      }
      if value > limit {
        throw BertError(.unsupported, "\(name) is \(value); the largest supported is \(limit)")
      }
    }
    try check("vocab_size", vocabularySize, Self.largestVocabulary)
    try check("hidden_size", hiddenSize, Self.largestWidth)
    try check("num_hidden_layers", layerCount, Self.largestLayerCount)
    try check("num_attention_heads", headCount, hiddenSize)
    try check("intermediate_size", intermediateSize, Self.largestWidth)
    try check("max_position_embeddings", maximumPositions, Self.largestVocabulary)
    try check("type_vocab_size", tokenTypeCount, 256)
    if let biasSpan { try check("the span of biases", biasSpan, Self.largestBiasSpan) }
    if let embeddingSize { try check("embedding_size", embeddingSize, Self.largestWidth) }
    if let storedLayers { try check("the number of stored layers", storedLayers, layerCount) }
    if hiddenSize % headCount != 0 {
      throw BertError(
        .malformed,
        "hidden_size \(hiddenSize) is not a multiple of num_attention_heads \(headCount)")
    }
    if let rotarySize, rotarySize < 2 || rotarySize % 2 != 0 || rotarySize > headSize {
      throw BertError(
        .malformed,
        "\(rotarySize) numbers of a head are turned; expected an even number up to the head size, "
          + "\(headSize)")
    }
    if let window {
      try check("the attention window's reach", window.reach, Self.largestBiasSpan)
      try check(
        "the number of layers to one that sees all", window.wholeEvery, Self.largestLayerCount)
    }
    if let relative {
      try relative.validate()
      if biasSpan != nil {
        throw BertError(
          .unsupported, "biases by distance and relative terms are not computed together")
      }
    }
    if normalizesFirst && storedLayers != nil {
      throw BertError(
        .unsupported, "layers that share tensors are not computed with norms before their blocks")
    }
    if activation == .silu && !gatesFeedForward {
      throw BertError(
        .unsupported, "the activation silu is computed in gated feed-forward blocks alone")
    }
    if !(layerNormEpsilon >= 0 && layerNormEpsilon < 1) {
      throw BertError(
        .malformed, "layer_norm_eps is \(layerNormEpsilon); it must be from 0 to below 1")
    }
  }
}
