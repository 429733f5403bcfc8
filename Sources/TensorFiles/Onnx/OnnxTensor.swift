import BertErrors
import ByteFiles

/// A tensor of an ONNX file: what its message says, and where its elements lie.
struct OnnxTensor {
  /// How the elements are kept.
  enum Elements {
    /// As they are, at a place in a file.
    case raw(InputFile, Range<Int>)
    /// As integers of variable length, in the graph's file.
    case varints(Range<Int>)
  }

  var name = ""
  var shape: [Int] = []
  var type = 0
  var external: [String: String] = [:]
  private var isExternal = false
  private var isSegmented = false
  private var raw: Range<Int>?
  private var typed: (field: Int, range: Range<Int>)?

  /// Reads the message of a tensor; its elements stay where they are.
  init(_ message: ProtobufReader) throws(BertError) {
    var message = message
    while let (field, value) = try message.next() {
      switch field {
      case 1: try message.append(value, "dims", to: &shape, limit: FileLimits.rank)
      case 2: type = try message.integer(value, "data_type")
      case 3: isSegmented = true
      case 4, 5, 7, 10, 11:
        if typed != nil {
          throw BertError(
            .unsupported, "its elements are written one by one; packed ones are read",
            byteOffset: message.position)
        }
        typed = (field, try message.range(value, "data"))
      case 8: name = try message.text(value, "name", limit: FileLimits.tensorName)
      case 9: raw = try message.range(value, "raw_data")
      case 13: try readExternal(message.message(value, "external_data", as: "an entry"))
      case 14: isExternal = try message.integer(value, "data_location") == 1
      default: break
      }
    }
  }

  private mutating func readExternal(_ message: ProtobufReader) throws(BertError) {
    var message = message
    var (key, text) = ("", "")
    while let (field, value) = try message.next() {
      if field == 1 { key = try message.text(value, "key", limit: 64) }
      if field == 2 { text = try message.text(value, "value", limit: FileLimits.tensorName) }
    }
    external[key] = text
    if external.count > 16 { throw message.damaged("has too many entries for a file beside it") }
  }

  /// What its elements are; nil for what is no plain number.
  var storedType: StoredType? { Self.types[type] }

  /// Whether a constant in the graph may be a weight or the scales of one, not a number that steps compute with.
  var mayBeWeight: Bool {
    guard let type = storedType, !shape.isEmpty else { return false }
    return type.isFloat || type == .int8 || type == .uint8
  }

  /// Where its elements lie, checked against its shape.
  ///
  /// - Parameter open: gives the file of a name beside the graph's.
  func elements(
    in file: InputFile, open: (String) throws(BertError) -> InputFile
  ) throws(BertError) -> (elements: Elements, count: Int) {
    guard let type = storedType, let extent = type.extent(of: shape) else {
      throw BertError(.malformed, "its shape \(shape) has more bytes than can be counted")
    }
    if isSegmented { throw BertError(.unsupported, "is written in segments") }
    if isExternal { return (try outside(extent.bytes, open), extent.elements) }
    if let raw {
      guard raw.count == extent.bytes else {
        throw BertError(
          .malformed,
          "its shape \(shape) of \(type.rawValue) needs \(extent.bytes) bytes; it has \(raw.count)",
          byteOffset: raw.lowerBound)
      }
      return (.raw(file, raw), extent.elements)
    }
    guard let typed else {
      if extent.elements == 0 { return (.raw(file, 0..<0), 0) }
      throw BertError(.malformed, "has no elements; its shape \(shape) needs \(extent.elements)")
    }
    let isFixed = typed.field == 4 || typed.field == 10
    guard Self.fields[typed.field]?.contains(type) == true,
      isFixed ? typed.range.count == extent.bytes : typed.range.count >= extent.elements
    else {
      throw BertError(
        .malformed, "its elements do not fit its shape \(shape) of \(type.rawValue)",
        byteOffset: typed.range.lowerBound)
    }
    return (isFixed ? .raw(file, typed.range) : .varints(typed.range), extent.elements)
  }

  /// Elements in a file beside the graph's.
  private func outside(
    _ byteCount: Int, _ open: (String) throws(BertError) -> InputFile
  ) throws(BertError) -> Elements {
    guard let location = external["location"], Folder.isInside(location) else {
      throw BertError(
        .malformed,
        "names the file '\((external["location"] ?? "").prefix(200))' for its elements; expected one "
          + "in the graph's folder")
    }
    let file = try open(location)
    let offset = Int(external["offset"] ?? "0") ?? -1
    let length = Int(external["length"] ?? String(byteCount)) ?? -1
    guard length == byteCount, offset >= 0, offset <= file.size, length <= file.size - offset else {
      throw BertError(
        .malformed,
        "should be \(byteCount) bytes from byte \(offset) on; the graph says \(length), the file has "
          + "\(file.size)", file: file.path)
    }
    return .raw(file, offset..<(offset + length))
  }

  /// Numbers of `TensorProto.DataType` in `onnx.proto`.
  private static let types: [Int: StoredType] = [
    1: .float32, 2: .uint8, 3: .int8, 4: .uint16, 5: .int16, 6: .int32, 7: .int64, 9: .bool,
    10: .float16, 11: .float64, 12: .uint32, 13: .uint64, 14: .complex64, 16: .bfloat16,
    17: .float8E4M3, 18: .float8E4M3FNUZ, 19: .float8E5M2, 20: .float8E5M2FNUZ,
  ]

  /// Which types the fields with packed elements may hold.
  private static let fields: [Int: Set<StoredType>] = [
    4: [.float32],
    5: [.int32, .int16, .int8, .uint16, .uint8, .bool, .float16, .bfloat16],
    7: [.int64], 10: [.float64], 11: [.uint64, .uint32],
  ]
}
