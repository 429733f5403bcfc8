import BertErrors
import ByteFiles

/// Bytes of a file or of memory, read front to back; every binary parser here stands on it.
///
/// A read is checked against the end before anything is touched or allocated, and says where it
/// failed. Positions are those of the file, also when its bytes were expanded into memory. Of a
/// file, only a window is in memory.
struct ByteReader {
  /// What is being read, for messages: "the pickle".
  let noun: StaticString
  /// Where the next byte lies.
  private(set) var position: Int
  /// Where the bytes end.
  let end: Int
  /// nil when all bytes are in the window.
  private let file: InputFile?
  private var window: [UInt8]
  private var windowStart: Int

  private static let windowSize = 1 << 16

  /// Reads a stretch of a file; the whole file by default.
  init(_ noun: StaticString, _ file: InputFile, _ range: Range<Int>? = nil) {
    let range = (range ?? 0..<file.size).clamped(to: 0..<file.size)
    self.noun = noun
    self.file = file
    position = range.lowerBound
    end = range.upperBound
    window = []
    windowStart = position
  }

  /// Reads bytes in memory.
  ///
  /// - Parameter start: where they lie in their file, for messages.
  init(_ noun: StaticString, _ bytes: [UInt8], start: Int = 0) {
    self.noun = noun
    file = nil
    position = start
    end = start + bytes.count
    window = bytes
    windowStart = start
  }

  /// Whether nothing is left.
  var isAtEnd: Bool { position >= end }

  /// How many bytes are left.
  var remaining: Int { end - position }

  /// A reader of a part of what is left or was read; the part is cut to what there is.
  func part(_ range: Range<Int>, as noun: StaticString) -> ByteReader {
    ByteReader(of: self, noun, range)
  }

  private init(of whole: ByteReader, _ noun: StaticString, _ range: Range<Int>) {
    let floor = whole.file == nil ? whole.windowStart : 0
    self.noun = noun
    file = whole.file
    position = min(max(range.lowerBound, floor), whole.end)
    end = min(max(range.upperBound, position), whole.end)
    window = whole.window
    windowStart = whole.windowStart
  }

  /// The error of damage found at a place, by default at the next byte.
  func damaged(_ message: String, at place: Int? = nil) -> BertError {
    BertError(.malformed, message, byteOffset: place ?? position)
  }

  /// Steps over bytes.
  mutating func skip(_ count: Int) throws(BertError) {
    try require(count)
    position += count
  }

  /// The next byte.
  mutating func byte() throws(BertError) -> UInt8 {
    try load(1)
    defer { position += 1 }
    return window[position - windowStart]
  }

  /// The next integer, little-endian.
  mutating func integer<Value: FixedWidthInteger>(
    _ type: Value.Type = Value.self
  ) throws(BertError) -> Value {
    let size = Value.bitWidth / 8
    try load(size)
    var value: Value = 0
    for offset in (0..<size).reversed() {
      value = value << 8 | Value(truncatingIfNeeded: window[position - windowStart + offset])
    }
    position += size
    return value
  }

  /// The next integer of seven bits a byte, least significant first, at most 64 bits.
  mutating func varint() throws(BertError) -> UInt64 {
    let start = position
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      let next = try byte()
      // The tenth byte has room for one bit.
      if shift == 63 && next > 1 { break }
      value |= UInt64(next & 0x7F) << shift
      if next & 0x80 == 0 { return value }
    }
    throw damaged("\(noun) holds an integer of more than 64 bits", at: start)
  }

  /// The next bytes.
  ///
  /// - Parameter limit: more than this is refused.
  mutating func bytes(_ count: Int, limit: Int) throws(BertError) -> [UInt8] {
    try require(count)
    if count > limit {
      throw damaged("\(noun) holds \(count) bytes in one piece; at most \(limit) are read of such")
    }
    defer { position += count }
    if let file, position < windowStart || position + count > windowStart + window.count {
      return try file.bytes(position..<(position + count))
    }
    return Array(window[(position - windowStart)..<(position - windowStart + count)])
  }

  /// The next bytes as text.
  mutating func text(_ count: Int, limit: Int) throws(BertError) -> String {
    let start = position
    guard let text = String(validating: try bytes(count, limit: limit), as: UTF8.self) else {
      throw damaged("\(noun) holds a text that is not UTF-8", at: start)
    }
    return text
  }

  /// The text up to the next line feed, which is stepped over.
  mutating func line(limit: Int) throws(BertError) -> String {
    let start = position
    var bytes: [UInt8] = []
    while true {
      let next = try byte()
      if next == UInt8(ascii: "\n") { break }
      if bytes.count >= limit { throw damaged("\(noun) holds a line that is too long", at: start) }
      bytes.append(next)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw damaged("\(noun) holds a text that is not UTF-8", at: start)
    }
    return text
  }

  private func require(_ count: Int) throws(BertError) {
    if count < 0 || count > end - position {
      throw damaged("\(noun) ends early: \(count) more bytes were expected, \(remaining) are there")
    }
  }

  /// Brings the next few bytes into the window.
  private mutating func load(_ count: Int) throws(BertError) {
    try require(count)
    if position >= windowStart && position + count <= windowStart + window.count { return }
    guard let file else { throw damaged("\(noun) ends early") }
    window = try file.bytes(position..<min(end, position + max(count, Self.windowSize)))
    windowStart = position
  }
}
