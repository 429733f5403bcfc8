import NIOCore
import NIOHTTP1
import ServeShapes

/// Takes a connection's requests one after the other, has them answered, and writes the answers.
final class RequestHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private enum State {
    case idle
    /// Not all of it has come.
    case reading(IncomingRequest)
    /// It was answered before all of it had come; nobody reads the rest.
    case skipping
    case answering
  }

  private let server: Server
  private let responder: Responder
  private let executor: LoopExecutor
  private var state = State.idle
  /// What answers the request, where that takes a while.
  private var running: Task<Void, Never>?
  /// Whether answering is being begun, and the answer if it was there at once.
  private var isBeginning = false
  private var ready: Answer?
  /// Whether an answer is being written, from which the next request may come before this one's call returns.
  private var isWriting = false

  init(_ server: Server, _ loop: any EventLoop) {
    self.server = server
    responder = Responder(server)
    executor = LoopExecutor(loop)
  }

  func handlerAdded(context: ChannelHandlerContext) {
    server.connections.add(1, ordering: .relaxed)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    server.connections.subtract(1, ordering: .relaxed)
    leave()
  }

  func channelInactive(context: ChannelHandlerContext) {
    leave()
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // A client that sends nothing any more is taken to be gone: the two look the same from here.
    if let event = event as? ChannelEvent, event == .inputClosed { leave() }
    context.fireUserInboundEventTriggered(event)
  }

  /// The client is gone: what is computed for it ends.
  private func leave() {
    running?.cancel()
    if case .reading(let request) = state {
      server.memory.giveBack(request.held)
      state = .skipping
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if error is SlowBody, case .reading(let request) = state {
      return refuse(
        request, ServeError(.slowBody, "the body did not come in time"), context)
    }
    if let error = error as? HTTPParserError { return refuse(error, context) }
    server.logger.debug("connection failed", metadata: ["reason": "\(error)"])
    context.close(promise: nil)
  }

  /// Answers what is no HTTP, if it does not belong to a request that was answered before it had come.
  private func refuse(_ error: HTTPParserError, _ context: ChannelHandlerContext) {
    let reason = ServeError(.invalidRequest, "this is no HTTP/1 request: \(error)")
      .with("connection", "close")
    switch state {
    case .reading(let request): refuse(request, reason, context)
    case .idle: refuse(.unreadable, reason, context)
    case .skipping, .answering: break
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): begin(IncomingRequest(head), context)
    case .body(let part):
      guard case .reading(var request) = state else { return }
      // Otherwise the buffer would be held twice, and copied.
      state = .skipping
      do throws(ServeError) {
        try request.append(part, server)
        state = .reading(request)
      } catch {
        refuse(request, error, context)
      }
    case .end:
      switch state {
      case .reading(let request): answer(request, context)
      case .skipping: state = .idle
      case .idle, .answering: break
      }
    }
  }

  private func begin(_ request: IncomingRequest, _ context: ChannelHandlerContext) {
    do throws(ServeError) {
      if let answer = try responder.preliminary(request) {
        state = .skipping
        write(answer, context)
      } else {
        state = .reading(request)
        if request.asksToSend {
          let goOn = HTTPResponseHead(version: .http1_1, status: .continue)
          context.writeAndFlush(wrapOutboundOut(.head(goOn)), promise: nil)
        }
      }
    } catch {
      // Whether a client that asked sends the body all the same is not known.
      refuse(request, request.asksToSend ? error.with("connection", "close") : error, context)
    }
  }

  /// Answers a request of which not all has come.
  private func refuse(
    _ request: IncomingRequest, _ error: ServeError, _ context: ChannelHandlerContext
  ) {
    state = .skipping
    server.memory.giveBack(request.held)
    write(responder.refuse(request, error), context)
  }

  /// Bytes of a body that is read and answered on the event loop itself, where others wait meanwhile.
  ///
  /// Most queries are shorter; what is refused of them costs no change of threads.
  private static let shortBody = 1 << 10

  private func answer(_ request: IncomingRequest, _ context: ChannelHandlerContext) {
    state = .answering
    let loop = context.eventLoop
    let me = NIOLoopBound((handler: self, context: context), eventLoop: loop)
    let (responder, memory) = (responder, server.memory)
    let work: @Sendable () async -> Void = {
      let whole = await responder.respond(to: request)
      memory.giveBack(request.held)
      let answer = responder.holding(whole, request)
      if loop.inEventLoop {
        me.value.handler.complete(answer, me.value.context)
      } else {
        loop.execute { me.value.handler.complete(answer, me.value.context) }
      }
    }
    if !request.isShort || request.body.readableBytes > Self.shortBody {
      running = Task(operation: work)
      return
    }
    isBeginning = true
    let task = Task.immediate(executorPreference: executor, operation: work)
    isBeginning = false
    guard let answer = ready else {
      running = task
      return
    }
    ready = nil
    complete(answer, context)
  }

  private func complete(_ answer: Answer, _ context: ChannelHandlerContext) {
    if isBeginning {
      ready = answer
      return
    }
    running = nil
    state = .idle
    write(answer, context)
  }

  private func write(_ answer: Answer, _ context: ChannelHandlerContext) {
    if isWriting {
      // Thousands of requests in one packet must not be answered in thousands of nested calls.
      let me = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
      return context.eventLoop.execute { me.value.handler.write(answer, me.value.context) }
    }
    guard context.channel.isActive else { return server.memory.giveBack(answer.held) }
    isWriting = true
    defer { isWriting = false }
    context.write(wrapOutboundOut(.head(answer.head)), promise: nil)
    if let body = answer.body {
      context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: sent(answer, context))
    }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }
}

extension RequestHandler {
  /// What gives back the bytes that an answer holds, once they are sent or nobody wants them any more.
  private func sent(_ answer: Answer, _ context: ChannelHandlerContext) -> EventLoopPromise<Void>? {
    if answer.held == 0 { return nil }
    let (memory, held) = (server.memory, answer.held)
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.whenComplete { _ in memory.giveBack(held) }
    return promise
  }
}

/// Runs tasks on an event loop, so that what is asked on it needs no other thread.
final class LoopExecutor: TaskExecutor {
  private let loop: any EventLoop

  init(_ loop: any EventLoop) { self.loop = loop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
