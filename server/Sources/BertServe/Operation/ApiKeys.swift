import Bertq
import NIOHTTP1
import ServeShapes
import Synchronization

/// The keys that clients must show one of.
package final class ApiKeys: Sendable {
  private let path: String?
  private let fixed: [String]
  private let keys: Mutex<[[UInt8]]>

  /// Keys of a file, one a line, and others.
  ///
  /// - Throws: `notFound` for a file that cannot be read, `malformed` for one without a key.
  package init(file: String?, fixed: [String]) throws(BertError) {
    path = file
    self.fixed = fixed
    keys = Mutex(try Self.read(file, fixed))
  }

  private static func read(_ path: String?, _ fixed: [String]) throws(BertError) -> [[UInt8]] {
    var keys = fixed.map { Array($0.utf8) }
    if let path {
      guard let bytes = SmallFile.read(path) else {
        throw BertError(.notFound, "the file of keys cannot be read", file: path)
      }
      let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
      let text = bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes[...]
      let lines = text.split(whereSeparator: { $0 == 10 || $0 == 13 })
      let found = lines.map { line in
        Array(line.drop { $0 == 32 || $0 == 9 }.reversed().drop { $0 == 32 || $0 == 9 }.reversed())
      }
      keys += found.filter { !$0.isEmpty && $0[0] != UInt8(ascii: "#") }
      if keys.isEmpty { throw BertError(.malformed, "the file holds no key", file: path) }
    }
    return keys.filter { !$0.isEmpty }
  }

  /// Whether any client may ask.
  package var areOpen: Bool { keys.withLock { $0.isEmpty } }

  /// Reads the file again.
  package func reload() throws(BertError) {
    let fresh = try Self.read(path, fixed)
    keys.withLock { $0 = fresh }
  }

  /// Refuses a request whose headers show no key of ours.
  package func check(_ headers: HTTPHeaders) throws(ServeError) {
    let keys = keys.withLock { $0 }
    if keys.isEmpty { return }
    var shown: [[UInt8]] = []
    if let text = headers.value("authorization")?.trimmed {
      let isBearer = text.lowercased().hasPrefix("bearer ")
      shown.append(Array((isBearer ? String(text.dropFirst(7)).trimmed : text).utf8))
    }
    if let text = headers.value("x-api-key") { shown.append(Array(text.utf8)) }
    // All are compared, each to its end, so that time tells nothing.
    var isKnown = false
    for key in keys {
      for bytes in shown where Self.areSame(key, bytes) { isKnown = true }
    }
    if !isKnown {
      throw ServeError(
        .invalidKey,
        shown.isEmpty
          ? "a key is missing; send it as 'Authorization: Bearer KEY'" : "the key is not known"
      ).with("www-authenticate", "Bearer")
    }
  }

  private static func areSame(_ key: [UInt8], _ shown: [UInt8]) -> Bool {
    var difference = UInt(bitPattern: key.count ^ shown.count)
    for index in key.indices {
      difference |= UInt(key[index] ^ (index < shown.count ? shown[index] : 0))
    }
    return difference == 0
  }
}
