import SystemLibrary

/// Points in time as reports and files have them.
package enum Timestamp {
  /// The present second in UTC, such as `2025-01-31T12:00:00Z` (RFC 3339).
  package static var now: String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var text = [CChar](repeating: 0, count: 32)
    strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
