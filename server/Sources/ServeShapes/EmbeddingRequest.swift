import Bertq
import JSONText

/// What is wanted of texts' vectors, whichever interface asked.
package struct EmbeddingRequest: Sendable {
  /// Numbers of a vector that may be asked for, at most; what is right a model says.
  package static let mostDimensions = 1 << 16

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

  /// Reads what can be asked beside texts, in whichever interface: what is there stands over what was read before.
  private mutating func read(_ body: JSONBody) throws(ServeError) {
    model = try body.string("model") ?? model
    truncates = try body.bool("truncate") ?? truncates
    truncationSide = try body.truncationSide() ?? truncationSide
    if let name = try body.string("prompt_name") {
      prompt = name
      texts.promptPlace = body.place("prompt_name")
    }
    normalizes = try body.bool("normalize") ?? normalizes
    dimensions = try body.integer("dimensions", 1...Self.mostDimensions) ?? dimensions
  }

  /// What can be asked of texts in most interfaces.
  private static let cutting = ["truncate", "truncation_direction", "prompt_name"]
  private static let all = cutting + ["normalize", "dimensions"]

  /// OpenAI's `/v1/embeddings`, and what it has no way to ask for.
  package static func openAI(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> EmbeddingRequest {
    try body.takes(only: all + ["encoding_format"])
    var request = EmbeddingRequest(try TextList(body, "input", limits))
    try request.read(body)
    if try body.choice("encoding_format", ["float", "base64"]) == "base64" {
      request.encoding = .base64
    }
    return request
  }

  /// text-embeddings-inference's `/embed` and `/`.
  package static func tei(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> EmbeddingRequest {
    var request = try tei(body, limits, all)
    request.normalizes = request.normalizes ?? true
    return request
  }

  /// text-embeddings-inference's `/embed_all`: tokens' vectors are as the encoder gives them.
  package static func teiTokens(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> EmbeddingRequest {
    try tei(body, limits, cutting + ["dimensions"])
  }

  /// text-embeddings-inference's `/embed_sparse`: weights of words have neither dimensions nor a length.
  package static func teiSparse(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> EmbeddingRequest {
    try tei(body, limits, cutting)
  }

  private static func tei(
    _ body: JSONBody, _ limits: TextList.Limits, _ options: [String]
  ) throws(ServeError) -> EmbeddingRequest {
    var request = EmbeddingRequest(try TextList(body, "inputs", limits))
    try request.readTEI(body, options)
    return request
  }

  /// text-embeddings-inference's `/similarity`: a sentence, then those that it is compared with.
  package static func similarity(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> EmbeddingRequest {
    guard let inputs = try body.object("inputs") else { throw body.missing("inputs") }
    let source = try inputs.required("source_sentence")
    guard
      let sentences = try inputs.strings(
        "sentences", most: limits.inputs - 1, allowsEmpty: false)
    else { throw inputs.missing("sentences") }
    let place = inputs.place("sentences")
    if sentences.isEmpty {
      throw ServeError(.invalidRequest, "\(place) is an empty list", place: place)
    }
    var texts = TextList(([source] + sentences).map { TextInput($0) }, key: place)
    texts.lead = inputs.place("source_sentence")
    var request = EmbeddingRequest(texts)
    try request.readTEI(body, cutting)
    request.normalizes = true
    return request
  }

  /// Reads what stands beside the inputs, and then what clients of the Hugging Face hub call parameters.
  private mutating func readTEI(_ body: JSONBody, _ options: [String]) throws(ServeError) {
    for source in [body, try body.object("parameters")] {
      guard let source else { continue }
      try source.takes(only: options)
      try read(source)
    }
  }

  /// Ollama's `/api/embed`; `"input": ""` and no input at all mean no texts.
  package static func ollama(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> EmbeddingRequest {
    var request = EmbeddingRequest(TextList([], key: "input"))
    try body.takes(only: all)
    try refuse("prompt", besides: "input", body)
    if let input = body["input"], input.stringValue != "" {
      request.texts = try TextList(body, "input", limits, allowsEmpty: true)
    }
    (request.truncates, request.normalizes) = (true, true)
    try request.read(body)
    return request
  }

  /// Refuses a text that the other of Ollama's routes would read: none at all is answered by no vector.
  private static func refuse(
    _ other: String, besides key: String, _ body: JSONBody
  ) throws(ServeError) {
    if body[other] != nil {
      throw ServeError(
        .invalidRequest, "'\(other)' is not read by this route; send '\(key)'", place: other)
    }
  }

  /// Ollama's old `/api/embeddings`: one text, and its vector as the model gives it.
  package static func ollamaPrompt(_ body: JSONBody) throws(ServeError) -> EmbeddingRequest {
    try refuse("input", besides: "prompt", body)
    let text = try body.string("prompt") ?? ""
    let inputs = text.isEmpty ? [] : [TextInput(text)]
    var request = EmbeddingRequest(TextList(inputs, isSingle: true, key: "prompt"))
    try body.takes(only: all)
    request.truncates = true
    try request.read(body)
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
}
