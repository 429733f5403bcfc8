import BertErrors
import BertModel
import CBertqHeader

extension Header {
  /// The header's bytes in the file; their number does not depend on offsets and checksums.
  ///
  /// - Throws: `malformed` when a value cannot be stored.
  func encoded() throws(BertError) -> [UInt8] {
    try checkLimits()
    let arena = Arena()
    var message = Bertq__Header()
    bertq__header__init(&message)
    message.producer = try arena.text(producer, "the producer")
    message.numeric_version = numericVersion
    message.quantizer = try arena.list(quantizer) { (setting) throws(BertError) in
      var stored = Bertq__Setting()
      bertq__setting__init(&stored)
      stored.key = try arena.text(setting.key, "a setting's key")
      stored.value = try arena.text(setting.value, "a setting's value")
      return arena.place(stored)
    }
    message.n_quantizer = quantizer.count
    message.float_fingerprint = try floatFingerprint.map { (text) throws(BertError) in
      try arena.text(text, "a fingerprint")
    }
    message.int8_fingerprint = try int8Fingerprint.map { (text) throws(BertError) in
      try arena.text(text, "a fingerprint")
    }
    message.tensors = try arena.list(tensors) { (record) throws(BertError) in
      try encode(record, arena)
    }
    message.n_tensors = tensors.count
    try encodeDescription(into: &message, arena)

    let size = bertq__header__get_packed_size(&message)
    guard size <= BertqFormat.largestHeader else {
      throw BertError(
        .malformed,
        "the header would have \(size) bytes; at most \(BertqFormat.largestHeader) are allowed")
    }
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = bertq__header__pack(&message, buffer.baseAddress)
    }
    return withExtendedLifetime(arena) { bytes }
  }

  private func encode(
    _ record: TensorRecord, _ arena: Arena
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__Tensor> {
    var stored = Bertq__Tensor()
    bertq__tensor__init(&stored)
    stored.name = try arena.text(record.tensor.name, "a tensor's name")
    stored.element_type.rawValue = record.tensor.elementType.number
    stored.layout.rawValue = record.tensor.layout.number
    stored.n_shape = record.tensor.shape.count
    stored.shape = arena.array(record.tensor.shape.map { UInt64($0) })
    stored.offset = UInt64(record.offset)
    stored.byte_length = UInt64(record.byteCount)
    stored.n_checksums = record.chunkCount
    stored.checksums = arena.array(checksums[record.chunks])
    return arena.place(stored)
  }

  private func encodeDescription(
    into message: inout Bertq__Header, _ arena: Arena
  ) throws(BertError) {
    message.configuration = try arena.configuration(description.configuration)
    message.tokenizer = try description.tokenizer.map { (settings) throws(BertError) in
      try arena.tokenizer(settings)
    }
    message.pooling.rawValue = description.pooling.number
    message.pooling_is_published = description.poolingIsPublished ? 1 : 0
    message.normalizes = description.normalizes ? 1 : 0
    message.task.rawValue = description.task.number
    message.labels = try arena.texts(description.labels, "a label")
    message.n_labels = description.labels.count
    message.problem_type = try arena.text(description.problemType, "the problem type")
    message.provenance = try arena.provenance(description.provenance)
  }
}

extension Arena {
  fileprivate func configuration(
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
    return place(stored)
  }

  fileprivate func tokenizer(
    _ settings: TokenizerSettings
  ) throws(BertError) -> UnsafeMutablePointer<Bertq__Tokenizer> {
    var stored = Bertq__Tokenizer()
    bertq__tokenizer__init(&stored)
    stored.lowercase = settings.lowercase ? 1 : 0
    stored.has_strip_accents = settings.stripAccents == nil ? 0 : 1
    stored.strip_accents = settings.stripAccents == true ? 1 : 0
    stored.space_chinese = settings.spaceChinese ? 1 : 0
    stored.maximum_word_length = try number(settings.maximumWordLength, "the longest word")
    stored.continuation_prefix = try text(settings.continuationPrefix, "the continuation prefix")
    stored.unknown_token = try text(settings.unknownToken, "the unknown token")
    stored.class_token = try text(settings.classToken, "the class token")
    stored.separator_token = try text(settings.separatorToken, "the separator token")
    stored.pad_token = try text(settings.padToken, "the pad token")
    stored.mask_token = try text(settings.maskToken, "the mask token")
    stored.has_maximum_tokens = settings.maximumTokens == nil ? 0 : 1
    stored.maximum_tokens = try number(settings.maximumTokens ?? 0, "the most tokens")
    return place(stored)
  }

  fileprivate func provenance(
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
