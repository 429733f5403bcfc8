import NIOCore
import NIOHTTP1
import ServeShapes

/// A request as it comes in: its head, where it leads, and what has come of its body, within the limits.
struct IncomingRequest: Sendable {
  let head: HTTPRequestHead
  /// Its name in the log and in the answer.
  let id: String
  /// When its head was there.
  let start: ContinuousClock.Instant
  let found: RouteTable.Found
  private(set) var body = ByteBuffer()
  /// Bytes of the budget that the body holds until the request is answered.
  private(set) var held = 0

  init(_ head: HTTPRequestHead) {
    start = .now
    self.head = head
    id = RequestName.of(head.headers)
    found = RouteTable.ours.find(head.method, String(head.uri.prefix { $0 != "?" && $0 != "#" }))
  }

  /// Stands for what has no head.
  static var unreadable: IncomingRequest {
    IncomingRequest(HTTPRequestHead(version: .http1_1, method: .RAW(value: "-"), uri: ""))
  }

  /// Whose interface errors are written in.
  var dialect: Dialect {
    switch found {
    case .route(let route, _): route.dialect
    case .otherMethods(_, let dialect): dialect
    case .nothing: .openAI
    }
  }

  /// The route's name in metrics and log.
  ///
  /// Only paths of ours: a client could make up any number of others.
  var label: String {
    if case .route(let route, _) = found { route.path } else { "other" }
  }

  /// Whether what its route does beside the model's computation is little.
  var isShort: Bool {
    if case .route(let route, _) = found { route.isShort } else { true }
  }

  /// Whether the client asks before it sends the body.
  var asksToSend: Bool {
    head.version.minor > 0 && head.headers.value("expect")?.lowercased() == "100-continue"
  }

  /// A body's tree takes more than its text.
  private static let bytesHeldPerByte = 3
  /// What a usual query holds, at most.
  private static let heldByQuery = 64 << 10

  /// Adds a part of the body.
  ///
  /// - Throws: `tooLarge` before the rest is read; `overloaded` when other bodies take the memory.
  mutating func append(_ part: ByteBuffer, _ server: Server) throws(ServeError) {
    guard body.readableBytes + part.readableBytes <= server.settings.bodyLimit else {
      throw .bodyTooLarge(server.settings.bodyLimit)
    }
    let bytes = part.readableBytes * Self.bytesHeldPerByte
    // A few that send large bodies slowly must not keep short ones out.
    let rest = held + bytes > Self.heldByQuery ? server.memory.capacity / 4 : 0
    guard server.memory.take(bytes, leaving: rest) else {
      throw ServeError(
        .overloaded, "other requests take the \(server.memory.capacity) bytes that all may hold"
      ).retry(after: .seconds(1))
    }
    held += bytes
    body.writeImmutableBuffer(part)
  }

  /// Checks what the head says of the body.
  ///
  /// - Throws: `mediaType`, `tooLarge`.
  func checkBodyHeaders(_ server: Server) throws(ServeError) {
    guard head.method == .POST else { return }
    if let type = head.headers.value("content-type") {
      let name = type.lowercased().prefix { $0 != ";" && $0 != " " && $0 != "\t" }
      guard name == "application/json" || name.hasSuffix("+json") || name == "text/json" else {
        throw ServeError(
          .mediaType, "the body's type is '\(name.prefix(60))'; expected application/json")
      }
    }
    if let coding = head.headers.value("transfer-encoding"), coding.lowercased() != "chunked" {
      throw ServeError(
        .mediaType, "the body is transferred as '\(coding.prefix(40))'; send it as it is")
    }
    if let encoding = head.headers.value("content-encoding"), encoding.lowercased() != "identity" {
      throw ServeError(
        .mediaType, "the body is encoded as '\(encoding.prefix(40))'; send it as it is")
    }
    if let length = head.headers.value("content-length").flatMap({ Int($0) }),
      length > server.settings.bodyLimit
    {
      throw .bodyTooLarge(server.settings.bodyLimit)
    }
  }
}

extension ServeError {
  fileprivate static func bodyTooLarge(_ limit: Int) -> ServeError {
    ServeError(.tooLarge, "the body is larger than \(limit) bytes; send several requests")
  }
}

extension HTTPHeaders {
  /// The value of a header; of several of one name, all.
  func value(_ name: String) -> String? {
    let all = self[name]
    return all.count > 1 ? all.joined(separator: ", ") : all.first
  }
}
