import BertErrors
import BertModel
import CBertqHeader

extension Header {
  /// All of the model except its tensors.
  static func description(_ header: Bertq__Header) throws(BertError) -> ModelDescription {
    guard let stored = header.configuration, let origin = header.provenance,
      let recipe = header.embedding
    else {
      throw BertError(
        .malformed, "the header has no configuration, no embedding or no provenance")
    }
    let configuration = try configuration(stored.pointee)
    try configuration.validate()
    var model = ModelDescription(configuration: configuration)
    if let tokenizer = header.tokenizer { model.tokenizer = try settings(tokenizer.pointee) }
    model.embedding = try embedding(recipe.pointee)
    model.embeddingIsPublished = header.embedding_is_published != 0
    model.task = try ModelTask.decode(header.task.rawValue)
    if let head = header.head { model.head = try settings(head.pointee) }
    for prompt in try pointers(header.prompts, header.n_prompts, "prompts") {
      model.prompts.append(
        Prompt(
          try text(prompt.pointee.name, "a prompt's name"),
          try text(prompt.pointee.text, "a prompt")
        ))
    }
    model.defaultPrompt = try optionalText(header.default_prompt, "the default prompt's name")
    model.provenance = try provenance(origin.pointee)
    return model
  }

  private static func configuration(
    _ stored: Bertq__Configuration
  ) throws(BertError) -> BertConfiguration {
    let reserved = [
      stored.has_lacks_token_types, stored.has_has_slopes, stored.has_rotates_neighbours,
    ]
    if reserved.contains(where: { $0 != 0 }) {
      throw BertError(
        .malformed, "the configuration is not plain BERT's, but the header names no such feature")
    }
    var configuration = BertConfiguration(
      vocabularySize: Int(stored.vocabulary_size), hiddenSize: Int(stored.hidden_size),
      layerCount: Int(stored.layer_count), headCount: Int(stored.head_count),
      intermediateSize: Int(stored.intermediate_size),
      maximumPositions: Int(stored.maximum_positions),
      tokenTypeCount: Int(stored.token_type_count), layerNormEpsilon: stored.layer_norm_epsilon,
      activation: try Activation.decode(stored.activation.rawValue),
      biasSpan: stored.has_bias_span != 0 ? Int(stored.bias_span) : nil)
    if stored.has_embedding_size != 0 { configuration.embeddingSize = Int(stored.embedding_size) }
    if stored.has_stored_layers != 0 { configuration.storedLayers = Int(stored.stored_layers) }
    configuration.gatesFeedForward =
      stored.has_gates_feed_forward != 0 && stored.gates_feed_forward != 0
    configuration.lacksPositions = stored.has_lacks_positions != 0 && stored.lacks_positions != 0
    if stored.has_rotary_size != 0 { configuration.rotarySize = Int(stored.rotary_size) }
    configuration.normalizesFirst =
      stored.has_normalizes_first != 0 && stored.normalizes_first != 0
    if stored.has_attention_window != stored.has_whole_attention_every {
      throw BertError(
        .malformed, "one of attention_window and whole_attention_every is there without the other")
    }
    if stored.has_attention_window != 0 {
      configuration.window = AttentionWindow(
        reach: Int(stored.attention_window), wholeEvery: Int(stored.whole_attention_every))
    }
    configuration.relative = try relative(stored)
    return configuration
  }

  /// The terms of scores by distance.
  ///
  /// - Throws: `malformed` where the header says which there are and not by what distances, or too many of these.
  private static func relative(_ stored: Bertq__Configuration) throws(BertError) -> RelativeTerms? {
    let hasKeys = stored.has_has_relative_keys != 0 && stored.has_relative_keys != 0
    let hasQueries = stored.has_has_relative_queries != 0 && stored.has_relative_queries != 0
    if stored.n_relative_starts == 0 && !hasKeys && !hasQueries { return nil }
    guard (1...BertConfiguration.largestBiasSpan + 1).contains(stored.n_relative_starts) else {
      throw BertError(
        .malformed, "the header has \(stored.n_relative_starts) classes of relative distances")
    }
    let starts = UnsafeBufferPointer(
      start: stored.relative_starts, count: stored.n_relative_starts)
    return RelativeTerms(starts: starts.map { Int($0) }, hasKeys: hasKeys, hasQueries: hasQueries)
  }

  private static func embedding(_ stored: Bertq__Embedding) throws(BertError) -> EmbeddingRecipe {
    var recipe = EmbeddingRecipe()
    recipe.poolings = []
    for pooling in UnsafeBufferPointer(start: stored.poolings, count: stored.n_poolings)
      .prefix(EmbeddingRecipe.mostSteps + 1)
    {
      recipe.poolings.append(try Pooling.decode(pooling.rawValue))
    }
    recipe.poolsPrompt = stored.pools_prompt != 0
    for module in try pointers(stored.modules, stored.n_modules, "modules") {
      recipe.modules.append(try self.module(module.pointee))
    }
    recipe.dimensions = stored.has_dimensions != 0 ? Int(stored.dimensions) : nil
    return recipe
  }

  private static func module(_ stored: Bertq__Module) throws(BertError) -> EmbeddingModule {
    switch stored.kind {
    case BERTQ__MODULE_KIND__DENSE:
      guard stored.has_outputs != 0, stored.has_activation != 0 else {
        throw BertError(.malformed, "a dense module does not say its outputs and its activation")
      }
      return .dense(
        outputs: Int(stored.outputs), try OutputActivation.decode(stored.activation.rawValue))
    case BERTQ__MODULE_KIND__NORMALIZE:
      guard stored.has_outputs == 0, stored.has_activation == 0 else {
        throw BertError(.malformed, "a normalising module has outputs or an activation")
      }
      return .normalize
    default: throw unknown("a module behind pooling", stored.kind.rawValue)
    }
  }

  private static func settings(_ stored: Bertq__Head) throws(BertError) -> HeadSettings {
    var head = HeadSettings()
    head.labels = try texts(stored.labels, stored.n_labels, "a label")
    head.problemType = try text(stored.problem_type, "the problem type")
    if stored.has_score_activation != 0 {
      head.scoreActivation = try OutputActivation.decode(stored.score_activation.rawValue)
    }
    if stored.has_input != 0 { head.input = try Pooling.decode(stored.input.rawValue) }
    if stored.has_dense_activation != 0 {
      head.denseActivation = try OutputActivation.decode(stored.dense_activation.rawValue)
    }
    if stored.has_transform_activation != 0 {
      head.transformActivation = try OutputActivation.decode(stored.transform_activation.rawValue)
    }
    if stored.has_sparse_weight != 0 {
      head.sparseWeight = try SparseWeight.decode(stored.sparse_weight.rawValue)
    }
    head.sumsSparseWeights = stored.has_sums_sparse_weights != 0 && stored.sums_sparse_weights != 0
    if let multiVector = stored.multi_vector {
      head.multiVector = try settings(multiVector.pointee)
    }
    return head
  }

  private static func settings(
    _ stored: Bertq__MultiVector
  ) throws(BertError) -> MultiVectorSettings {
    var settings = MultiVectorSettings(dimensions: Int(stored.dimensions))
    settings.queryMarker = try text(stored.query_marker, "the query marker")
    settings.documentMarker = try text(stored.document_marker, "the document marker")
    settings.queryLength = stored.has_query_length != 0 ? Int(stored.query_length) : nil
    settings.documentLength = stored.has_document_length != 0 ? Int(stored.document_length) : nil
    settings.fillsQueries = stored.fills_queries != 0
    settings.hidesFilling = stored.has_hides_filling != 0 && stored.hides_filling != 0
    settings.skippedTokens = try texts(
      stored.skipped_tokens, stored.n_skipped_tokens, "a skipped token")
    return settings
  }

  private static func provenance(_ stored: Bertq__Provenance) throws(BertError) -> Provenance {
    var provenance = Provenance()
    provenance.source = try text(stored.source, "the source")
    provenance.publishedName = try text(stored.published_name, "the published name")
    provenance.architectures = try texts(
      stored.architectures, stored.n_architectures, "an architecture")
    provenance.elementType = try text(stored.element_type, "the published element type")
    return provenance
  }

  /// The drift of a conversion.
  static func drift(_ stored: Bertq__Drift) throws(BertError) -> ConversionDrift {
    ConversionDrift(
      source: try text(stored.texts_source, "the source of the texts of the drift"),
      texts: Int(stored.texts), tokens: Int(stored.tokens), sqnr: stored.sqnr_db,
      meanCosine: stored.mean_cosine, worstCosine: stored.worst_cosine)
  }

  /// The error for a number that a newer version may have given a meaning.
  static func unknown(_ what: String, _ number: UInt32) -> BertError {
    BertError(
      .unsupported, "\(what) is number \(number), which this program does not know; use a newer one"
    )
  }
}
