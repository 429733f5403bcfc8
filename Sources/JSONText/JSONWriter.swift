extension JSON {
  /// The value as text, members in their order.
  ///
  /// - Parameter pretty: one member or element a line, indented by two spaces.
  public func text(pretty: Bool = false) -> String {
    var bytes: [UInt8] = []
    write(into: &bytes, pretty: pretty)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends the value as text.
  ///
  /// Numbers are the shortest decimals that read back as the same; infinities and NaN, which JSON
  /// does not have, become `null`.
  public func write(into bytes: inout [UInt8], pretty: Bool = false) {
    write(into: &bytes, indent: pretty ? 0 : nil)
  }

  /// Appends a string in quotes, escaping what must be.
  public static func write(_ string: String, into bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    var string = string
    string.withUTF8 { utf8 in
      var pending = 0
      for place in utf8.indices where Self.mustEscape(utf8[place]) {
        bytes.append(contentsOf: utf8[pending..<place])
        bytes.append(contentsOf: escape(utf8[place]))
        pending = place + 1
      }
      bytes.append(contentsOf: utf8[pending...])
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Appends numbers as an array, each the shortest decimal that reads back as the same `Float`.
  public static func write(_ numbers: some Sequence<Float>, into bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "["))
    let isWritten: Void? = numbers.withContiguousStorageIfAvailable {
      FloatText.write($0, into: &bytes)
    }
    if isWritten == nil {
      Array(numbers).withUnsafeBufferPointer { FloatText.write($0, into: &bytes) }
    }
    bytes.append(UInt8(ascii: "]"))
  }

  /// Appends the shortest decimal that reads back as the same `Float`; `null` when not finite.
  public static func write(_ number: Float, into bytes: inout [UInt8]) {
    withUnsafePointer(to: number) {
      FloatText.write(UnsafeBufferPointer(start: $0, count: 1), into: &bytes)
    }
  }

  private func write(into bytes: inout [UInt8], indent: Int?) {
    switch self {
    case .null: bytes.append(contentsOf: "null".utf8)
    case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
    case .integer(let value): bytes.append(contentsOf: value.description.utf8)
    case .number(let value):
      bytes.append(contentsOf: (value.isFinite ? value.description : "null").utf8)
    case .string(let value): Self.write(value, into: &bytes)
    case .array(let elements):
      Self.write(elements, "[", "]", into: &bytes, indent: indent) { element, bytes, inner in
        element.write(into: &bytes, indent: inner)
      }
    case .object(let object):
      Self.write(object, "{", "}", into: &bytes, indent: indent) { member, bytes, inner in
        Self.write(member.key, into: &bytes)
        bytes.append(contentsOf: (inner == nil ? ":" : ": ").utf8)
        member.value.write(into: &bytes, indent: inner)
      }
    }
  }

  /// Appends what array and object have in common: brackets, commas, line breaks.
  private static func write<Items: Collection>(
    _ items: Items, _ open: String, _ close: String, into bytes: inout [UInt8], indent: Int?,
    item: (Items.Element, inout [UInt8], Int?) -> Void
  ) {
    bytes.append(contentsOf: open.utf8)
    let inner = indent.map { $0 + 1 }
    var isFirst = true
    for element in items {
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      breakLine(inner, into: &bytes)
      item(element, &bytes, inner)
    }
    if !items.isEmpty { breakLine(indent, into: &bytes) }
    bytes.append(contentsOf: close.utf8)
  }

  private static func breakLine(_ indent: Int?, into bytes: inout [UInt8]) {
    guard let indent else { return }
    bytes.append(UInt8(ascii: "\n"))
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * indent))
  }

  private static func mustEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  private static func escape(_ byte: UInt8) -> [UInt8] {
    switch byte {
    case UInt8(ascii: "\""): return Array("\\\"".utf8)
    case UInt8(ascii: "\\"): return Array("\\\\".utf8)
    case 0x0A: return Array("\\n".utf8)
    case 0x0D: return Array("\\r".utf8)
    case 0x09: return Array("\\t".utf8)
    default:
      let hex = String(byte, radix: 16)
      return Array(("\\u00" + (hex.utf8.count < 2 ? "0" : "") + hex).utf8)
    }
  }
}
