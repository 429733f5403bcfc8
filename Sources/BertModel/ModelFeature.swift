import BertErrors

/// What a file may hold beyond a plain BERT: a reader that does not know one refuses the file.
package enum ModelFeature: String, CaseIterable, Sendable {
  /// A tokenizer that merges bytes.
  case bytePairTokenizer = "tokenizer.byte-pairs"
  /// A tokenizer of Unigram pieces.
  case unigramTokenizer = "tokenizer.unigram"
  /// Frames other than `[CLS] A [SEP] B [SEP]`.
  case tokenizerTemplate = "tokenizer.template"
  /// Tokens found in the text, with rules of their own.
  case addedTokens = "tokenizer.added-tokens"
  /// Texts that lose their beginning.
  case leftTruncation = "tokenizer.cuts-left"
  /// Control characters that stay in texts.
  case keptControls = "tokenizer.keeps-controls"
  /// Several poolings, or one beside mean, cls and pooler.
  case poolings = "embedding.poolings"
  /// Modules behind pooling other than one normalisation.
  case modules = "embedding.modules"
  /// Vectors cut to their first numbers.
  case dimensions = "embedding.dimensions"
  /// A prompt before every text.
  case defaultPrompt = "embedding.default-prompt"
  /// Prompts that pooling leaves out.
  case unpooledPrompt = "embedding.unpooled-prompt"
  /// Biases on attention's scores by the distance of two tokens.
  case distanceBias = "attention.distance-bias"
  /// A linear between the embeddings' norm and the first layer.
  case embeddingProjection = "embeddings.projection"
  /// No table of positions.
  case noPositions = "embeddings.no-positions"
  /// Several layers with the same tensors.
  case sharedLayers = "layers.shared"
  /// Feed-forward blocks of which one half multiplies the other.
  case gatedFeedForward = "feed-forward.gated"
  /// Queries and keys turned by their positions.
  case rotary = "attention.rotary"
  /// Terms of scores that are made of what tokens hold and of their distance.
  case relative = "attention.relative"
  /// Layers whose tokens see those near them alone.
  case attentionWindow = "attention.window"
  /// Norms before attention and feed-forward, and one behind all layers.
  case normsFirst = "norm.first"
  /// Word embeddings in binary16.
  case float16Words = "embeddings.f16"
  /// Word embeddings in int8.
  case int8Words = "embeddings.int8"
  /// A classifier with a linear, perhaps a norm, in front, or that reads another vector than the
  /// pooler's.
  case classifierDense = "head.dense"
  /// A masked-word head with an activation of its own.
  case transformActivation = "head.transform-activation"
  /// Sparse vectors.
  case sparse = "head.sparse"
  /// A vector a token.
  case multiVector = "head.multi-vector"
  /// A head with int8 weights.
  case int8Head = "head.int8"
}

extension ModelDescription {
  /// The features that the description and these tensors make use of.
  package func features(tensors: [(name: String, elementType: ElementType)]) -> Set<ModelFeature> {
    var features: Set<ModelFeature> = []
    func uses(_ feature: ModelFeature, _ condition: Bool) {
      if condition { features.insert(feature) }
    }
    if let tokenizer {
      switch tokenizer.kind {
      case .wordPiece: break
      case .bytePairs: features.insert(.bytePairTokenizer)
      case .unigram: features.insert(.unigramTokenizer)
      }
      uses(.tokenizerTemplate, !tokenizer.single.isEmpty || !tokenizer.pair.isEmpty)
      uses(.addedTokens, !tokenizer.addedTokens.isEmpty)
      uses(.leftTruncation, tokenizer.cutsLeft)
      uses(.keptControls, tokenizer.wordPiece?.cleansText == false)
    }
    uses(.distanceBias, configuration.biasSpan != nil)
    uses(.embeddingProjection, configuration.embeddingSize != nil)
    uses(.noPositions, configuration.lacksPositions)
    uses(.sharedLayers, configuration.storedLayers != nil)
    uses(.gatedFeedForward, configuration.gatesFeedForward)
    uses(.rotary, configuration.rotarySize != nil)
    uses(.relative, configuration.relative != nil)
    uses(.attentionWindow, configuration.window != nil)
    uses(.normsFirst, configuration.normalizesFirst)
    let plain: [Pooling] = [.mean, .cls, .pooler]
    uses(.poolings, embedding.poolings.count != 1 || !plain.contains(embedding.poolings[0]))
    uses(.modules, embedding.modules != [] && embedding.modules != [.normalize])
    uses(.dimensions, embedding.dimensions != nil)
    uses(.unpooledPrompt, !embedding.poolsPrompt)
    uses(.defaultPrompt, defaultPrompt != nil)
    if let head {
      uses(.classifierDense, head.denseActivation != nil || head.input != .pooler)
      uses(.transformActivation, head.transformActivation != nil)
      uses(.sparse, head.sparseWeight != nil)
      uses(.multiVector, head.multiVector != nil)
    }
    for (name, elementType) in tensors {
      if name == CanonicalName.int8Words {
        uses(.float16Words, elementType == .float16)
        uses(.int8Words, elementType == .int8)
      }
      if name.hasPrefix(CanonicalName.headPrefix) {
        uses(.int8Head, name.hasSuffix(QuantizedPart.weight))
      }
    }
    return features
  }
}
