import HTTPTypes
import NIOCore
import NIOHTTPTypes

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

  package init() {}
}

/// A request's body did not come in time.
struct SlowBody: Error {}

/// Watches one connection: slow clients, clients that go, clients that ask before they send.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let table: ConnectionTable
  private let times: ConnectionTimes
  private let longestBody: Int
  private var connection: Connection?
  private var timer: Scheduled<Void>?
  private var stallTimer: Scheduled<Void>?
  private var closesAfterAnswer = false
  private var isLeaving = false

  init(_ table: ConnectionTable, _ times: ConnectionTimes, longestBody: Int) {
    self.table = table
    self.times = times
    self.longestBody = longestBody
  }

  func handlerAdded(context: ChannelHandlerContext) {
    connection = table.open(context.channel)
    after(times.header, context) { $0.close(promise: nil) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { end(context) }

  func channelInactive(context: ChannelHandlerContext) {
    end(context)
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // A client that sends nothing any more is taken to be gone: the two look the same from here.
    if let event = event as? ChannelEvent, event == .inputClosed { connection?.close() }
    context.fireUserInboundEventTriggered(event)
  }

  private func end(_ context: ChannelHandlerContext) {
    timer?.cancel()
    stallTimer?.cancel()
    if connection != nil { table.close(context.channel) }
    connection = nil
  }

  /// Does something later, in place of what was to be done.
  private func after(
    _ time: TimeAmount, _ context: ChannelHandlerContext,
    _ body: @escaping (ChannelHandlerContext) -> Void
  ) {
    timer?.cancel()
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: time) { body(context) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if isLeaving { return }
    let part = unwrapInboundIn(data)
    switch part {
    case .head(let head):
      after(times.body, context) { $0.fireErrorCaught(SlowBody()) }
      if head.headerFields[.expect]?.lowercased() == "100-continue",
        head.headerFields[.contentLength].flatMap({ Int($0) }) ?? 0 <= longestBody
      {
        context.writeAndFlush(
          wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
      }
    case .body: break
    case .end: timer?.cancel()
    }
    context.fireChannelRead(data)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    context.fireChannelReadComplete()
    // Nobody else asks for what is let go.
    if isLeaving { context.read() }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(let head):
      closesAfterAnswer = head.headerFields[.connection]?.lowercased() == "close"
      context.write(data, promise: promise)
    case .body: context.write(data, promise: promise)
    case .end:
      context.write(data, promise: promise)
      if closesAfterAnswer { leave(context) }
    }
    watchForStall(context)
  }

  /// Ends the connection, but reads on for a moment: otherwise the client, still sending, would learn of a
  /// broken connection and not of the answer.
  private func leave(_ context: ChannelHandlerContext) {
    isLeaving = true
    context.flush()
    context.close(mode: .output, promise: nil)
    after(times.farewell, context) { $0.close(promise: nil) }
    context.read()
  }

  private func watchForStall(_ context: ChannelHandlerContext, last: Int? = nil) {
    if stallTimer != nil, last == nil { return }
    guard !context.channel.isWritable || last != nil else { return }
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
