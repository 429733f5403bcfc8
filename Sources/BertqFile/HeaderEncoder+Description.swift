import BertErrors
import BertModel
import CBertqHeader

/// The parts of a model's description as the C structures that are packed.
extension Arena {
  func configuration(
    _ configuration: BertConfiguration
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__Configuration> {
    var stored = Bertq__Configuration()
    bertq__configuration__init(&stored)
    stored.vocabulary_size = try number(configuration.vocabularySize, "vocab_size")
    stored.hidden_size = try number(configuration.hiddenSize, "hidden_size")
    stored.layer_count = try number(configuration.layerCount, "num_hidden_layers")
    stored.head_count = try number(configuration.headCount, "num_attention_heads")
    stored.intermediate_size = try number(configuration.intermediateSize, "intermediate_size")
    stored.maximum_positions = try number(configuration.maximumPositions, "max_position_embeddings")
    stored.token_type_count = try number(configuration.tokenTypeCount, "type_vocab_size")
    stored.layer_norm_epsilon = configuration.layerNormEpsilon
    stored.activation.rawValue = configuration.activation.number
    stored.has_bias_span = configuration.biasSpan == nil ? 0 : 1
    stored.bias_span = try number(configuration.biasSpan ?? 0, "the span of biases")
    stored.has_embedding_size = configuration.embeddingSize == nil ? 0 : 1
    stored.embedding_size = try number(configuration.embeddingSize ?? 0, "embedding_size")
    stored.has_stored_layers = configuration.storedLayers == nil ? 0 : 1
    stored.stored_layers = try number(configuration.storedLayers ?? 0, "the stored layers")
    stored.has_gates_feed_forward = configuration.gatesFeedForward ? 1 : 0
    stored.gates_feed_forward = configuration.gatesFeedForward ? 1 : 0
    stored.has_lacks_positions = configuration.lacksPositions ? 1 : 0
    stored.lacks_positions = configuration.lacksPositions ? 1 : 0
    stored.has_rotary_size = configuration.rotarySize == nil ? 0 : 1
    stored.rotary_size = try number(configuration.rotarySize ?? 0, "the rotary size")
    stored.has_normalizes_first = configuration.normalizesFirst ? 1 : 0
    stored.normalizes_first = configuration.normalizesFirst ? 1 : 0
    stored.has_attention_window = configuration.window == nil ? 0 : 1
    stored.attention_window = try number(
      configuration.window?.reach ?? 0, "the attention window's reach")
    stored.has_whole_attention_every = stored.has_attention_window
    stored.whole_attention_every = try number(
      configuration.window?.wholeEvery ?? 0, "the number of layers to one that sees all")
    if let relative = configuration.relative {
      var starts: [UInt32] = []
      for start in relative.starts { starts.append(try number(start, "a relative distance")) }
      stored.relative_starts = array(starts)
      stored.n_relative_starts = starts.count
      stored.has_has_relative_keys = relative.hasKeys ? 1 : 0
      stored.has_relative_keys = relative.hasKeys ? 1 : 0
      stored.has_has_relative_queries = relative.hasQueries ? 1 : 0
      stored.has_relative_queries = relative.hasQueries ? 1 : 0
    }
    return place(stored)
  }

  func tokenizer(
    _ settings: TokenizerSettings
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__Tokenizer> {
    var stored = Bertq__Tokenizer()
    bertq__tokenizer__init(&stored)
    stored.unknown_token = try text(settings.unknownToken, "the unknown token")
    stored.class_token = try text(settings.classToken, "the class token")
    stored.separator_token = try text(settings.separatorToken, "the separator token")
    stored.pad_token = try text(settings.padToken, "the pad token")
    stored.mask_token = try text(settings.maskToken, "the mask token")
    stored.single = try list(settings.single, templatePiece)
    stored.n_single = settings.single.count
    stored.pair = try list(settings.pair, templatePiece)
    stored.n_pair = settings.pair.count
    stored.added_tokens = try list(settings.addedTokens, addedToken)
    stored.n_added_tokens = settings.addedTokens.count
    stored.has_maximum_tokens = settings.maximumTokens == nil ? 0 : 1
    stored.maximum_tokens = try number(settings.maximumTokens ?? 0, "the most tokens")
    stored.has_cuts_left = settings.cutsLeft ? 1 : 0
    stored.cuts_left = settings.cutsLeft ? 1 : 0
    switch settings.kind {
    case .wordPiece(let rules):
      stored.kind = BERTQ__TOKENIZER_KIND__WORD_PIECE
      stored.word_piece = try wordPiece(rules)
    case .bytePairs(let rules):
      stored.kind = BERTQ__TOKENIZER_KIND__BYTE_PAIRS
      try put(rules, into: &stored)
    case .unigram(let rules):
      stored.kind = BERTQ__TOKENIZER_KIND__UNIGRAM
      try put(rules, into: &stored)
    }
    return place(stored)
  }

  private func wordPiece(
    _ rules: WordPieceRules
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__WordPiece> {
    var stored = Bertq__WordPiece()
    bertq__word_piece__init(&stored)
    stored.lowercase = rules.lowercase ? 1 : 0
    stored.has_strip_accents = rules.stripAccents == nil ? 0 : 1
    stored.strip_accents = rules.stripAccents == true ? 1 : 0
    stored.space_chinese = rules.spaceChinese ? 1 : 0
    stored.has_keeps_controls = rules.cleansText ? 0 : 1
    stored.keeps_controls = rules.cleansText ? 0 : 1
    stored.maximum_word_length = try number(rules.maximumWordLength, "the longest word")
    stored.continuation_prefix = try text(rules.continuationPrefix, "the continuation prefix")
    return place(stored)
  }

  private func put(
    _ rules: TextRules, into stored: inout Bertq__Tokenizer
  ) throws(BertError) {
    stored.normalization = try list(rules.normalization, normalizationStep)
    stored.n_normalization = rules.normalization.count
    stored.splitting = try list(rules.splitting) { (step) throws(BertError) in
      splittingStep(step)
    }
    stored.n_splitting = rules.splitting.count
    stored.has_falls_back_to_bytes = rules.fallsBackToBytes ? 1 : 0
    stored.falls_back_to_bytes = rules.fallsBackToBytes ? 1 : 0
  }

  private func normalizationStep(
    _ step: NormalizationStep
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__NormalizationStep> {
    var stored = Bertq__NormalizationStep()
    bertq__normalization_step__init(&stored)
    stored.kind = step.storedKind
    if case .replace(let pattern, let content) = step {
      stored.pattern = try text(pattern, "a pattern")
      stored.content = try text(content, "what replaces a pattern")
    }
    return place(stored)
  }

  private func splittingStep(_ step: SplittingStep) -> UnsafeMutablePointer<Bertq__SplittingStep> {
    var stored = Bertq__SplittingStep()
    bertq__splitting_step__init(&stored)
    func set(_ has: inout protobuf_c_boolean, _ field: inout protobuf_c_boolean, _ value: Bool) {
      (has, field) = (1, value ? 1 : 0)
    }
    switch step {
    case .whitespace: stored.kind = BERTQ__SPLITTING__WHITESPACE
    case .metaspace(let first, let always, let splits):
      stored.kind = BERTQ__SPLITTING__METASPACE
      set(&stored.has_prefixes_first, &stored.prefixes_first, first)
      set(&stored.has_prefixes_always, &stored.prefixes_always, always)
      set(&stored.has_splits, &stored.splits, splits)
    case .byteLevel(let first, let splits):
      stored.kind = BERTQ__SPLITTING__BYTE_LEVEL
      set(&stored.has_prefixes_first, &stored.prefixes_first, first)
      set(&stored.has_splits, &stored.splits, splits)
    }
    return place(stored)
  }

  private func templatePiece(
    _ piece: TemplatePiece
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__TemplatePiece> {
    var stored = Bertq__TemplatePiece()
    bertq__template_piece__init(&stored)
    switch piece.part {
    case .token(let token):
      stored.part = BERTQ__TEMPLATE_PART__TOKEN
      stored.token = try text(token, "a template's token")
    case .firstText: stored.part = BERTQ__TEMPLATE_PART__FIRST_TEXT
    case .secondText: stored.part = BERTQ__TEMPLATE_PART__SECOND_TEXT
    }
    stored.token_type = try number(piece.tokenType, "a template's token type")
    return place(stored)
  }

  private func addedToken(
    _ token: AddedToken
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__AddedToken> {
    var stored = Bertq__AddedToken()
    bertq__added_token__init(&stored)
    stored.text = try text(token.text, "an added token")
    stored.id = try number(token.id, "an added token's id")
    stored.takes_space_before = token.takesSpaceBefore ? 1 : 0
    stored.takes_space_behind = token.takesSpaceBehind ? 1 : 0
    stored.is_single_word = token.isSingleWord ? 1 : 0
    stored.is_normalized = token.isNormalized ? 1 : 0
    stored.is_special = token.isSpecial ? 1 : 0
    return place(stored)
  }

  func embedding(
    _ recipe: EmbeddingRecipe
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__Embedding> {
    var stored = Bertq__Embedding()
    bertq__embedding__init(&stored)
    stored.poolings = array(
      recipe.poolings.map { pooling in
        var number = BERTQ__POOLING__MEAN
        number.rawValue = pooling.number
        return number
      })
    stored.n_poolings = recipe.poolings.count
    stored.pools_prompt = recipe.poolsPrompt ? 1 : 0
    stored.modules = try list(recipe.modules) { (module) throws(BertError) in
      var stored = Bertq__Module()
      bertq__module__init(&stored)
      switch module {
      case .normalize: stored.kind = BERTQ__MODULE_KIND__NORMALIZE
      case .dense(let outputs, let activation):
        stored.kind = BERTQ__MODULE_KIND__DENSE
        stored.has_outputs = 1
        stored.outputs = try number(outputs, "a module's outputs")
        stored.has_activation = 1
        stored.activation.rawValue = activation.number
      }
      return place(stored)
    }
    stored.n_modules = recipe.modules.count
    stored.has_dimensions = recipe.dimensions == nil ? 0 : 1
    stored.dimensions = try number(recipe.dimensions ?? 0, "the dimensions")
    return place(stored)
  }

  func head(_ head: HeadSettings) throws(BertError) -> UnsafeMutablePointer<Bertq__Head> {
    var stored = Bertq__Head()
    bertq__head__init(&stored)
    stored.labels = try texts(head.labels, "a label")
    stored.n_labels = head.labels.count
    stored.problem_type = try text(head.problemType, "the problem type")
    if let activation = head.scoreActivation {
      stored.has_score_activation = 1
      stored.score_activation.rawValue = activation.number
    }
    if head.input != .pooler {
      stored.has_input = 1
      stored.input.rawValue = head.input.number
    }
    if let activation = head.denseActivation {
      stored.has_dense_activation = 1
      stored.dense_activation.rawValue = activation.number
    }
    if let activation = head.transformActivation {
      stored.has_transform_activation = 1
      stored.transform_activation.rawValue = activation.number
    }
    if let weight = head.sparseWeight {
      stored.has_sparse_weight = 1
      stored.sparse_weight.rawValue = weight.number
    }
    stored.has_sums_sparse_weights = head.sumsSparseWeights ? 1 : 0
    stored.sums_sparse_weights = head.sumsSparseWeights ? 1 : 0
    stored.multi_vector = try head.multiVector.map { (settings) throws(BertError) in
      try multiVector(settings)
    }
    return place(stored)
  }

  private func multiVector(
    _ settings: MultiVectorSettings
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__MultiVector> {
    var stored = Bertq__MultiVector()
    bertq__multi_vector__init(&stored)
    stored.dimensions = try number(settings.dimensions, "a token vector's dimensions")
    stored.query_marker = try text(settings.queryMarker, "the query marker")
    stored.document_marker = try text(settings.documentMarker, "the document marker")
    stored.has_query_length = settings.queryLength == nil ? 0 : 1
    stored.query_length = try number(settings.queryLength ?? 0, "a query's length")
    stored.has_document_length = settings.documentLength == nil ? 0 : 1
    stored.document_length = try number(settings.documentLength ?? 0, "a document's length")
    stored.fills_queries = settings.fillsQueries ? 1 : 0
    stored.has_hides_filling = settings.hidesFilling ? 1 : 0
    stored.hides_filling = settings.hidesFilling ? 1 : 0
    stored.skipped_tokens = try texts(settings.skippedTokens, "a skipped token")
    stored.n_skipped_tokens = settings.skippedTokens.count
    return place(stored)
  }

  func prompt(_ prompt: Prompt) throws(BertError) -> UnsafeMutablePointer<Bertq__Prompt> {
    var stored = Bertq__Prompt()
    bertq__prompt__init(&stored)
    stored.name = try text(prompt.name, "a prompt's name")
    stored.text = try text(prompt.text, "a prompt")
    return place(stored)
  }

  func drift(_ drift: ConversionDrift) throws(BertError) -> UnsafeMutablePointer<Bertq__Drift> {
    var stored = Bertq__Drift()
    bertq__drift__init(&stored)
    stored.texts_source = try text(drift.source, "the source of the texts of the drift")
    stored.texts = try number(drift.texts, "the texts of the drift")
    stored.tokens = try number(drift.tokens, "the tokens of the drift")
    stored.sqnr_db = drift.sqnr
    stored.mean_cosine = drift.meanCosine
    stored.worst_cosine = drift.worstCosine
    return place(stored)
  }

  func provenance(
    _ provenance: Provenance
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__Provenance> {
    var stored = Bertq__Provenance()
    bertq__provenance__init(&stored)
    stored.source = try text(provenance.source, "the source")
    stored.published_name = try text(provenance.publishedName, "the published name")
    stored.architectures = try texts(provenance.architectures, "an architecture")
    stored.n_architectures = provenance.architectures.count
    stored.element_type = try text(provenance.elementType, "the published element type")
    return place(stored)
  }
}

extension NormalizationStep {
  /// Its number in the file.
  var storedKind: Bertq__Normalization {
    switch self {
    case .precompiled: BERTQ__NORMALIZATION__PRECOMPILED
    case .nfc: BERTQ__NORMALIZATION__NFC
    case .nfd: BERTQ__NORMALIZATION__NFD
    case .nfkc: BERTQ__NORMALIZATION__NFKC
    case .nfkd: BERTQ__NORMALIZATION__NFKD
    case .lowercase: BERTQ__NORMALIZATION__LOWERCASE
    case .stripAccents: BERTQ__NORMALIZATION__STRIP_ACCENTS
    case .stripLeft: BERTQ__NORMALIZATION__STRIP_LEFT
    case .stripRight: BERTQ__NORMALIZATION__STRIP_RIGHT
    case .collapseSpaces: BERTQ__NORMALIZATION__COLLAPSE_SPACES
    case .collapseWhiteSpace: BERTQ__NORMALIZATION__COLLAPSE_WHITE_SPACE
    case .replace: BERTQ__NORMALIZATION__REPLACE
    }
  }
}
