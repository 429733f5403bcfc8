import NIOHTTP1

/// The name of a request: the client's, if it is one that can be put into a log, or one of ours.
enum RequestName {
  /// Letters of a name, at most.
  private static let longest = 128

  static func of(_ headers: HTTPHeaders) -> String {
    if let own = headers.value("x-request-id"), isPlain(own) { return own }
    let letters = String(UInt64.random(in: 0...UInt64.max), radix: 16)
    return String(repeating: "0", count: 16 - letters.utf8.count) + letters
  }

  private static func isPlain(_ name: String) -> Bool {
    (1...longest).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
          UInt8(ascii: "."), UInt8(ascii: ":"):
          true
        default: false
        }
      }
  }

  /// The trace that a `traceparent` header (W3C Trace Context) belongs to; nil where it is none.
  static func trace(_ header: String) -> String? {
    let parts = header.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count >= 4, parts[0].count == 2, parts[1].count == 32,
      parts[1].allSatisfy({ $0.isHexDigit && !$0.isUppercase }),
      parts[1].contains(where: { $0 != "0" })
    else { return nil }
    return String(parts[1])
  }
}
