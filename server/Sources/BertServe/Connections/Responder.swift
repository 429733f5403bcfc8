import Bertq
import JSONText
import NIOCore
import NIOHTTP1
import ServeShapes

/// An answer, whole.
struct Answer: Sendable {
  var head: HTTPResponseHead
  /// Nil where there is none, as after HEAD.
  var body: ByteBuffer?
  /// Bytes of the budget that it holds until it is sent.
  var held = 0
}

/// Answers every request: checks key and body, has its route answer, writes metrics and log.
struct Responder: Sendable {
  private let server: Server
  private let origins: CrossOrigin

  init(_ server: Server) {
    self.server = server
    origins = CrossOrigin(server.settings.corsOrigins)
  }

  /// What is answered without a body having been read; nil when the request is to be read on.
  ///
  /// - Throws: why the request is not taken.
  func preliminary(_ request: IncomingRequest) throws(ServeError) -> Answer? {
    if let headers = origins.preflight(request.head) {
      let head = HTTPResponseHead(version: .http1_1, status: .noContent, headers: headers)
      return finish(Answer(head: head), request)
    }
    switch request.found {
    case .nothing: throw .noSuchRoute
    case .otherMethods(let methods, _):
      throw ServeError(
        .wrongMethod,
        "the route takes \(methods.joined(separator: ", ")), not \(request.head.method.rawValue)"
      ).with("allow", methods.joined(separator: ", "))
    case .route(let route, _):
      if !route.isOpen { try server.keys.check(request.head.headers) }
      try request.checkBodyHeaders(server)
      return nil
    }
  }

  /// Answers a request that is there as a whole.
  func respond(to request: IncomingRequest) async -> Answer {
    guard case .route(let route, let parameter) = request.found else {
      return refuse(request, ServeError.noSuchRoute)
    }
    do {
      let body =
        try request.head.method == .POST
        ? request.body.withUnsafeReadableBytes { bytes throws(ServeError) in try JSONBody(bytes) }
        : JSONBody()
      let call = Call(
        server: server, head: request.head, id: request.id, body: body, parameter: parameter,
        start: request.start)
      return finish(
        Answer(try await route.answer(call).noting(call), isHead: request.head.method == .HEAD),
        request)
    } catch {
      return refuse(request, error)
    }
  }

  /// Bytes of an answer that are counted: less are bounded by the number of connections.
  private static let countedAnswer = 64 << 10

  /// The answer, counted as held until it is sent where it is long; an error's where others hold too much.
  func holding(_ answer: Answer, _ request: IncomingRequest) -> Answer {
    guard let bytes = answer.body?.readableBytes, bytes > Self.countedAnswer else { return answer }
    let capacity = server.memory.capacity
    if server.memory.take(bytes) {
      var held = answer
      held.held = bytes
      return held
    }
    let error =
      bytes > capacity
      ? ServeError(
        .tooLarge, "the answer has \(bytes) bytes; all may hold \(capacity) together: ask for less")
      : ServeError(.overloaded, "other requests take the \(capacity) bytes that all may hold")
        .retry(after: .seconds(1))
    return refuse(request, error)
  }

  /// The answer to a request that fails.
  func refuse(_ request: IncomingRequest, _ error: any Error) -> Answer {
    let known: ServeError
    switch error {
    case let error as ServeError: known = error
    case let error as BertError: known = ServeError(error, place: nil)
    default: known = ServeError(.model, "\(error)")
    }
    server.instruments.noteRefusal(known.code.name)
    if known.code == .model {
      server.logger.error(
        "model failed", metadata: ["reason": "\(known.message)", "request_id": "\(request.id)"])
    }
    var text = AnswerText()
    text.value(request.dialect.body(known, requestID: request.id))
    var reply = Reply(text)
    reply.status = request.dialect.status(known.code)
    reply.headers = known.headers
    if [.tooLarge, .slowBody, .unavailable, .closed].contains(known.code) {
      reply.headers.append(("connection", "close"))
    }
    return finish(Answer(reply, isHead: request.head.method == .HEAD), request)
  }

  /// What all answers carry; counts and logs them.
  private func finish(_ answer: Answer, _ request: IncomingRequest) -> Answer {
    var answer = answer
    answer.head.headers.replaceOrAdd(name: "x-request-id", value: request.id)
    answer.head.headers.replaceOrAdd(name: "date", value: server.date.text)
    origins.mark(&answer.head.headers, request.head)
    // Behind CONNECT no requests come.
    if server.isDraining || !request.head.isKeepAlive || request.head.method == .CONNECT {
      answer.head.headers.replaceOrAdd(name: "connection", value: "close")
    } else if request.head.version.minor == 0, !answer.head.headers.contains(name: "connection") {
      // What HTTP/1.0 does not take for granted.
      answer.head.headers.add(name: "connection", value: "keep-alive")
    }
    let nanoseconds = (ContinuousClock.now - request.start).nanoseconds
    let status = Int(answer.head.status.code)
    server.instruments.note(route: request.label, status: status, nanoseconds: nanoseconds)
    if server.settings.logsRequests { log(request, answer, nanoseconds: nanoseconds) }
    return answer
  }

  private func log(_ request: IncomingRequest, _ answer: Answer, nanoseconds: Int64) {
    var fields: [String: String] = [
      "request_id": request.id, "route": request.label, "method": request.head.method.rawValue,
      "status": "\(answer.head.status.code)", "ms": "\(Double(nanoseconds / 1000) / 1000)",
    ]
    if let tokens = answer.head.headers.value("x-compute-tokens") { fields["tokens"] = tokens }
    if let trace = request.head.headers.value("traceparent").flatMap(RequestName.trace) {
      fields["trace_id"] = trace
    }
    server.logger.info("request", metadata: fields.mapValues { "\($0)" })
  }
}

extension ServeError {
  fileprivate static var noSuchRoute: ServeError {
    ServeError(.unknownRoute, "there is no such route")
  }
}

extension Answer {
  init(_ reply: Reply, isHead: Bool) {
    var headers = HTTPHeaders()
    headers.reserveCapacity(reply.headers.count + 4)
    headers.add(name: "content-type", value: reply.type)
    headers.add(name: "content-length", value: "\(reply.bytes.count)")
    for (name, value) in reply.headers { headers.replaceOrAdd(name: name, value: value) }
    head = HTTPResponseHead(
      version: .http1_1, status: HTTPResponseStatus(statusCode: reply.status), headers: headers)
    body = isHead ? nil : ByteBuffer(bytes: reply.bytes)
  }
}
