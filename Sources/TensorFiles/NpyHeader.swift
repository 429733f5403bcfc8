import BertErrors

/// The header of a NumPy .npy file (NEP 1): magic, version, length, and a Python dict literal.
struct NpyHeader {
  var type: StoredType
  var isBigEndian: Bool
  var isFortranOrder: Bool
  var shape: [Int]
  /// Bytes before the array's elements.
  var byteCount: Int

  /// The longest dict read; NumPy itself refuses more than 10 000 bytes.
  private static let longestDict = 10_000
  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Reads the header; nil when the stream does not begin with the magic.
  ///
  /// - Parameter size: bytes of the whole stream.
  init?(_ stream: any ByteStream, size: Int) throws(BertError) {
    if size < 6 { return nil }
    if try stream.take(6) != Self.magic { return nil }
    if size < 10 { throw BertError(.malformed, "ends inside the header of an .npy array") }
    let version = try stream.take(2)
    guard (1...3).contains(version[0]), version[1] == 0 else {
      throw BertError(
        .unsupported, "is an .npy array of version \(version[0]).\(version[1]); 1.0 to 3.0 are read"
      )
    }
    let lengthSize = version[0] == 1 ? 2 : 4
    if size < 8 + lengthSize {
      throw BertError(.malformed, "ends inside the header of an .npy array")
    }
    let length = try stream.take(lengthSize).reversed().reduce(0) { $0 << 8 | Int($1) }
    if length > size - 8 - lengthSize || length > Self.longestDict {
      throw BertError(
        .malformed,
        "its .npy header should be \(length) bytes long; it can be at most "
          + "\(min(size - 8 - lengthSize, Self.longestDict))")
    }
    var literal = PythonDict(try stream.take(length))
    byteCount = 8 + lengthSize + length
    (type, isBigEndian, isFortranOrder, shape) = try literal.parseArrayDescription()
  }
}

extension ByteStream {
  /// The next `count` bytes, of which the caller knows that they are few.
  func take(_ count: Int) throws(BertError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var failure: BertError?
    bytes.withUnsafeMutableBytes { buffer in
      do throws(BertError) { try read(into: buffer) } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }
}

/// The one Python literal that describes an array; nothing nests in it, so nothing recurses here.
struct PythonDict {
  private let bytes: [UInt8]
  private var at = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func parseArrayDescription() throws(BertError) -> (
    type: StoredType, isBigEndian: Bool, isFortranOrder: Bool, shape: [Int]
  ) {
    var descriptor: (StoredType, Bool)?
    var order: Bool?
    var shape: [Int]?
    try expect("{")
    while !skip("}") {
      let key = try parseString()
      try expect(":")
      switch key {
      case "descr" where descriptor == nil: descriptor = try parseDescriptor()
      case "fortran_order" where order == nil: order = try parseBool()
      case "shape" where shape == nil: shape = try parseShape()
      default: throw damaged("an unknown or repeated key '\(key.prefix(40))'")
      }
      if !skip(",") {
        try expect("}")
        break
      }
    }
    skipSpace()
    if at < bytes.count { throw damaged("something after the dict") }
    guard let descriptor, let order, let shape else {
      throw damaged("no 'descr', 'fortran_order' or 'shape'")
    }
    return (descriptor.0, descriptor.1, order, shape)
  }

  private func damaged(_ found: String) -> BertError {
    BertError(.malformed, "its .npy header is damaged: found \(found) at its byte \(at)")
  }

  private mutating func skipSpace() {
    while at < bytes.count, bytes[at] == 0x20 || (0x09...0x0D).contains(bytes[at]) { at += 1 }
  }

  private mutating func skip(_ word: String) -> Bool {
    skipSpace()
    guard bytes[at...].starts(with: word.utf8) else { return false }
    at += word.utf8.count
    return true
  }

  private mutating func expect(_ word: String) throws(BertError) {
    if !skip(word) { throw damaged("no '\(word)'") }
  }

  private mutating func parseString() throws(BertError) -> String {
    skipSpace()
    guard at < bytes.count, bytes[at] == UInt8(ascii: "'") || bytes[at] == UInt8(ascii: "\"") else {
      throw damaged("no string")
    }
    let quote = bytes[at]
    guard let end = bytes[(at + 1)...].firstIndex(of: quote),
      !bytes[(at + 1)..<end].contains(UInt8(ascii: "\\")),
      let text = String(validating: bytes[(at + 1)..<end], as: UTF8.self)
    else { throw damaged("no plain string") }
    at = end + 1
    return text
  }

  private mutating func parseBool() throws(BertError) -> Bool {
    if skip("True") { return true }
    if skip("False") { return false }
    throw damaged("neither True nor False")
  }

  private mutating func parseShape() throws(BertError) -> [Int] {
    try expect("(")
    var shape: [Int] = []
    var hadComma = true
    while !skip(")") {
      if !hadComma { throw damaged("no ',' between sizes") }
      shape.append(try parseSize())
      hadComma = skip(",")
    }
    // `(6)` is a number to Python, not a tuple.
    if shape.count == 1 && !hadComma { throw damaged("a shape that is no tuple") }
    return shape
  }

  private mutating func parseSize() throws(BertError) -> Int {
    skipSpace()
    let start = at
    var value = 0
    while at < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[at]) {
      let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int(bytes[at] - UInt8(ascii: "0")))
      if tooLarge || carry { throw damaged("a size beyond 2⁶³") }
      value = sum
      at += 1
    }
    if at == start { throw damaged("a size that is no whole number from 0 on") }
    // Python 2 wrote long integers with an L.
    if at < bytes.count, bytes[at] == UInt8(ascii: "L") { at += 1 }
    return value
  }

  private mutating func parseDescriptor() throws(BertError) -> (StoredType, Bool) {
    skipSpace()
    guard at < bytes.count, bytes[at] != UInt8(ascii: "[") else {
      throw BertError(.unsupported, "holds records of several fields; only plain numbers are read")
    }
    let name = try parseString()
    var code = name[...]
    let order = code.first.flatMap { "<>|=".contains($0) ? $0 : nil }
    if order != nil { code.removeFirst() }
    guard let type = Self.types[String(code)] else {
      throw BertError(.unsupported, "has the NumPy type '\(name.prefix(40))', which is not read")
    }
    return (type, order == ">")
  }

  // V2 is how NumPy writes bfloat16, which it does not know.
  private static let types: [String: StoredType] = [
    "f8": .float64, "f4": .float32, "f2": .float16, "V2": .bfloat16, "i8": .int64, "i4": .int32,
    "i2": .int16, "i1": .int8, "u8": .uint64, "u4": .uint32, "u2": .uint16, "u1": .uint8,
    "b1": .bool,
  ]
}
