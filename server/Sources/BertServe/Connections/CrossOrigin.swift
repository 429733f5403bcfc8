import HTTPTypes
import Hummingbird

/// Lets pages of other origins ask, where they are named (CORS, in the Fetch standard).
struct CrossOrigin: Sendable {
  private let origins: Set<String>
  private let takesAll: Bool

  init(_ origins: [String]) {
    self.origins = Set(origins)
    takesAll = origins.contains("*")
  }

  /// The origin of a request, if its pages may ask.
  private func origin(_ request: Request) -> String? {
    guard let origin = request.headers.value("origin"), takesAll || origins.contains(origin) else {
      return nil
    }
    return takesAll ? "*" : origin
  }

  /// The answer to a browser that asks whether it may ask.
  func preflight(_ request: Request) -> Response? {
    guard request.method == .options, origin(request) != nil,
      request.headers.value("access-control-request-method") != nil
    else { return nil }
    var response = Response(status: .noContent)
    response.headers.set("access-control-allow-methods", "GET, POST")
    response.headers.set(
      "access-control-allow-headers",
      "authorization, content-type, if-match, traceparent, x-api-key, x-bertq-priority, x-request-id, "
        + "x-request-timeout-ms")
    response.headers.set("access-control-max-age", "600")
    return response
  }

  /// Marks an answer for the browser.
  func mark(_ response: inout Response, _ request: Request) {
    guard let origin = origin(request) else { return }
    response.headers.set("access-control-allow-origin", origin)
    response.headers.set("access-control-expose-headers", "etag, retry-after, x-request-id")
    if !takesAll { response.headers.set("vary", "origin") }
  }
}
