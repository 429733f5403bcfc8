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

  /// Bytes of answers that the system keeps for a client.
  ///
  /// It takes more from us in steps of a third. With the steps of a megabyte that it would choose, a client that reads
  /// slowly looks like one that does not read.
  private static let sendBuffer: SocketOptionValue = 256 << 10

  private static func decoder() -> DecoderRenewal.Decoder {
    ByteToMessageHandler(
      HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: headerLimits))
  }

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Opened> {
    channel.eventLoop.makeCompletedFuture {
      try channel.syncOptions?.setOption(.socketOption(.so_sndbuf), value: Self.sendBuffer)
      let pipeline = channel.pipeline.syncOperations
      let decoder = Self.decoder()
      try pipeline.addHandlers(
        HTTPResponseEncoder(), decoder, DecoderRenewal(decoder, Self.decoder),
        // One request is answered before the next is read.
        HTTPServerPipelineHandler(), NIOHTTPResponseHeadersValidator(), ConnectionHandler(times),
        RequestHandler(server, channel.eventLoop))
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
