import BertErrors

// Strings and numbers: the parts of the grammar below values.
extension JSONParser {
  /// Reads a string whose opening quote is at `at`.
  mutating func parseString() throws(BertError) -> String {
    at += 1
    let start = at
    while at < end {
      let byte = bytes[at]
      if byte == UInt8(ascii: "\"") {
        defer { at += 1 }
        return try text(start..<at)
      }
      if byte == UInt8(ascii: "\\") { return try parseEscapedString(from: start) }
      if byte < 0x20 { throw error("a raw control character in a string") }
      at += 1
    }
    throw error("the text ends inside a string", at: start - 1)
  }

  /// The slow way: copies, because an escape makes the string differ from its bytes.
  private mutating func parseEscapedString(from start: Int) throws(BertError) -> String {
    var copy = Array(bytes[start..<at])
    while at < end {
      let byte = bytes[at]
      switch byte {
      case UInt8(ascii: "\""):
        at += 1
        return try text(of: copy, at: start)
      case UInt8(ascii: "\\"):
        try parseEscape(into: &copy)
      case 0..<0x20:
        throw error("a raw control character in a string")
      default:
        copy.append(byte)
        at += 1
      }
    }
    throw error("the text ends inside a string", at: start - 1)
  }

  private mutating func parseEscape(into copy: inout [UInt8]) throws(BertError) {
    let start = at
    at += 1
    let letter = next
    at += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): copy.append(letter)
    case UInt8(ascii: "b"): copy.append(0x08)
    case UInt8(ascii: "f"): copy.append(0x0C)
    case UInt8(ascii: "n"): copy.append(0x0A)
    case UInt8(ascii: "r"): copy.append(0x0D)
    case UInt8(ascii: "t"): copy.append(0x09)
    case UInt8(ascii: "u"):
      copy.append(contentsOf: String(try parseScalar(escapeAt: start)).utf8)
    default: throw error("an unknown escape in a string", at: start)
    }
  }

  /// The scalar of `\uXXXX`, or of two that form a surrogate pair; `at` is after the `u`.
  private mutating func parseScalar(escapeAt start: Int) throws(BertError) -> Unicode.Scalar {
    let first = try parseFourHex()
    if let scalar = Unicode.Scalar(first) { return scalar }
    if (0xD800..<0xDC00).contains(first), next == UInt8(ascii: "\\"), at + 1 < end,
      bytes[at + 1] == UInt8(ascii: "u")
    {
      at += 2
      let second = try parseFourHex()
      if (0xDC00..<0xE000).contains(second),
        let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
      {
        return scalar
      }
    }
    throw error("half a surrogate pair in a string", at: start)
  }

  private mutating func parseFourHex() throws(BertError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      let digit: UInt8
      switch next {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = next - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = next - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = next - UInt8(ascii: "A") + 10
      default: throw unexpected("four hexadecimal digits after \\u")
      }
      value = value << 4 | UInt32(digit)
      at += 1
    }
    return value
  }

  private func text(_ range: Range<Int>) throws(BertError) -> String {
    let slice = UnsafeRawBufferPointer(rebasing: bytes[range])
    guard let text = String(exactly: slice) else {
      throw error("a string is not valid UTF-8", at: range.lowerBound)
    }
    return text
  }

  private func text(of copy: [UInt8], at offset: Int) throws(BertError) -> String {
    guard let text = copy.withUnsafeBytes({ String(exactly: $0) }) else {
      throw error("a string is not valid UTF-8", at: offset)
    }
    return text
  }

  /// Reads a number; `at` is at its '-' or first digit.
  mutating func parseNumber() throws(BertError) -> JSON {
    let start = at
    let negative = next == UInt8(ascii: "-")
    if negative { at += 1 }
    var digits = Digits()
    guard isDigit else { throw unexpected("a digit") }
    if next == UInt8(ascii: "0") {
      at += 1
      if isDigit { throw error("a number begins with a superfluous zero", at: start) }
    } else {
      scanDigits(into: &digits)
    }
    var isInteger = true
    if next == UInt8(ascii: ".") {
      isInteger = false
      at += 1
      guard isDigit else { throw unexpected("a digit after the decimal point") }
      let before = at
      scanDigits(into: &digits)
      digits.exponent -= at - before
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      isInteger = false
      try scanExponent(into: &digits)
    }
    if isInteger, let value = digits.integer(negative: negative) { return .integer(value) }
    if let value = digits.exactDouble { return .number(negative ? -value : value) }
    let decimal = String(decoding: bytes[start..<at], as: UTF8.self)
    guard let value = Double(decimal), value.isFinite else {
      throw error("a number is out of range", at: start)
    }
    return .number(value)
  }

  private var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) }

  private mutating func scanDigits(into digits: inout Digits) {
    while isDigit {
      digits.append(next - UInt8(ascii: "0"))
      at += 1
    }
  }

  private mutating func scanExponent(into digits: inout Digits) throws(BertError) {
    at += 1
    let negative = next == UInt8(ascii: "-")
    if negative || next == UInt8(ascii: "+") { at += 1 }
    guard isDigit else { throw unexpected("a digit of the exponent") }
    var value = 0
    while isDigit {
      // Beyond five digits the value is zero or out of range whatever follows.
      if value < 100_000 { value = value * 10 + Int(next - UInt8(ascii: "0")) }
      at += 1
    }
    digits.exponent += negative ? -value : value
  }
}

/// A decimal being read: its digits as an integer, as long as they fit.
private struct Digits {
  var value: UInt64 = 0
  var overflows = false
  var exponent = 0

  mutating func append(_ digit: UInt8) {
    let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
    let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
    overflows = overflows || tooLarge || carry
    value = sum
  }

  /// The value as an integer; nil for −0, which only a double can keep, and when it does not fit.
  func integer(negative: Bool) -> Int? {
    if overflows { return nil }
    if !negative { return Int(exactly: value) }
    if value == 0 || value > UInt64(Int.max) + 1 { return nil }
    return Int(truncatingIfNeeded: 0 &- value)
  }

  /// The double, where one rounding gives it: both factors are exact (Clinger 1990).
  var exactDouble: Double? {
    if overflows || value > 1 << 53 || exponent < -22 || exponent > 22 { return nil }
    let power = Self.powersOfTen[abs(exponent)]
    return exponent < 0 ? Double(value) / power : Double(value) * power
  }

  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]
}

extension String {
  /// The string of these bytes; nil when they are not valid UTF-8.
  ///
  /// Decoding repairs what is invalid, so bytes that come out unchanged were valid; this is several
  /// times faster than the generic validating initialiser.
  fileprivate init?(exactly bytes: UnsafeRawBufferPointer) {
    self = bytes.withMemoryRebound(to: UInt8.self) { String(decoding: $0, as: UTF8.self) }
    guard utf8.count == bytes.count else { return nil }
    let isSame = utf8.withContiguousStorageIfAvailable { $0.elementsEqual(bytes) }
    if isSame != true { return nil }
  }
}
