import Bertq
import JSONText

/// Cohere's `/v2/embed`.
package struct CohereEmbedding: Sendable {
  package var embedding: EmbeddingRequest
  /// How vectors are written: in each of these.
  package var encodings: [EmbeddingRequest.Encoding]

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    try body.takes(only: ["truncate", "output_dimension", "embedding_types"])
    if let other = body.first(of: "images", "inputs") {
      throw ServeError(
        .invalidRequest, "'\(other.key)' is not supported; send 'texts'", place: other.key)
    }
    guard let strings = try body.strings("texts", most: limits.inputs, allowsEmpty: false) else {
      throw body.missing("texts")
    }
    if strings.isEmpty {
      throw ServeError(.invalidRequest, "texts is an empty list", place: "texts")
    }
    var texts = TextList(strings.map { TextInput($0) }, key: "texts")
    // Here it is no flag.
    texts.cutting = #""truncate": "END" or "START""#
    embedding = EmbeddingRequest(texts)
    embedding.model = try body.string("model")
    embedding.dimensions = try body.integer(
      "output_dimension", 1...EmbeddingRequest.mostDimensions)
    switch try body.choice("truncate", ["none", "start", "end"]) {
    case "start": (embedding.truncates, embedding.truncationSide) = (true, .left)
    case "end": (embedding.truncates, embedding.truncationSide) = (true, .right)
    default: break
    }
    encodings = try Self.encodings(body)
  }

  private static func encodings(
    _ body: JSONBody
  ) throws(ServeError) -> [EmbeddingRequest.Encoding] {
    var encodings: [EmbeddingRequest.Encoding] = []
    for (index, type) in (try body.strings("embedding_types", most: 8) ?? []).enumerated() {
      let encoding: EmbeddingRequest.Encoding
      switch type {
      case "float": encoding = .float
      case "base64": encoding = .base64
      default:
        throw ServeError(
          .invalidRequest,
          "the embedding type '\(type.prefix(40))' is not supported; ask for 'float' or 'base64'",
          place: "embedding_types[\(index)]")
      }
      if !encodings.contains(encoding) { encodings.append(encoding) }
    }
    return encodings.isEmpty ? [.float] : encodings
  }
}
