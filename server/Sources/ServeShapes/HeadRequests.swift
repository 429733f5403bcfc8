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

  private static let options = [
    "truncate", "truncation_direction", "raw_scores", "return_documents", "return_text", "top_n",
    "top_k", "max_tokens_per_doc",
  ]

  /// Whether a body is of text-embeddings-inference's form.
  package static func isTEI(_ body: JSONBody) -> Bool { body["texts"] != nil }

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    try body.takes(only: Self.options)
    query = try body.required("query")
    guard let (key, value) = body.first(of: "texts", "documents") else {
      throw body.missing("documents")
    }
    if key == "texts", body["documents"] != nil {
      throw ServeError(
        .invalidRequest, "'documents' stands beside 'texts'; send one of them", place: "documents")
    }
    self.key = key
    self.documents = try Self.documents(value, key, limits)
    model = try body.string("model")
    let numbers = 1...Self.mostDocuments
    let (topN, topK) = (try body.integer("top_n", numbers), try body.integer("top_k", numbers))
    top = topN ?? topK
    truncates = try body.bool("truncate") ?? false
    truncationSide = try body.truncationSide()
    isRaw = try body.bool("raw_scores") ?? false
    let (documents, texts) = (try body.bool("return_documents"), try body.bool("return_text"))
    returnsDocuments = documents ?? texts ?? false
    documentTokens = try body.integer("max_tokens_per_doc", numbers)
  }

  /// Documents, and tokens of one, that a client may name: more than any server takes.
  package static let mostDocuments = 1_000_000

  private static func documents(
    _ value: JSON, _ key: String, _ limits: TextList.Limits
  ) throws(ServeError) -> [String] {
    guard let list = value.arrayValue else { throw JSONBody.wrong(value, key, "a list of strings") }
    if list.isEmpty { throw ServeError(.invalidRequest, "\(key) is an empty list", place: key) }
    try JSONBody.count(list.count, key, most: limits.inputs)
    var documents: [String] = []
    var faults = ItemFaults()
    for (index, item) in list.enumerated() {
      let place = "\(key)[\(index)]"
      do throws(ServeError) {
        guard let text = item.stringValue ?? item["text"]?.stringValue else {
          throw JSONBody.wrong(item, place, "a string, or an object with 'text'")
        }
        documents.append(try JSONBody.filled(text, place))
      } catch {
        faults.note(error, at: index)
      }
    }
    try faults.check()
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
  package var isRaw = false
  /// How many labels are given; nil for all.
  package var top: Int?
  /// Whether the client speaks the form of the Hugging Face hub, which sends `parameters`: there the answer to one
  /// text is a list of one list.
  package var isOfHub = false

  private init(_ texts: TextList) { self.texts = texts }

  /// text-embeddings-inference's `/predict`: a string, a pair as a list of two strings, or a list of lists of one or
  /// two strings.
  package static func tei(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> ClassifyRequest {
    try body.takes(only: options + ["top_k"])
    guard let value = body["inputs"] else { throw body.missing("inputs") }
    var texts = TextList([], key: "inputs")
    if let list = value.arrayValue, list.first?.arrayValue != nil {
      try JSONBody.count(list.count, "inputs", most: limits.inputs)
      var faults = ItemFaults()
      for (index, item) in list.enumerated() {
        do throws(ServeError) {
          texts.inputs.append(try textOrPair(item, "inputs[\(index)]"))
        } catch {
          faults.note(error, at: index)
        }
      }
      try faults.check()
    } else {
      texts.isSingle = true
      texts.inputs = [try textOrPair(value, "inputs")]
    }
    var request = ClassifyRequest(texts)
    try request.read(body)
    if let parameters = try body.object("parameters") { try request.readHub(parameters) }
    return request
  }

  private static let options = ["raw_scores", "truncate", "truncation_direction"]

  /// Reads what can be asked beside texts: what is there stands over what was read before.
  private mutating func read(_ body: JSONBody) throws(ServeError) {
    model = try body.string("model") ?? model
    isRaw = try body.bool("raw_scores") ?? isRaw
    truncates = try body.bool("truncate") ?? truncates
    truncationSide = try body.truncationSide() ?? truncationSide
    top = try body.integer("top_k", 1...RerankRequest.mostDocuments) ?? top
  }

  private mutating func readHub(_ parameters: JSONBody) throws(ServeError) {
    isOfHub = true
    try parameters.takes(only: Self.options + ["top_k"])
    try read(parameters)
    switch try parameters.string("function_to_apply") {
    case nil: break
    case "none": isRaw = true
    case let other?:
      throw ServeError(
        .invalidRequest,
        "the function '\(other.prefix(40))' is not supported; scores are what the model's publisher says, or its "
          + "own numbers with 'none'", place: parameters.place("function_to_apply"))
    }
  }

  private static func textOrPair(_ value: JSON, _ place: String) throws(ServeError) -> TextInput {
    if let text = value.stringValue { return TextInput(try JSONBody.filled(text, place)) }
    let strings = value.arrayValue?.compactMap(\.stringValue) ?? []
    guard let list = value.arrayValue, list.count == strings.count, (1...2).contains(list.count)
    else {
      throw JSONBody.wrong(value, place, "a string, or a list of one or two strings")
    }
    for (index, text) in strings.enumerated() {
      _ = try JSONBody.filled(text, "\(place)[\(index)]")
    }
    return TextInput(strings[0], pair: strings.count == 2 ? strings[1] : nil)
  }

  /// infinity's `/classify`.
  package static func infinity(
    _ body: JSONBody, _ limits: TextList.Limits
  ) throws(ServeError) -> ClassifyRequest {
    try body.takes(only: options)
    var request = ClassifyRequest(try TextList(body, "input", limits))
    try request.read(body)
    return request
  }
}
