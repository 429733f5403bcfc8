import Bertq

/// Why a request is not answered: a status, and what the client is told.
package struct ServeError: Error, Sendable {
  /// A name that programs can switch on; those of OpenAI's interface where it has one.
  package struct Code: Sendable, Equatable {
    /// The name, as bodies carry it.
    package let name: String
    /// The HTTP status.
    package let status: Int

    /// What it means is in its name: some interfaces give it another status.
    package static func == (one: Code, other: Code) -> Bool { one.name == other.name }

    package static let invalidRequest = Code(name: "invalid_request_error", status: 400)
    package static let tooLong = Code(name: "context_length_exceeded", status: 400)
    package static let tokenIDs = Code(name: "token_ids_not_accepted", status: 400)
    package static let unsupportedTask = Code(name: "unsupported_task", status: 400)
    package static let invalidKey = Code(name: "invalid_api_key", status: 401)
    package static let unknownModel = Code(name: "model_not_found", status: 404)
    package static let unknownRoute = Code(name: "not_found", status: 404)
    package static let wrongMethod = Code(name: "method_not_allowed", status: 405)
    package static let slowBody = Code(name: "request_timeout", status: 408)
    package static let fingerprint = Code(name: "fingerprint_mismatch", status: 412)
    package static let tooLarge = Code(name: "request_too_large", status: 413)
    package static let mediaType = Code(name: "unsupported_media_type", status: 415)
    package static let overloaded = Code(name: "overloaded", status: 429)
    package static let closed = Code(name: "client_closed_request", status: 499)
    package static let model = Code(name: "model_error", status: 500)
    package static let unavailable = Code(name: "unavailable", status: 503)
    package static let deadline = Code(name: "deadline_exceeded", status: 504)
  }

  package var code: Code
  /// What was found, expected, and what to do.
  package var message: String
  /// Where in the request, such as `input[17]`.
  package var place: String?
  /// The indices of the texts that are at fault, where several may be.
  package var indices: [Int] = []
  /// Whose interface the client speaks, where the body tells it and not the route.
  package private(set) var dialect: Dialect?
  /// What this failure adds to the answer's headers.
  package var headers: [(name: String, value: String)] = []

  package init(_ code: Code, _ message: String, place: String? = nil) {
    self.code = code
    self.message = message
    self.place = place
  }

  /// The same error with one more header.
  package func with(_ name: String, _ value: String) -> ServeError {
    var copy = self
    copy.headers.append((name, value))
    return copy
  }

  /// The same error, written as this interface writes it.
  package func told(in dialect: Dialect) -> ServeError {
    var copy = self
    copy.dialect = dialect
    copy.code = Code(name: code.name, status: dialect.status(code))
    return copy
  }

  /// Tells clients not to repeat the request as it is.
  package var final: ServeError { with("x-should-retry", "false") }

  /// Tells clients when to repeat the request.
  package func retry(after wait: Duration) -> ServeError {
    let (seconds, rest) = wait.components
    let milliseconds = max(1, seconds * 1000 + rest / 1_000_000_000_000_000)
    return with("retry-after", "\(max(1, (milliseconds + 999) / 1000))")
      .with("retry-after-ms", "\(milliseconds)")
  }
}

extension ServeError {
  /// What a model's error means to a client.
  ///
  /// - Parameter isOfRequest: whether it arose while the request was read: then what is malformed is the
  ///   request, not the model.
  package init(_ error: BertError, place: String?, isOfRequest: Bool = false) {
    // What the error says of files is for the log.
    let message = error.message
    switch error.code {
    case .overloaded:
      self = ServeError(.overloaded, message).retry(after: error.retryAfter ?? .seconds(1))
    case .deadline: self.init(.deadline, message)
    case .cancelled: self.init(.closed, message)
    case .unsupported: self = ServeError(.unsupportedTask, message).final
    case .tooLong: self.init(.tooLong, message, place: place)
    case .usage, .notUTF8: self.init(.invalidRequest, message, place: place)
    case .malformed where isOfRequest: self.init(.invalidRequest, message, place: place)
    default: self = ServeError(.model, message, place: place).final
    }
  }
}
