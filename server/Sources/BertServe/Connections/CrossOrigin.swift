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
    // Clients send headers of their own, as OpenAI's does of its runtime; none of them does more than ours do.
    let asked = request.headers[canonicalForm: "access-control-request-headers"]
      .filter { !$0.isEmpty && $0.utf8.allSatisfy(Self.isOfName) }
    return [
      "access-control-allow-methods": "GET, POST",
      "access-control-allow-headers": asked.isEmpty
        ? "authorization, content-type" : asked.joined(separator: ", "),
      "access-control-max-age": "600",
      "vary": "access-control-request-headers",
    ]
  }

  /// Whether a byte may stand in a header's name (RFC 9110, "token").
  private static func isOfName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }

  /// Marks an answer for the browser.
  func mark(_ headers: inout HTTPHeaders, _ request: HTTPRequestHead) {
    guard let origin = origin(request) else { return }
    headers.add(name: "access-control-allow-origin", value: origin)
    headers.add(
      name: "access-control-expose-headers",
      value: "etag, retry-after, retry-after-ms, x-request-id, x-bertq-cache, x-bertq-model, "
        + "x-bertq-truncated")
    if !takesAll { headers.add(name: "vary", value: "origin") }
  }
}
