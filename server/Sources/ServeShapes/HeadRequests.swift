import Bertq
import JSONText

/// A query and the documents to rank for it, in text-embeddings-inference's form or in Cohere's.
package struct RerankRequest: Sendable {
  /// Documents of the query, with the member that they came from.
  package var key: String
  package var query: String
  package var documents: [String]
  package var model: String?
  /// How many are given; nil for all.
  package var top: Int?
  package var truncates = false
  /// Which end is cut; nil does as the model's publisher says.
  package var truncationSide: TruncationSide?
  /// Gives the model's own numbers instead of scores.
  package var isRaw: Bool
  package var returnsDocuments: Bool
  /// The most tokens of a document that the client wants read.
  package var documentTokens: Int?

  /// Whether the client speaks text-embeddings-inference's form: it calls the documents `texts`.
  package var isTEI: Bool { key == "texts" }

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    query = try body.required("query")
    guard let (key, value) = body.first(of: "texts", "documents") else {
      throw JSONBody.missing("documents")
    }
    self.key = key
    self.documents = try Self.documents(value, key, limits)
    model = try body.string("model")
    let (topN, topK) = (
      try body.integer("top_n", least: 1), try body.integer("top_k", least: 1)
    )
    top = topN ?? topK
    truncates = try body.bool("truncate") ?? false
    truncationSide = try body.truncationSide()
    isRaw = try body.bool("raw_scores") ?? false
    let (documents, texts) = (try body.bool("return_documents"), try body.bool("return_text"))
    returnsDocuments = documents ?? texts ?? false
    documentTokens = try body.integer("max_tokens_per_doc", least: 1)
    if query.isEmpty {
      throw ServeError(.invalidRequest, "query is an empty string", place: "query")
    }
  }

  private static func documents(
    _ value: JSON, _ key: String, _ limits: TextList.Limits
  ) throws(ServeError) -> [String] {
    guard let list = value.arrayValue else { throw JSONBody.wrong(value, key, "a list of strings") }
    if list.isEmpty { throw ServeError(.invalidRequest, "\(key) is an empty list", place: key) }
    try JSONBody.count(list.count, key, most: limits.inputs)
    var documents: [String] = []
    for (index, item) in list.enumerated() {
      guard let text = item.stringValue ?? item["text"]?.stringValue else {
        throw JSONBody.wrong(item, "\(key)[\(index)]", "a string, or an object with 'text'")
      }
      documents.append(text)
    }
    return documents
  }
}

/// Texts, or pairs, to classify.
package struct ClassifyRequest: Sendable {
  package var texts: TextList
  package var model: String?
  package var truncates = false
  /// Which end is cut; nil does as the model's publisher says.
  package var truncationSide: TruncationSide?
  /// Gives the model's own numbers instead of scores.
  package var isRaw: Bool
  /// How many labels are given; nil for all.
  package var top: Int?
  /// Whether the client speaks the form of the Hugging Face hub, which sends `parameters`: there the answer to one
  /// text is a list of one list.
  package var isOfHub = false

  private init(_ texts: TextList, isRaw: Bool) {
    self.texts = texts
    self.isRaw = isRaw
  }

  /// text-embeddings-inference's `/predict`: a string, a pair as a list of two strings, or a list of lists of one or
  /// two strings.
  package static func tei(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> ClassifyRequest {
    guard let value = body["inputs"] else { throw JSONBody.missing("inputs") }
    var texts = TextList([], key: "inputs")
    if let list = value.arrayValue, list.first?.arrayValue != nil {
      try JSONBody.count(list.count, "inputs", most: limits.inputs)
      for (index, item) in list.enumerated() {
        texts.inputs.append(try textOrPair(item, "inputs[\(index)]"))
      }
    } else {
      texts.isSingle = true
      texts.inputs = [try textOrPair(value, "inputs")]
    }
    var request = ClassifyRequest(texts, isRaw: try body.bool("raw_scores") ?? false)
    request.model = try body.string("model")
    request.truncates = try body.bool("truncate") ?? false
    request.truncationSide = try body.truncationSide()
    if let parameters = try body.object("parameters") { try request.readHub(parameters) }
    return request
  }

  private mutating func readHub(_ parameters: JSONBody) throws(ServeError) {
    isOfHub = true
    top = try parameters.integer("top_k", least: 1)
    switch try parameters.string("function_to_apply") {
    case nil: break
    case "none": isRaw = true
    case let other?:
      throw ServeError(
        .invalidRequest,
        "the function '\(other.prefix(40))' is not supported; scores are what the model's publisher says, or its "
          + "own numbers with 'none'", place: "parameters.function_to_apply")
    }
  }

  private static func textOrPair(_ value: JSON, _ place: String) throws(ServeError) -> TextInput {
    if let text = value.stringValue { return TextInput(text) }
    let strings = value.arrayValue?.compactMap(\.stringValue) ?? []
    guard let list = value.arrayValue, list.count == strings.count, (1...2).contains(list.count)
    else {
      throw JSONBody.wrong(value, place, "a string, or a list of one or two strings")
    }
    return TextInput(strings[0], pair: strings.count == 2 ? strings[1] : nil)
  }

  /// infinity's `/classify`.
  package static func infinity(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> ClassifyRequest {
    var request = ClassifyRequest(
      try TextList(body, "input", limits), isRaw: try body.bool("raw_scores") ?? false)
    request.model = try body.string("model")
    request.truncates = try body.bool("truncate") ?? false
    return request
  }
}
