import Hummingbird
import NIOCore

/// What the framework hands over with a request.
package struct ServeContext: RequestContext {
  package var coreContext: CoreRequestContextStorage
  /// The request's connection.
  let channel: any Channel

  package init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
    channel = source.channel
  }
}
