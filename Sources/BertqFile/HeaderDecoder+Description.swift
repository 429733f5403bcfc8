import BertErrors
import BertModel
import CBertqHeader

extension Header {
  /// All of the model except its tensors.
  static func description(_ header: Bertq__Header) throws(BertError) -> ModelDescription {
    guard let stored = header.configuration, let origin = header.provenance else {
      throw BertError(.malformed, "the header has no configuration or no provenance")
    }
    let configuration = try configuration(stored.pointee)
    try configuration.validate()
    var model = ModelDescription(configuration: configuration)
    if let tokenizer = header.tokenizer { model.tokenizer = try settings(tokenizer.pointee) }
    model.pooling = try Pooling.decode(header.pooling.rawValue)
    model.poolingIsPublished = header.pooling_is_published != 0
    model.normalizes = header.normalizes != 0
    model.task = try ModelTask.decode(header.task.rawValue)
    model.labels = try texts(header.labels, header.n_labels, "a label")
    model.problemType = try text(header.problem_type, "the problem type")
    model.provenance = try provenance(origin.pointee)
    return model
  }

  private static func configuration(
    _ stored: Bertq__Configuration
  ) throws(BertError) -> BertConfiguration {
    BertConfiguration(
      vocabularySize: Int(stored.vocabulary_size), hiddenSize: Int(stored.hidden_size),
      layerCount: Int(stored.layer_count), headCount: Int(stored.head_count),
      intermediateSize: Int(stored.intermediate_size),
      maximumPositions: Int(stored.maximum_positions),
      tokenTypeCount: Int(stored.token_type_count), layerNormEpsilon: stored.layer_norm_epsilon,
      activation: try Activation.decode(stored.activation.rawValue))
  }

  private static func settings(_ stored: Bertq__Tokenizer) throws(BertError) -> TokenizerSettings {
    var settings = TokenizerSettings()
    settings.lowercase = stored.lowercase != 0
    settings.stripAccents = stored.has_strip_accents != 0 ? stored.strip_accents != 0 : nil
    settings.spaceChinese = stored.space_chinese != 0
    settings.maximumWordLength = Int(stored.maximum_word_length)
    settings.continuationPrefix = try text(stored.continuation_prefix, "the continuation prefix")
    settings.unknownToken = try text(stored.unknown_token, "the unknown token")
    settings.classToken = try text(stored.class_token, "the class token")
    settings.separatorToken = try text(stored.separator_token, "the separator token")
    settings.padToken = try text(stored.pad_token, "the pad token")
    settings.maskToken = try text(stored.mask_token, "the mask token")
    settings.maximumTokens = stored.has_maximum_tokens != 0 ? Int(stored.maximum_tokens) : nil
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
}
