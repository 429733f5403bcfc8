import BertErrors

extension JSON {
  /// What to do with a key that an object has twice.
  public enum DuplicateKeys: Sendable {
    /// Refuse the text.
    case reject
    /// Keep the last value, at the place of the first.
    case keepLast
  }

  /// Which words are numbers.
  public enum Numbers: Sendable {
    /// None: numbers are written in digits.
    case json
    /// `NaN`, `Infinity` and `-Infinity` too, as Python writes them; they become numbers that are not finite.
    case python
  }

  /// Reads one JSON text (RFC 8259, UTF-8, no byte order mark), strictly.
  ///
  /// Strings must be valid UTF-8 and may not hold half a surrogate pair; numbers must be finite as
  /// doubles. Nothing but white space may follow the value.
  ///
  /// - Parameter maximumDepth: arrays and objects inside one another, at most.
  /// - Throws: `malformed` with the byte offset.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer, maximumDepth: Int = 64,
    duplicateKeys: DuplicateKeys = .reject, numbers: Numbers = .json
  ) throws(BertError) -> JSON {
    var parser = JSONParser(
      bytes, maximumDepth: maximumDepth, duplicateKeys: duplicateKeys, numbers: numbers)
    return try parser.parseText()
  }

  /// Reads one JSON text from bytes in memory.
  ///
  /// - Throws: `malformed` with the byte offset.
  public static func parse(
    _ bytes: [UInt8], maximumDepth: Int = 64, duplicateKeys: DuplicateKeys = .reject,
    numbers: Numbers = .json
  ) throws(BertError) -> JSON {
    try bytes.withUnsafeBufferPointer { (buffer) throws(BertError) -> JSON in
      try parse(
        UnsafeRawBufferPointer(buffer), maximumDepth: maximumDepth, duplicateKeys: duplicateKeys,
        numbers: numbers)
    }
  }

  /// Reads one JSON text from a string.
  ///
  /// - Throws: `malformed` with the byte offset.
  public static func parse(
    _ text: String, maximumDepth: Int = 64, duplicateKeys: DuplicateKeys = .reject
  ) throws(BertError) -> JSON {
    try parse(Array(text.utf8), maximumDepth: maximumDepth, duplicateKeys: duplicateKeys)
  }
}

/// One pass over the bytes.
///
/// `at` is the next byte. Recursion is bounded by `maximumDepth`.
struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  let end: Int
  let maximumDepth: Int
  let duplicateKeys: JSON.DuplicateKeys
  let numbers: JSON.Numbers
  var at = 0
  private var depth = 0

  init(
    _ bytes: UnsafeRawBufferPointer, maximumDepth: Int, duplicateKeys: JSON.DuplicateKeys,
    numbers: JSON.Numbers
  ) {
    self.bytes = bytes
    self.end = bytes.count
    self.maximumDepth = maximumDepth
    self.duplicateKeys = duplicateKeys
    self.numbers = numbers
  }

  /// The next byte, or 0 at the end: no grammar rule expects a NUL.
  @inline(__always) var next: UInt8 { at < end ? bytes[at] : 0 }

  mutating func parseText() throws(BertError) -> JSON {
    skipSpace()
    let value = try parseValue()
    skipSpace()
    if at < end { throw unexpected("the end of the text") }
    return value
  }

  mutating func parseValue() throws(BertError) -> JSON {
    switch next {
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "{"): return try nested { (p) throws(BertError) in try p.parseObject() }
    case UInt8(ascii: "["): return try nested { (p) throws(BertError) in try p.parseArray() }
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    case UInt8(ascii: "N") where numbers == .python: return try parseWord("NaN", .number(.nan))
    case UInt8(ascii: "I") where numbers == .python:
      return try parseWord("Infinity", .number(.infinity))
    case UInt8(ascii: "-")
    where numbers == .python && at + 1 < end && bytes[at + 1] == UInt8(ascii: "I"):
      at += 1
      return try parseWord("Infinity", .number(-.infinity))
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
    default: throw unexpected("a value")
    }
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(BertError) -> JSON
  ) throws(BertError) -> JSON {
    depth += 1
    if depth > maximumDepth {
      throw error("arrays and objects are nested more than \(maximumDepth) deep")
    }
    at += 1
    skipSpace()
    let value = try body(&self)
    depth -= 1
    return value
  }

  private mutating func parseArray() throws(BertError) -> JSON {
    var elements: [JSON] = []
    if next == UInt8(ascii: "]") {
      at += 1
      return .array(elements)
    }
    while true {
      skipSpace()
      elements.append(try parseValue())
      skipSpace()
      if try !parseSeparator(closing: UInt8(ascii: "]")) { return .array(elements) }
    }
  }

  /// A member's key, up to where its value begins.
  mutating func parseKey() throws(BertError) -> String {
    guard next == UInt8(ascii: "\"") else { throw unexpected("a key in double quotes") }
    let key = try parseString()
    skipSpace()
    guard next == UInt8(ascii: ":") else { throw unexpected("':' after a key") }
    at += 1
    skipSpace()
    return key
  }

  private mutating func parseObject() throws(BertError) -> JSON {
    var object = JSONObject()
    if next == UInt8(ascii: "}") {
      at += 1
      return .object(object)
    }
    while true {
      skipSpace()
      let start = at
      let key = try parseKey()
      let value = try parseValue()
      if !object.appendIfAbsent(key, value) {
        if duplicateKeys == .reject {
          throw error("the key \"\(key.forMessage)\" occurs twice in one object", at: start)
        }
        object[key] = value
      }
      skipSpace()
      if try !parseSeparator(closing: UInt8(ascii: "}")) { return .object(object) }
    }
  }

  /// Steps over ',' (true: more follows) or the closing bracket (false).
  mutating func parseSeparator(closing: UInt8) throws(BertError) -> Bool {
    let found = next
    guard found == UInt8(ascii: ",") || found == closing else {
      throw unexpected("',' or '\(Character(UnicodeScalar(closing)))'")
    }
    at += 1
    return found != closing
  }

  private mutating func parseWord(
    _ word: StaticString, _ value: JSON
  ) throws(BertError) -> JSON {
    let count = word.utf8CodeUnitCount
    for place in 0..<count where at + place >= end || bytes[at + place] != word.utf8Start[place] {
      throw unexpected("'\(word)'")
    }
    at += count
    return value
  }

  @inline(__always) mutating func skipSpace() {
    while at < end {
      let byte = bytes[at]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      at += 1
    }
  }

  func error(_ message: String, at offset: Int? = nil) -> BertError {
    BertError(.malformed, "JSON: " + message, byteOffset: offset ?? at)
  }

  func unexpected(_ expected: String) -> BertError {
    guard at < end else { return error("the text ends; expected \(expected)") }
    let byte = bytes[at]
    let found =
      (0x21...0x7E).contains(byte)
      ? "'\(Character(UnicodeScalar(byte)))'" : "byte 0x\(String(byte, radix: 16))"
    return error("found \(found), expected \(expected)")
  }
}

extension String {
  /// At most 80 characters: a file may hold a key of megabytes.
  var forMessage: String { utf8.count <= 80 ? self : String(prefix(77)) + "..." }
}
