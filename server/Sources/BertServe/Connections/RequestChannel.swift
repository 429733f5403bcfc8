import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// How the framework's server sets up a client's connection: HTTP's parts come in, and are answered on the
/// connection's own event loop.
struct RequestChannel: ServerChildChannel {
  /// A connection that is set up.
  struct Opened: ServerChildChannelValue {
    let channel: any Channel
  }

  private let server: Server
  private let times: ConnectionTimes

  init(_ server: Server, _ times: ConnectionTimes) {
    self.server = server
    self.times = times
  }

  private static var headerLimits: NIOHTTPDecoderLimitConfiguration {
    var limits = NIOHTTPDecoderLimitConfiguration()
    limits.maxHeaderFieldSize = 16 << 10
    limits.maxHeaderListSize = 64 << 10
    limits.maxHeaderFieldCount = 128
    return limits
  }

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Opened> {
    channel.eventLoop.makeCompletedFuture {
      let pipeline = channel.pipeline.syncOperations
      // One request is answered before the next is read.
      try pipeline.configureHTTPServerPipeline(
        withPipeliningAssistance: true, withErrorHandling: true, withEncoderConfiguration: .init(),
        withDecoderLimitConfiguration: Self.headerLimits)
      try pipeline.addHandler(ConnectionHandler(times))
      try pipeline.addHandler(RequestHandler(server, channel.eventLoop))
      return Opened(channel: channel)
    }
  }

  func handle(value: Opened, logger: Logger) async {
    await withTaskCancellationHandler {
      // How it closed makes no difference.
      try? await value.channel.closeFuture.get()
    } onCancel: {
      value.channel.close(promise: nil)
    }
  }
}
