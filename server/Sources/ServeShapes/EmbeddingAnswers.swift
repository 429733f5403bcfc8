import JSONText

/// Vectors, and what is said beside them.
package struct Embeddings: Sendable {
  package var vectors: [[Float]]
  /// Tokens that were computed.
  package var tokens: Int
  /// Texts that were cut.
  package var cutTexts: Int
  /// The name of the model that was used.
  package var model: String
  /// What identifies the vectors.
  package var fingerprint: String

  package init(
    vectors: [[Float]], tokens: Int, cutTexts: Int, model: String, fingerprint: String
  ) {
    self.vectors = vectors
    self.tokens = tokens
    self.cutTexts = cutTexts
    self.model = model
    self.fingerprint = fingerprint
  }
}

/// Builds a JSON text piece by piece.
package struct AnswerText: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  /// Appends JSON that is written already.
  package mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }
  /// Appends a string in quotes.
  package mutating func string(_ text: String) { JSON.write(text, into: &bytes) }
  /// Appends a value.
  package mutating func value(_ value: JSON) { value.write(into: &bytes) }
  /// Appends a vector.
  package mutating func vector(_ vector: [Float], _ encoding: EmbeddingRequest.Encoding = .float) {
    VectorText.write(vector, encoding, into: &bytes)
  }
  /// Appends a number: the shortest decimal that reads back as the same.
  package mutating func number(_ number: Float) { JSON.write(number, into: &bytes) }
  /// Appends items with commas between them, in brackets.
  package mutating func list<Items: Sequence>(
    _ items: Items, _ write: (inout AnswerText, Items.Element) -> Void
  ) {
    raw("[")
    var isFirst = true
    for item in items {
      if !isFirst { raw(",") }
      isFirst = false
      write(&self, item)
    }
    raw("]")
  }
}

extension Embeddings {
  /// The answer of `/v1/embeddings`.
  package func openAI(_ encoding: EmbeddingRequest.Encoding) -> AnswerText {
    var text = AnswerText()
    text.raw(#"{"object":"list","data":"#)
    text.list(vectors.enumerated()) { text, item in
      text.raw(#"{"object":"embedding","index":\#(item.offset),"embedding":"#)
      text.vector(item.element, encoding)
      text.raw("}")
    }
    text.raw(#","model":"#)
    text.string(model)
    text.raw(#","usage":{"prompt_tokens":\#(tokens),"total_tokens":\#(tokens)"#)
    text.raw(#","truncated_inputs":\#(cutTexts)},"fingerprint":"#)
    text.string(fingerprint)
    text.raw("}")
    return text
  }

  /// The answer of text-embeddings-inference's `/embed`: a list also for one text.
  package func tei() -> AnswerText {
    var text = AnswerText()
    text.list(vectors) { $0.vector($1) }
    return text
  }

  /// The answer of Ollama's `/api/embed`; durations in nanoseconds.
  package func ollama(name: String, nanoseconds: Int64) -> AnswerText {
    var text = AnswerText()
    text.raw(#"{"model":"#)
    text.string(name)
    text.raw(#","embeddings":"#)
    text.list(vectors) { $0.vector($1) }
    text.raw(#","total_duration":\#(nanoseconds),"load_duration":0"#)
    text.raw(#","prompt_eval_count":\#(tokens),"truncated_inputs":\#(cutTexts)}"#)
    return text
  }

  /// The answer of Ollama's `/api/embeddings`.
  package func ollamaPrompt() -> AnswerText {
    var text = AnswerText()
    text.raw(#"{"embedding":"#)
    text.vector(vectors.first ?? [])
    text.raw("}")
    return text
  }

  /// The answer of Cohere's `/v2/embed`.
  package func cohere(
    id: String, texts: [[UInt8]], _ encodings: [EmbeddingRequest.Encoding]
  ) -> AnswerText {
    var text = AnswerText()
    text.raw(#"{"id":"#)
    text.string(id)
    var before = #","embeddings":{"#
    for encoding in encodings {
      text.raw(before + (encoding == .float ? #""float":"# : #""base64":"#))
      text.list(vectors) { $0.vector($1, encoding) }
      before = ","
    }
    text.raw(#"},"texts":"#)
    text.list(texts) { $0.string(String(decoding: $1, as: UTF8.self)) }
    text.raw(#","meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":\#(tokens)}}"#)
    text.raw(#","response_type":"embeddings_by_type"}"#)
    return text
  }
}
