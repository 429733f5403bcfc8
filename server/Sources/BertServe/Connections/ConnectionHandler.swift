import NIOCore
import NIOHTTP1

/// How long a client may take.
package struct ConnectionTimes: Sendable {
  /// From the connection to the end of the first request's headers.
  package var header = TimeAmount.seconds(10)
  /// From a request's headers to the end of its body.
  package var body = TimeAmount.seconds(60)
  /// Without reading anything of an answer.
  package var stall = TimeAmount.seconds(30)
  /// After an answer that ends the connection, for the client to read it.
  package var farewell = TimeAmount.seconds(2)
  /// Between an answer and the next request.
  package var idle = TimeAmount.seconds(75)

  package init() {}
}

/// A request's body did not come in time.
struct SlowBody: Error {}

/// Watches one connection: slow clients, clients that go, answers that are not read.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private let times: ConnectionTimes
  /// What the client is waited for to send or read.
  private var wait = Wait.request
  /// Until when; nil while it waits for us.
  private var deadline: NIODeadline?
  /// When a timer looks at the deadline.
  ///
  /// It is not set anew for each request, since most come whole.
  private var looksAt: NIODeadline?
  private var timer: Scheduled<Void>?
  private var stallTimer: Scheduled<Void>?
  /// Whether a request comes in, whether there is none to be answered, and whether no other will come.
  private var isReading = false
  private var isAnswered = true
  private var isInputClosed = false
  private var closesAfterAnswer = false
  /// Bytes of a body that came when the request was answered already.
  private var bytesLetGo = 0
  /// The end of an answer of which not all is sent yet, and what is told of it.
  private var heldEnd: EventLoopPromise<Void>??
  private var isLeaving = false

  /// Bytes that are let go before the connection ends: more than a client has under way when it is answered.
  private static let mostLetGo = 64 << 20

  private enum Wait { case request, body, farewell }

  init(_ times: ConnectionTimes) { self.times = times }

  func handlerAdded(context: ChannelHandlerContext) { allow(.request, times.header, context) }

  func handlerRemoved(context: ChannelHandlerContext) { end() }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  private func end() {
    timer?.cancel()
    stallTimer?.cancel()
    if let promise = heldEnd { promise?.fail(ChannelError.ioOnClosedChannel) }
    heldEnd = nil
  }

  /// From now on the client is waited for so long.
  private func allow(_ wait: Wait, _ time: TimeAmount, _ context: ChannelHandlerContext) {
    let deadline = NIODeadline.now() + time
    self.wait = wait
    self.deadline = deadline
    if looksAt.map({ deadline < $0 }) ?? true { look(at: deadline, context) }
  }

  private func look(at time: NIODeadline, _ context: ChannelHandlerContext) {
    timer?.cancel()
    looksAt = time
    timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: time) {
      self.looksAt = nil
      guard let deadline = self.deadline else { return }
      if NIODeadline.now() < deadline { return self.look(at: deadline, context) }
      self.deadline = nil
      switch self.wait {
      case .request, .farewell: context.close(promise: nil)
      case .body: context.fireErrorCaught(SlowBody())
      }
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    context.fireUserInboundEventTriggered(event)
    guard let event = event as? ChannelEvent, event == .inputClosed else { return }
    isInputClosed = true
    if isAnswered { leave(context) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // Nothing can follow what is no HTTP. The answer to it ends the connection; there is none where the request
    // that breaks off was answered before.
    if error is HTTPParserError, isReading {
      if heldEnd != nil { closesAfterAnswer = true }
      if isAnswered { leave(context) }
    }
    context.fireErrorCaught(error)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let part = unwrapInboundIn(data)
    if case .body(let bytes) = part, isAnswered {
      bytesLetGo += bytes.readableBytes
      if bytesLetGo > Self.mostLetGo { return context.close(promise: nil) }
    }
    if isLeaving { return }
    switch part {
    case .head:
      (isReading, isAnswered) = (true, false)
      bytesLetGo = 0
      deadline = nil
    case .body: break
    case .end:
      isReading = false
      deadline = nil
      if isAnswered { allow(.request, times.idle, context) }
    }
    context.fireChannelRead(data)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if isReading, deadline == nil { allow(.body, times.body, context) }
    context.fireChannelReadComplete()
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(let head):
      closesAfterAnswer = head.headers.value("connection")?.lowercased() == "close"
      context.write(data, promise: promise)
    case .body: context.write(data, promise: promise)
    case .end:
      // An answer ends when all of it is with the system: what ends a connection behind it loses
      // nothing then, and who asks and asks, and reads no answer, does not have them all kept here.
      context.flush()
      if waitingBytes(context) == 0 {
        endAnswer(context, promise)
      } else {
        holdEnd(context, promise)
      }
    }
    watchForStall(context)
  }

  /// Ends an answer when what is written of it is sent.
  private func holdEnd(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
    heldEnd = .some(promise)
    let sent = context.eventLoop.makePromise(of: Void.self)
    sent.futureResult.assumeIsolated().whenSuccess {
      guard let promise = self.heldEnd else { return }
      self.endAnswer(context, promise)
      context.flush()
    }
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer()))), promise: sent)
    context.flush()
  }

  /// Ends an answer, behind which the next request comes.
  private func endAnswer(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
    heldEnd = nil
    isAnswered = true
    if !isReading { allow(.request, times.idle, context) }
    // The next request may come, and fail, before this returns.
    let closes = closesAfterAnswer || isInputClosed
    context.write(wrapOutboundOut(.end(nil)), promise: promise)
    if closes { leave(context) }
  }

  /// Ends the connection, but reads on for a moment: otherwise the client, still sending, would learn of a
  /// broken connection and not of the answer.
  private func leave(_ context: ChannelHandlerContext) {
    if isLeaving { return }
    isLeaving = true
    context.flush()
    context.close(mode: .output, promise: nil)
    allow(.farewell, times.farewell, context)
  }

  private func watchForStall(_ context: ChannelHandlerContext, last: Int? = nil) {
    if stallTimer != nil, last == nil { return }
    guard heldEnd != nil || last != nil else { return }
    let waiting = waitingBytes(context)
    stallTimer = context.eventLoop.assumeIsolated().scheduleTask(in: times.stall) {
      self.stallTimer = nil
      let now = self.waitingBytes(context)
      if now == 0 { return }
      if now == waiting { return context.close(promise: nil) }
      self.watchForStall(context, last: now)
    }
  }

  /// Bytes that the client has not taken yet.
  private func waitingBytes(_ context: ChannelHandlerContext) -> Int {
    (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
  }
}
