import Bertq
import JSONText

/// What is wanted of texts' vectors, whichever interface asked.
package struct EmbeddingRequest: Sendable {
  /// How the numbers of a vector are written.
  package enum Encoding: Sendable {
    /// A list of numbers, each the shortest decimal of its float32.
    case float
    /// The float32 values, little endian, in base64.
    case base64
  }

  package var texts: TextList
  /// The model's name, as the client calls it.
  package var model: String?
  /// Cuts what is too long.
  package var truncates = false
  /// Which end is cut; nil does as the model's publisher says.
  package var truncationSide: TruncationSide?
  /// Whether vectors are scaled to length 1; nil does as the model's publisher says.
  package var normalizes: Bool?
  /// Numbers of a vector that are kept; nil for all.
  package var dimensions: Int?
  /// The name of what stands before each text.
  package var prompt: String?
  package var encoding = Encoding.float

  package init(_ texts: TextList) { self.texts = texts }

  /// The texts behind the prompt that was asked for.
  package var promptedTexts: TextList {
    let texts = texts.cut(truncationSide)
    guard let prompt else { return texts }
    return texts.behind(.named(prompt))
  }

  /// OpenAI's `/v1/embeddings`.
  package static func openAI(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> EmbeddingRequest {
    var request = EmbeddingRequest(try TextList(body, "input", limits))
    request.model = try body.string("model")
    request.dimensions = try body.integer("dimensions", least: 1)
    // Of ours: OpenAI's interface has no way to ask for it.
    request.truncates = try body.bool("truncate") ?? false
    request.prompt = try body.string("prompt_name")
    switch try body.choice("encoding_format", ["float", "base64"]) {
    case "base64": request.encoding = .base64
    default: request.encoding = .float
    }
    return request
  }

  /// text-embeddings-inference's `/embed`, `/` and `/embed_all`.
  package static func tei(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> EmbeddingRequest {
    var request = EmbeddingRequest(try TextList(body, "inputs", limits))
    try request.readTEI(body)
    request.normalizes = try body.bool("normalize") ?? true
    request.dimensions = try body.integer("dimensions", least: 1)
    return request
  }

  /// What text-embeddings-inference calls parameters.
  mutating func readTEI(_ body: JSONBody) throws(ServeError) {
    model = try body.string("model")
    truncates = try body.bool("truncate") ?? false
    truncationSide = try body.truncationSide()
    prompt = try body.string("prompt_name")
  }

  /// Ollama's `/api/embed`; `"input": ""` and no input at all mean no texts.
  package static func ollama(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> EmbeddingRequest {
    var request = EmbeddingRequest(TextList([], key: "input"))
    if let input = body["input"], input.stringValue != "" {
      request.texts = try TextList(body, "input", limits, allowsEmpty: true)
    }
    request.model = try body.string("model")
    request.truncates = try body.bool("truncate") ?? true
    request.normalizes = true
    request.dimensions = try body.integer("dimensions", least: 1)
    return request
  }

  /// Ollama's old `/api/embeddings`: one text, and its vector as the model gives it.
  package static func ollamaPrompt(_ body: JSONBody) throws(ServeError) -> EmbeddingRequest {
    let text = try body.string("prompt") ?? ""
    let inputs = text.isEmpty ? [] : [TextInput(text)]
    var request = EmbeddingRequest(TextList(inputs, isSingle: true, key: "prompt"))
    request.model = try body.string("model")
    request.truncates = true
    return request
  }

  /// Cohere's `/v2/embed`.
  package static func cohere(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> EmbeddingRequest {
    guard body["texts"] != nil else {
      if let other = body.first(of: "images", "inputs") {
        throw ServeError(
          .invalidRequest, "'\(other.key)' is not supported; send 'texts'", place: other.key)
      }
      throw JSONBody.missing("texts")
    }
    let strings = try body.strings("texts", most: limits.inputs) ?? []
    var request = EmbeddingRequest(try TextList(strings: strings, key: "texts"))
    request.model = try body.string("model")
    request.dimensions = try body.integer("output_dimension", least: 1)
    switch try body.choice("truncate", ["none", "start", "end"]) {
    case "start": (request.truncates, request.truncationSide) = (true, .left)
    case "end": (request.truncates, request.truncationSide) = (true, .right)
    default: break
    }
    for type in try body.strings("embedding_types", most: 8) ?? [] where type != "float" {
      guard type == "base64" else {
        throw ServeError(
          .invalidRequest,
          "the embedding type '\(type.prefix(40))' is not supported; ask for 'float'",
          place: "embedding_types")
      }
      request.encoding = .base64
    }
    return request
  }
}

extension TextList {
  /// The same texts behind a prompt.
  package func behind(_ prompt: TextPrompt) -> TextList {
    var list = self
    for index in list.inputs.indices { list.inputs[index].prompt = prompt }
    return list
  }

  /// Texts of a list that is not empty, none of them empty.
  package init(strings: [String], key: String) throws(ServeError) {
    if strings.isEmpty {
      throw ServeError(.invalidRequest, "\(key) is an empty list", place: key)
    }
    for (index, text) in strings.enumerated() where text.isEmpty {
      let place = "\(key)[\(index)]"
      throw ServeError(.invalidRequest, "\(place) is an empty string", place: place)
    }
    self.init(strings.map { TextInput($0) }, key: key)
  }
}

/// text-embeddings-inference's similarity: a sentence beside others.
package struct SimilarityRequest: Sendable {
  /// The sentence, then those that it is compared with.
  package var embedding: EmbeddingRequest

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    guard let inputs = try body.object("inputs") else { throw JSONBody.missing("inputs") }
    let source = try inputs.required("source_sentence")
    guard let sentences = try inputs.strings("sentences", most: limits.inputs - 1) else {
      throw JSONBody.missing("sentences")
    }
    if sentences.isEmpty {
      throw ServeError(.invalidRequest, "sentences is an empty list", place: "inputs.sentences")
    }
    embedding = EmbeddingRequest(
      try TextList(strings: [source] + sentences, key: "inputs"))
    try embedding.readTEI(body)
    if let parameters = try body.object("parameters") { try embedding.readTEI(parameters) }
    embedding.normalizes = true
  }
}
