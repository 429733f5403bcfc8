import Bertq
import HTTPTypes
import Hummingbird
import JSONText
import NIOCore
import ServeShapes

/// Answers every request: finds its route, checks key and body, writes answer, metrics and log.
package struct Responder: HTTPResponder {
  package typealias Context = ServeContext

  private let server: Server
  private var routes: RouteTable { RouteTable.ours }
  private let origins: CrossOrigin

  package init(_ server: Server) {
    self.server = server
    origins = CrossOrigin(server.settings.corsOrigins)
  }

  package func respond(to request: Request, context: ServeContext) async throws -> Response {
    let start = ContinuousClock.now
    let id = RequestName.of(request.headers)
    let path = String((request.head.path ?? "/").prefix { $0 != "?" && $0 != "#" })
    let found = routes.find(request.method, path)
    var dialect = Dialect.openAI
    // Only paths of ours become labels: a client could make up any number of others.
    var label = "other"
    switch found {
    case .route(let route, _): (dialect, label) = (route.dialect, route.path)
    case .otherMethods(_, let other): dialect = other
    case .nothing: break
    }
    var response: Response
    do {
      response = try await answer(
        request, found, id: id, start: start, connection: server.connections.find(context.channel))
    } catch {
      response = self.response(error, dialect, id: id)
    }
    finish(&response, request, id: id)
    let nanoseconds = (ContinuousClock.now - start).nanoseconds
    server.instruments.note(
      route: label, status: response.status.code, nanoseconds: nanoseconds)
    if server.settings.logsRequests {
      log(request, label, response, id: id, nanoseconds: nanoseconds)
    }
    return response
  }

  /// The answer to a request that is as it should be.
  private func answer(
    _ request: Request, _ found: RouteTable.Found, id: String, start: ContinuousClock.Instant,
    connection: Connection
  ) async throws -> Response {
    if let preflight = origins.preflight(request) { return preflight }
    switch found {
    case .nothing:
      throw ServeError(.unknownRoute, "there is no such route")
    case .otherMethods(let methods, _):
      throw ServeError(
        .wrongMethod, "the route takes \(methods.joined(separator: ", ")), not \(request.method)"
      ).with("allow", methods.joined(separator: ", "))
    case .route(let route, let parameter):
      if !route.isOpen { try server.keys.check(key(of: request)) }
      let reader = BodyReader(server)
      let body = try await reader.read(request)
      defer { server.memory.giveBack(body.held) }
      let call = Call(
        server: server, head: request.head, id: id, body: body.body, parameter: parameter,
        start: start)
      let reply = try await connection.run { () -> Result<Reply, any Error> in
        do {
          return .success(try await route.answer(call).noting(call))
        } catch {
          return .failure(error)
        }
      }.get()
      return Response(reply, hasBody: request.method != .head)
    }
  }

  private func key(of request: Request) -> String? {
    request.headers[.authorization] ?? HTTPField.Name("x-api-key").flatMap { request.headers[$0] }
  }

  /// What an error becomes.
  private func response(_ error: any Error, _ dialect: Dialect, id: String) -> Response {
    let known: ServeError
    switch error {
    case let error as ServeError: known = error
    case let error as BertError: known = ServeError(error, place: nil)
    case is SlowBody: known = ServeError(.slowBody, "the body did not come in time")
    default:
      // What fails while a body is read is the connection.
      known = ServeError(.closed, "the request did not come whole")
      server.logger.debug(
        "request failed", metadata: ["reason": "\(error)", "request_id": "\(id)"])
    }
    server.instruments.noteRefusal(known.code.name)
    if known.code == .model {
      server.logger.error(
        "model failed", metadata: ["reason": "\(known.message)", "request_id": "\(id)"])
    }
    var text = AnswerText()
    text.value(dialect.body(known, requestID: id))
    var reply = Reply(text)
    reply.status = dialect.status(known.code)
    reply.headers = known.headers
    if [.tooLarge, .slowBody, .unavailable, .closed].contains(known.code) {
      reply.headers.append(("connection", "close"))
    }
    return Response(reply, hasBody: true)
  }

  /// What all answers carry.
  private func finish(_ response: inout Response, _ request: Request, id: String) {
    response.headers.set("x-request-id", id)
    origins.mark(&response, request)
    if server.isDraining { response.headers[.connection] = "close" }
  }

  private func log(
    _ request: Request, _ label: String, _ response: Response, id: String, nanoseconds: Int64
  ) {
    var fields: [String: String] = [
      "request_id": id, "route": label, "method": request.method.rawValue,
      "status": "\(response.status.code)", "ms": "\(Double(nanoseconds / 1000) / 1000)",
    ]
    if let tokens = response.headers.value("x-compute-tokens") { fields["tokens"] = tokens }
    if let trace = request.headers.value("traceparent").flatMap(RequestName.trace) {
      fields["trace_id"] = trace
    }
    server.logger.info("request", metadata: fields.mapValues { "\($0)" })
  }
}

extension Response {
  init(_ reply: Reply, hasBody: Bool) {
    var headers = HTTPFields()
    headers[.contentType] = reply.type
    for (name, value) in reply.headers { headers.set(name, value) }
    if !hasBody { headers[.contentLength] = "\(reply.bytes.count)" }
    self.init(
      status: .init(code: reply.status), headers: headers,
      body: hasBody ? .init(byteBuffer: ByteBuffer(bytes: reply.bytes)) : .init())
  }
}

extension HTTPFields {
  func value(_ name: String) -> String? { HTTPField.Name(name).flatMap { self[$0] } }

  mutating func set(_ name: String, _ value: String) {
    if let name = HTTPField.Name(name) { self[name] = value }
  }
}
