import BertErrors

/// Walks over a message of Protocol Buffers, field by field, without a schema and without nesting.
///
/// A nested message, a text or packed numbers come as the range where they lie, and are read by a
/// walker of their own when the caller knows what they are; so nothing recurses deeper than the
/// caller's code, and what is not wanted is stepped over unread. The wire format: "Encoding" in
/// the documentation of Protocol Buffers.
package struct ProtobufReader {
  /// A field's value as the wire has it.
  package enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case fixed32(UInt32)
    case bytes(Range<Int>)
  }

  private var reader: ByteReader

  init(_ reader: ByteReader) { self.reader = reader }

  /// Walks over the bytes of a file.
  package init(_ noun: StaticString, _ bytes: [UInt8]) { reader = ByteReader(noun, bytes) }

  /// Where the next field begins.
  var position: Int { reader.position }

  /// The next field, nil at the end.
  package mutating func next() throws(BertError) -> (field: Int, value: Value)? {
    if reader.isAtEnd { return nil }
    let start = reader.position
    let tag = try reader.varint()
    guard let field = Int(exactly: tag >> 3), (1..<(1 << 29)).contains(field) else {
      throw reader.damaged("\(reader.noun) has a field of number \(tag >> 3)", at: start)
    }
    switch tag & 7 {
    case 0: return (field, .varint(try reader.varint()))
    case 1: return (field, .fixed64(try reader.integer()))
    case 2:
      let length = try reader.varint()
      guard length <= UInt64(reader.remaining) else {
        throw reader.damaged(
          "\(reader.noun) should have \(length) bytes in its field \(field); \(reader.remaining) are "
            + "left", at: start)
      }
      let place = reader.position
      try reader.skip(Int(length))
      return (field, .bytes(place..<(place + Int(length))))
    case 5: return (field, .fixed32(try reader.integer()))
    default:
      throw reader.damaged(
        "\(reader.noun) has a field \(field) of the wire type \(tag & 7), which is not used",
        at: start)
    }
  }

  // MARK: Values

  private func mismatch(_ field: String) -> BertError {
    reader.damaged("'\(field)' of \(reader.noun) is of another type than it should be")
  }

  /// A whole number.
  package func integer(_ value: Value, _ field: String) throws(BertError) -> Int {
    guard case .varint(let number) = value else { throw mismatch(field) }
    return Int(bitPattern: UInt(number))
  }

  /// A number of four bytes.
  package func fixed32(_ value: Value, _ field: String) throws(BertError) -> UInt32 {
    guard case .fixed32(let number) = value else { throw mismatch(field) }
    return number
  }

  /// A nested message.
  package func message(
    _ value: Value, _ field: String, as noun: StaticString
  ) throws(BertError) -> ProtobufReader {
    ProtobufReader(reader.part(try range(value, field), as: noun))
  }

  /// Where a nested message, text or packed list lies.
  func range(_ value: Value, _ field: String) throws(BertError) -> Range<Int> {
    guard case .bytes(let range) = value else { throw mismatch(field) }
    return range
  }

  /// The bytes of a field, to be read by the caller.
  func bytes(_ value: Value, _ field: String) throws(BertError) -> ByteReader {
    reader.part(try range(value, field), as: reader.noun)
  }

  /// A text.
  package func text(_ value: Value, _ field: String, limit: Int) throws(BertError) -> String {
    let range = try range(value, field)
    var part = reader.part(range, as: reader.noun)
    return try part.text(range.count, limit: limit)
  }

  /// Bytes that are no text.
  package func data(_ value: Value, _ field: String, limit: Int) throws(BertError) -> [UInt8] {
    let range = try range(value, field)
    var part = reader.part(range, as: reader.noun)
    return try part.bytes(range.count, limit: limit)
  }

  /// Adds the numbers of a repeated field, packed or one by one.
  ///
  /// - Parameter limit: more of them are refused.
  func append(
    _ value: Value, _ field: String, to list: inout [Int], limit: Int
  ) throws(BertError) {
    if case .varint = value {
      list.append(try integer(value, field))
    } else {
      var part = try bytes(value, field)
      while !part.isAtEnd && list.count <= limit {
        list.append(Int(bitPattern: UInt(try part.varint())))
      }
    }
    if list.count > limit {
      throw reader.damaged("'\(field)' of \(reader.noun) has more than \(limit) numbers")
    }
  }

  /// The error of something wrong with the message.
  package func damaged(_ message: String) -> BertError { reader.damaged(message) }
}
