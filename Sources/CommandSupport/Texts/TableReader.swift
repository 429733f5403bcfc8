import BertErrors
import ByteFiles

/// Reads the rows of a table: CSV as RFC 4180 has it, or TSV.
///
/// A field of CSV may be quoted, and then hold commas, quotes (twice) and line ends. TSV has no quotes; a field that is in quotes
/// whole is taken for one that a spreadsheet quoted, but never goes beyond its line.
struct TableReader {
  private let separator: UInt8
  private let isTabbed: Bool
  /// The fields of a row that was begun on earlier lines.
  private var row: [[UInt8]] = []
  private var field: [UInt8] = []
  /// The line on which a quoted field began that is still open.
  private var openLine: Int?
  private var bytes = 0

  init(separator: UInt8) {
    self.separator = separator
    isTabbed = separator == 0x09
  }

  /// Whether a row was begun and goes on.
  var isInside: Bool { openLine != nil }

  /// Takes a line; gives a row when that ends one.
  ///
  /// - Throws: `malformed` for a quote where none may be, `tooLong` for a row beyond the limit.
  mutating func take(_ line: [UInt8], number: Int) throws(BertError) -> [[UInt8]]? {
    bytes += line.count
    if bytes > LineReader.longestLine {
      let first = openLine ?? number
      reset()
      throw BertError(.tooLong, "a field that is quoted on line \(first) does not end")
    }
    var at = 0
    if openLine != nil {
      field.append(0x0A)
      if !readQuoted(line, &at) { return nil }
      try endQuoted(line, &at)
    }
    while at <= line.count {
      if at < line.count, line[at] == UInt8(ascii: "\""), !isTabbed || isWholeQuote(line, at) {
        at += 1
        if !readQuoted(line, &at) {
          openLine = number
          return nil
        }
        try endQuoted(line, &at)
      } else {
        let end = line[at...].firstIndex(of: separator) ?? line.count
        row.append(Array(line[at..<end]))
        at = end + 1
      }
    }
    defer { reset() }
    return row
  }

  /// What is wrong when there are no more lines; nil where nothing is.
  var unfinished: BertError? {
    openLine.map { BertError(.malformed, "the input ends in a field that is quoted on line \($0)") }
  }

  private mutating func reset() {
    row = []
    field = []
    openLine = nil
    bytes = 0
  }

  /// Reads a quoted field on; says whether its closing quote was found.
  private mutating func readQuoted(_ line: [UInt8], _ at: inout Int) -> Bool {
    while at < line.count {
      if line[at] == UInt8(ascii: "\"") {
        at += 1
        if at >= line.count || line[at] != UInt8(ascii: "\"") { return true }
      }
      field.append(line[at])
      at += 1
    }
    return false
  }

  /// Takes a quoted field, behind whose closing quote the next field or the row's end must come.
  private mutating func endQuoted(_ line: [UInt8], _ at: inout Int) throws(BertError) {
    if at < line.count, line[at] != separator {
      reset()
      throw BertError(.malformed, "a field goes on behind its closing quote", byteOffset: at)
    }
    row.append(field)
    field = []
    openLine = nil
    at += 1
  }

  /// Whether the field at a place is in quotes whole, on this line.
  private func isWholeQuote(_ line: [UInt8], _ at: Int) -> Bool {
    let field = line[at...].prefix { $0 != separator }
    guard field.count >= 2, field.last == UInt8(ascii: "\"") else { return false }
    var inner = field.dropFirst().dropLast()
    while let quote = inner.firstIndex(of: UInt8(ascii: "\"")) {
      guard inner.dropFirst(quote + 1 - inner.startIndex).first == UInt8(ascii: "\"") else {
        return false
      }
      inner = inner[(quote + 2)...]
    }
    return true
  }
}
