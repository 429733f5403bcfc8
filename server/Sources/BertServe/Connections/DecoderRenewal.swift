import NIOCore
import NIOHTTP1

/// Goes on reading requests behind one that asks for another protocol.
///
/// The framework's decoder takes whatever follows such a request for that protocol and reads it no more. We speak HTTP/1
/// alone and answer as if nothing had been asked, which a server may (RFC 9110, 7.8); Java's client asks for HTTP/2 in each
/// request. So another decoder takes the place of the one that has stopped, and the bytes that came meanwhile.
final class DecoderRenewal: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias Decoder = ByteToMessageHandler<HTTPRequestDecoder>

  private let make: () -> Decoder
  private var decoder: Decoder
  private var hasStopped = false

  /// - Parameter make: a decoder that forwards the bytes it has not read when it is removed.
  init(_ decoder: Decoder, _ make: @escaping () -> Decoder) {
    self.decoder = decoder
    self.make = make
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): hasStopped = Self.asksForUpgrade(head)
    case .body: break
    case .end:
      if hasStopped { renew(context) }
      hasStopped = false
    }
    context.fireChannelRead(data)
  }

  /// What the decoder's parser looks at; not CONNECT, behind which no HTTP comes.
  private static func asksForUpgrade(_ head: HTTPRequestHead) -> Bool {
    // Where it has not stopped, it may have read the beginning of the next request.
    head.method != .CONNECT && head.headers["upgrade"].contains { !$0.isEmpty }
      && head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
  }

  private func renew(_ context: ChannelHandlerContext) {
    let pipeline = context.pipeline.syncOperations
    let (old, new) = (decoder, make())
    do {
      try pipeline.addHandler(new, position: .after(old))
    } catch {
      return context.close(promise: nil)
    }
    decoder = new
    pipeline.removeHandler(old, promise: nil)
  }
}
