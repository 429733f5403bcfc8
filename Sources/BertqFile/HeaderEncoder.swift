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
    let features = description.features(
      tensors: tensors.map { ($0.tensor.name, $0.tensor.elementType) })
    message.required_features = try arena.texts(features.map(\.rawValue).sorted(), "a feature")
    message.n_required_features = features.count
    message.drift = try drift.map { (drift) throws(BertError) in try arena.drift(drift) }
    message.float_vectors = try arena.optionalText(fingerprints.float, "a fingerprint")
    message.int8_vectors = try arena.optionalText(fingerprints.int8, "a fingerprint")
    message.float_answers = try arena.optionalText(fingerprints.floatAnswers, "a fingerprint")
    message.int8_answers = try arena.optionalText(fingerprints.int8Answers, "a fingerprint")
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
    message.embedding = try arena.embedding(description.embedding)
    message.embedding_is_published = description.embeddingIsPublished ? 1 : 0
    message.task.rawValue = description.task.number
    message.head = try description.head.map { (head) throws(BertError) in try arena.head(head) }
    message.prompts = try arena.list(description.prompts) { (prompt) throws(BertError) in
      try arena.prompt(prompt)
    }
    message.n_prompts = description.prompts.count
    message.default_prompt = try arena.optionalText(
      description.defaultPrompt, "the default prompt's name")
    message.provenance = try arena.provenance(description.provenance)
  }
}
