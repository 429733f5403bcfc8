import Bertq
import NIOHTTP1
import ServeShapes

/// One request that a route answers.
struct Call: Sendable {
  let server: Server
  let head: HTTPRequestHead
  /// The request's name in the log and in the answer.
  let id: String
  let body: JSONBody
  /// What stood in place of a route's `{}`.
  let parameter: String?
  let start: ContinuousClock.Instant
  let meter = CallMeter()

  func header(_ name: String) -> String? { head.headers.value(name) }

  /// Nanoseconds since the request came.
  var nanoseconds: Int64 { (ContinuousClock.now - start).nanoseconds }

  /// How soon the answer is wanted: as the client says, but never more urgent than its work deserves.
  func requestOptions() throws(ServeError) -> RequestOptions {
    var options = RequestOptions(tally: meter.tally)
    options.longestQueue = server.settings.longestQueue
    switch header("x-bertq-priority")?.lowercased() {
    case nil, "interactive": break
    case "bulk": options.priority = .bulk
    case let other?:
      throw ServeError(
        .invalidRequest, "x-bertq-priority is '\(other.prefix(40))'; expected bulk or interactive",
        place: "x-bertq-priority")
    }
    if let timeout = try timeout() { options.deadline = start + timeout }
    return options
  }

  /// The least of what the client and the server allow.
  private func timeout() throws(ServeError) -> Duration? {
    var timeouts: [Duration] = []
    if let own = server.settings.requestTimeout { timeouts.append(own) }
    if let text = header("x-request-timeout-ms") {
      guard let milliseconds = Int64(text), (1...86_400_000).contains(milliseconds) else {
        throw ServeError(
          .invalidRequest, "x-request-timeout-ms is '\(text.prefix(40))'; expected 1 to 86400000",
          place: "x-request-timeout-ms")
      }
      timeouts.append(.milliseconds(milliseconds))
    }
    // OpenAI's clients say when they hang up; what else stands there is not for us.
    if let seconds = header("x-stainless-read-timeout").flatMap(Double.init),
      seconds > 0, seconds < 86_400
    {
      timeouts.append(.seconds(seconds))
    }
    return timeouts.min()
  }

  /// The model that the client means, if it is the one whose answers it wants.
  ///
  /// - Throws: `fingerprint` when `If-Match` names others.
  func model(
    _ name: String?, _ kind: NamedModel.AnswerKind = .vectors
  ) throws(ServeError) -> NamedModel {
    // What makes no sense is said before what is not so.
    _ = try requestOptions()
    let found = try server.models.find(name)
    let fingerprint = found.fingerprint(kind)
    if let wanted = header("if-match"), wanted.trimmed != "*" {
      let tags = wanted.split(separator: ",").map { String($0).trimmed.unquoted }
      guard tags.contains(fingerprint) else {
        throw ServeError(
          .fingerprint,
          "the model '\(found.name)' has the fingerprint \(fingerprint), which If-Match does not name"
        ).final.with("etag", "\"\(fingerprint)\"")
      }
    }
    return found
  }
}

extension String {
  /// Without spaces at its ends.
  var trimmed: String {
    let scalars = unicodeScalars.drop { $0 == " " || $0 == "\t" }
    var end = scalars.endIndex
    while end > scalars.startIndex {
      let before = scalars.index(before: end)
      guard scalars[before] == " " || scalars[before] == "\t" else { break }
      end = before
    }
    return String(scalars[..<end])
  }

  /// Without quotes around it.
  var unquoted: String {
    let text = hasPrefix("W/") ? dropFirst(2) : self[...]
    guard text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") else { return String(text) }
    return String(text.dropFirst().dropLast())
  }
}

extension Duration {
  var nanoseconds: Int64 {
    let (seconds, rest) = components
    return seconds * 1_000_000_000 + rest / 1_000_000_000
  }
}

/// What a route answers.
struct Reply: Sendable {
  var status = 200
  var bytes: [UInt8] = []
  var type = "application/json"
  var headers: [(name: String, value: String)] = []

  init(_ bytes: [UInt8], type: String = "application/json") {
    self.bytes = bytes
    self.type = type
  }

  init(_ text: AnswerText) { self.init(text.bytes) }

  /// The same with one more header.
  func with(_ name: String, _ value: String) -> Reply {
    var copy = self
    copy.headers.append((name, value))
    return copy
  }
}
