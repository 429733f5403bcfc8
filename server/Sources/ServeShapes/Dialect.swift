import JSONText

/// Whose interface a route speaks: it decides how an error is written.
package enum Dialect: Sendable, Equatable {
  /// OpenAI's, and everything that has no form of its own.
  case openAI
  /// text-embeddings-inference's.
  case tei
  /// Ollama's.
  case ollama
  /// Cohere's and Jina's.
  case cohere

  /// The status of an error: text-embeddings-inference's differ.
  package func status(_ code: ServeError.Code) -> Int {
    guard self == .tei else { return code.status }
    return switch code {
    case .tooLong: 422
    case .unsupportedTask: 424
    default: code.status
    }
  }

  /// An error's body.
  package func body(_ error: ServeError, requestID: String) -> JSON {
    let indices: JSON? =
      error.indices.isEmpty ? nil : .array(error.indices.map { .integer($0) })
    var members: JSONObject
    switch error.dialect ?? self {
    case .openAI:
      var inner: JSONObject = [
        "message": .string(error.message), "type": .string(Self.type(error.code)),
        "param": error.place.map { .string($0) } ?? .null, "code": .string(error.code.name),
      ]
      if let indices { inner["indices"] = indices }
      return ["error": .object(inner)]
    case .tei:
      members = [
        "error": .string(error.message), "error_type": .string(Self.teiType(error.code)),
        "code": .string(error.code.name),
      ]
    case .ollama: members = ["error": .string(error.message)]
    case .cohere: members = ["id": .string(requestID), "message": .string(error.message)]
    }
    if let indices { members["indices"] = indices }
    return .object(members)
  }

  private static func type(_ code: ServeError.Code) -> String {
    switch code {
    case .invalidKey: "authentication_error"
    case .overloaded: "rate_limit_error"
    default: code.status < 500 ? "invalid_request_error" : "server_error"
    }
  }

  private static func teiType(_ code: ServeError.Code) -> String {
    switch code {
    case .overloaded: "Overloaded"
    case .model, .deadline, .unsupportedTask: "Backend"
    case .unavailable: "Unhealthy"
    default: "Validation"
    }
  }
}
