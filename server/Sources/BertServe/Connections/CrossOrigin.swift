import NIOHTTP1

/// Lets pages of other origins ask, where they are named (CORS, in the Fetch standard).
struct CrossOrigin: Sendable {
  private let origins: Set<String>
  private let takesAll: Bool

  init(_ origins: [String]) {
    self.origins = Set(origins)
    takesAll = origins.contains("*")
  }

  /// The origin of a request, if its pages may ask.
  private func origin(_ request: HTTPRequestHead) -> String? {
    guard !origins.isEmpty, let origin = request.headers.value("origin"),
      takesAll || origins.contains(origin)
    else { return nil }
    return takesAll ? "*" : origin
  }

  /// The answer's headers to a browser that asks whether it may ask.
  func preflight(_ request: HTTPRequestHead) -> HTTPHeaders? {
    guard request.method == .OPTIONS, origin(request) != nil,
      request.headers.value("access-control-request-method") != nil
    else { return nil }
    return [
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-headers":
        "authorization, content-type, if-match, traceparent, x-api-key, x-bertq-priority, x-request-id, "
        + "x-request-timeout-ms",
      "access-control-max-age": "600",
    ]
  }

  /// Marks an answer for the browser.
  func mark(_ headers: inout HTTPHeaders, _ request: HTTPRequestHead) {
    guard let origin = origin(request) else { return }
    headers.add(name: "access-control-allow-origin", value: origin)
    headers.add(
      name: "access-control-expose-headers", value: "etag, retry-after, x-request-id")
    if !takesAll { headers.add(name: "vary", value: "origin") }
  }
}
