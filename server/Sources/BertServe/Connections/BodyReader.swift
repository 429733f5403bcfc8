import HTTPTypes
import Hummingbird
import NIOCore
import ServeShapes

/// Reads a request's body within the limits.
struct BodyReader {
  /// A body, and the bytes of the budget that it holds until its request is answered.
  struct Read {
    var body = JSONBody()
    var held = 0
  }

  private let server: Server
  private var limit: Int { server.settings.bodyLimit }

  init(_ server: Server) { self.server = server }

  /// A body's tree takes more than its text.
  private static let bytesHeldPerByte = 3

  /// The body of a request; an empty one of a request without.
  ///
  /// - Throws: `mediaType`, `tooLarge` before the rest is read, `overloaded` when other bodies take the
  ///   memory, `invalidRequest`.
  func read(_ request: Request) async throws -> Read {
    guard request.method == .post else { return Read() }
    try checkType(request.headers[.contentType])
    if let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" {
      throw ServeError(
        .mediaType, "the body is encoded as '\(encoding.prefix(40))'; send it as it is")
    }
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
      throw tooLarge
    }
    var read = Read()
    do {
      var bytes = ByteBuffer()
      for try await part in request.body {
        guard bytes.readableBytes + part.readableBytes <= limit else { throw tooLarge }
        try hold(part.readableBytes, &read)
        bytes.writeImmutableBuffer(part)
      }
      read.body = try bytes.withUnsafeReadableBytes { bytes throws(ServeError) in
        try JSONBody(bytes)
      }
      return read
    } catch {
      server.memory.giveBack(read.held)
      throw error
    }
  }

  private var tooLarge: ServeError {
    ServeError(.tooLarge, "the body is larger than \(limit) bytes; send several requests")
  }

  private func hold(_ bytes: Int, _ read: inout Read) throws(ServeError) {
    let bytes = bytes * Self.bytesHeldPerByte
    guard server.memory.take(bytes) else {
      throw ServeError(
        .overloaded, "other requests take the \(server.memory.capacity) bytes that all may hold"
      ).retry(after: .seconds(1))
    }
    read.held += bytes
  }

  private func checkType(_ type: String?) throws(ServeError) {
    guard let type else { return }
    let name = type.lowercased().prefix { $0 != ";" && $0 != " " }
    let isJSON = name == "application/json" || name.hasSuffix("+json") || name == "text/json"
    guard isJSON else {
      throw ServeError(
        .mediaType, "the body's type is '\(name.prefix(60))'; expected application/json")
    }
  }
}
