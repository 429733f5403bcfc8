import BertErrors

/// Vectors that another program computed for the same texts: a NumPy array with a row for each.
package struct ReferenceVectors: Sendable {
  /// What messages and reports call it.
  package let name: String
  /// Rows of the array.
  package let count: Int
  /// Numbers of a row.
  package let width: Int
  private let type: ElementType
  private let start: Int
  private let bytes: UnsafeBytes

  /// The file's bytes, with what keeps them.
  ///
  /// Safety: nobody writes to them, and the owner lives as long as this does.
  private struct UnsafeBytes: @unchecked Sendable {
    let buffer: UnsafeRawBufferPointer
    let owner: AnyObject
  }

  private enum ElementType: String {
    case half = "<f2"
    case single = "<f4"
    case double = "<f8"

    var size: Int {
      switch self {
      case .half: 2
      case .single: 4
      case .double: 8
      }
    }
  }

  /// The longest header that is read; those of arrays of numbers have 118 bytes.
  private static let longestHeader = 4096

  /// Reads the header of a `.npy` file.
  ///
  /// - Parameters:
  ///   - owner: keeps the bytes where they are.
  ///   - name: the file's name.
  /// - Throws: `malformed` for what is no such file or is cut short; `unsupported` for another type or order of numbers.
  package init(
    _ buffer: UnsafeRawBufferPointer, owner: AnyObject, name: String
  ) throws(BertError) {
    func fail(_ message: String, _ code: BertError.Code = .malformed) -> BertError {
      BertError(code, message, file: name)
    }
    self.name = name
    bytes = UnsafeBytes(buffer: buffer, owner: owner)
    guard buffer.count >= 12, buffer.prefix(6).elementsEqual([0x93] + Array("NUMPY".utf8)),
      (1...3).contains(buffer[6])
    else {
      throw fail("is no .npy file; numpy.save writes one")
    }
    let lengthSize = buffer[6] == 1 ? 2 : 4
    let length = (0..<lengthSize).reduce(0) { $0 | Int(buffer[8 + $1]) << (8 * $1) }
    start = 8 + lengthSize + length
    guard length <= Self.longestHeader, start <= buffer.count else {
      throw fail("its header is longer than the file or than \(Self.longestHeader) bytes")
    }
    let header = String(decoding: buffer[(8 + lengthSize)..<start], as: UTF8.self)
    let described = Self.member("descr", of: header) ?? ""
    guard let type = ElementType(rawValue: described.filter { $0 != "'" && $0 != "\"" }) else {
      throw fail(
        "holds numbers of type \(described.prefix(40)); float16, float32 or float64, little-endian, "
          + "are read", .unsupported)
    }
    guard Self.member("fortran_order", of: header) == "False" else {
      throw fail(
        "is stored column by column; numpy.ascontiguousarray puts it in order", .unsupported)
    }
    let sizes = (Self.shape(of: header) ?? []).map { Int($0) }
    guard sizes.count == 2, let rows = sizes[0], let columns = sizes[1], rows >= 0, columns > 0
    else {
      throw fail("is not an array of two dimensions, a row for each text")
    }
    self.type = type
    (count, width) = (rows, columns)
    let (numbers, overflows) = rows.multipliedReportingOverflow(by: columns)
    let (size, overflowsToo) = numbers.multipliedReportingOverflow(by: type.size)
    guard !overflows, !overflowsToo, size == buffer.count - start else {
      throw fail(
        "holds \(buffer.count - start) bytes of numbers; its header says \(rows) × \(columns)")
    }
  }

  /// What stands behind a key of the header, up to the next comma.
  private static func member(_ key: String, of header: String) -> String? {
    guard let place = after(key, in: header) else { return nil }
    return trimmed(header[place...].prefix { $0 != "," && $0 != "}" })
  }

  private static func shape(of header: String) -> [String]? {
    guard let place = after("shape", in: header) else { return nil }
    let list = header[place...].drop { $0 == " " }
    guard list.first == "(" else { return nil }
    return list.dropFirst().prefix { $0 != ")" }.split(separator: ",").map { trimmed($0) }
      .filter { !$0.isEmpty }
  }

  private static func after(_ key: String, in header: String) -> String.Index? {
    for quoted in ["'\(key)':", "\"\(key)\":"] {
      for place in header.indices where header[place...].hasPrefix(quoted) {
        return header.index(place, offsetBy: quoted.count)
      }
    }
    return nil
  }

  private static func trimmed(_ text: Substring) -> String {
    String(text.drop { $0 == " " }.reversed().drop { $0 == " " || $0 == "\n" }.reversed())
  }

  /// The vector of a text.
  ///
  /// - Throws: `malformed` when the file has no row for it, or one of another width.
  func row(_ index: Int, width expected: Int) throws(BertError) -> [Float] {
    guard index < count else {
      throw BertError(
        .malformed, "holds \(count) vectors, and none for text \(index + 1)", file: name)
    }
    guard width == expected else {
      throw BertError(
        .malformed, "holds vectors of \(width) numbers; the model's have \(expected)", file: name)
    }
    let first = start + index * width * type.size
    return (0..<width).map { column in
      let place = first + column * type.size
      return switch type {
      case .half: Self.float(half: bits(place, UInt16.self))
      case .single: Float(bitPattern: bits(place, UInt32.self))
      case .double: Float(Double(bitPattern: bits(place, UInt64.self)))
      }
    }
  }

  private func bits<Bits: FixedWidthInteger>(_ place: Int, _ type: Bits.Type) -> Bits {
    Bits(littleEndian: bytes.buffer.loadUnaligned(fromByteOffset: place, as: Bits.self))
  }

  /// The value of a float16; exact.
  private static func float(half bits: UInt16) -> Float {
    let (exponent, fraction) = (Int(bits >> 10 & 0x1F), Float(bits & 0x3FF))
    let sign: Float = bits >> 15 == 0 ? 1 : -1
    switch exponent {
    case 0: return sign * fraction * 0x1p-24
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default:
      return sign * (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
    }
  }
}

/// Both paths beside vectors of another program.
package struct ParityDrift: Sendable {
  /// The file that those are from.
  package let source: String
  /// float32 against them.
  package internal(set) var float = VectorDrift(keepsCosines: true)
  /// int8 against them.
  package internal(set) var int8 = VectorDrift(keepsCosines: true)

  mutating func add(reference: [Float], float: [Float], int8: [Float]) {
    self.float.add(reference: reference, other: float, width: reference.count)
    self.int8.add(reference: reference, other: int8, width: reference.count)
  }
}
