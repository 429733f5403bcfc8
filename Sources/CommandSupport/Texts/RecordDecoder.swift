import BertErrors
import ByteFiles
import JSONText

/// What is worth saying of an input when all of it was read.
package struct InputFindings: Sendable {
  /// What such things are called: members of objects, columns of a table.
  var called = "members"
  /// Members that nobody reads, as many as are listed, in the order in which they came.
  var unread: [String] = []
  /// Whether there were more.
  var hasMoreUnread = false
  /// Lines of text without a character, each answered as an empty text.
  var emptyTexts = 0
  /// Lines in which bytes were replaced.
  var replacedLines = 0

  /// The most names that are listed.
  private static let mostNames = 20

  mutating func note(unread name: String) {
    if unread.contains(name) { return }
    if unread.count < Self.mostNames { unread.append(name) } else { hasMoreUnread = true }
  }

  /// A sentence for each finding.
  package var notes: [String] {
    var notes: [String] = []
    if !unread.isEmpty {
      let names = unread.map { "\"\($0.prefix(80))\"" }.joined(separator: ", ")
      notes.append("\(called) that are not read: \(names)\(hasMoreUnread ? " and others" : "")")
    }
    if emptyTexts > 0 {
      notes.append("\(emptyTexts) of the lines are empty; each is answered as an empty text")
    }
    if replacedLines > 0 {
      notes.append("bytes that are no UTF-8 were replaced in \(replacedLines) of the lines")
    }
    return notes
  }
}

/// Makes records of lines, objects and rows.
struct RecordDecoder {
  private let fields: RecordFields
  private let members: RecordMembers
  private let replaces: Bool
  private(set) var findings = InputFindings()
  /// The columns that make the text, and those of the second text and the id.
  private var columns: (text: [Int], pair: Int?, id: Int?, count: Int)?

  init(_ settings: InputSettings, _ members: RecordMembers) {
    fields = settings.fields
    self.members = members
    replaces = settings.replacesInvalidUTF8
    if case .table = settings.form { findings.called = "columns" }
  }

  // MARK: Text

  /// A line of text; whether it is UTF-8 is found out when it is made tokens.
  mutating func text(_ line: [UInt8]) -> [UInt8] {
    if line.isEmpty { findings.emptyTexts += 1 }
    return replaces ? replaced(line) : line
  }

  /// A line that is UTF-8.
  ///
  /// - Throws: `notUTF8` with the place, unless bytes are replaced.
  mutating func validText(_ line: [UInt8]) throws(BertError) -> [UInt8] {
    if replaces { return replaced(line) }
    try UTF8Check.require(line)
    return line
  }

  private mutating func replaced(_ line: [UInt8]) -> [UInt8] {
    if line.withUnsafeBufferPointer(UTF8Check.firstInvalid) == nil { return line }
    findings.replacedLines += 1
    return Array(String(decoding: line, as: UTF8.self).utf8)
  }

  // MARK: Objects

  /// The record of a JSON object.
  ///
  /// - Parameter id: gets the caller's id, also where the rest is wrong.
  /// - Throws: `notUTF8` or `malformed`, with the place in the line where there is one.
  mutating func object(
    _ line: [UInt8], _ index: Int, _ place: InputPlace, _ id: inout JSON?
  ) throws(BertError) -> InputRecord {
    let found = try JSON.members(validText(line)) { reads($0) }
    id = try self.id(found.read[fields.id ?? "id"])
    if id == nil, let name = fields.id { throw missing([name], found) }
    for name in found.unread { findings.note(unread: name) }
    var object = JSONObject()
    for (name, value) in found.read where !fields.names(name) { object[name] = value }
    var read = try members.check(object)
    if fields.namesText { read["text"] = try joined(fields.text, found) }
    if let pair = fields.pair {
      guard let value = found.read[pair], !value.isNull else { throw missing([pair], found) }
      read["pair"] = value
    }
    if !members.isGiven(in: read) { throw missing(members.needed, found) }
    return InputRecord(index: index, place: place, id: id, members: read)
  }

  private func reads(_ name: String) -> Bool {
    if fields.names(name) { return true }
    // Who says what the text is called means no other.
    if fields.namesText && name == "text" || fields.pair != nil && name == "pair" { return false }
    return members.canonical(name) != nil
  }

  private func joined(_ names: [String], _ found: JSONMembers) throws(BertError) -> JSON {
    var parts: [String] = []
    var isThere = false
    for name in names {
      guard let value = found.read[name], !value.isNull else { continue }
      guard let string = value.stringValue else {
        throw BertError(.malformed, "\"\(name)\" is \(value.kind); expected a string")
      }
      isThere = true
      if !string.isEmpty { parts.append(string) }
    }
    if !isThere { throw missing(names, found) }
    return .string(parts.joined(separator: " "))
  }

  private func id(_ value: JSON?) throws(BertError) -> JSON? {
    switch value {
    case nil, .null: return nil
    case .string, .integer: return value
    case .number:
      throw BertError(
        .malformed,
        "\"\(fields.id ?? "id")\" is a number that would not be given back as it is: write it as a string"
      )
    case .some(let value):
      throw BertError(
        .malformed, "\"\(fields.id ?? "id")\" is \(value.kind); expected a string or a whole number"
      )
    }
  }

  private func missing(_ names: [String], _ found: JSONMembers) -> BertError {
    let wanted = names.map { "\"\($0)\"" }.joined(separator: " or ")
    let nulls = names.filter { found.read[$0]?.isNull == true }
    if let name = nulls.first, nulls.count == names.count || names == members.needed {
      return BertError(.malformed, "\"\(name)\" is null; expected a string")
    }
    let has = (found.read.keys + found.unread).prefix(10).map { "\"\($0.prefix(80))\"" }
    let listed = has.isEmpty ? "no members" : has.joined(separator: ", ")
    let way =
      members.isText && !fields.namesText ? ": --text-field names the one with the text" : ""
    return BertError(.malformed, "needs \(wanted); it has \(listed)\(way)")
  }

  // MARK: Tables

  /// Whether the header was read.
  var hasColumns: Bool { columns != nil }

  /// Takes a header.
  ///
  /// - Throws: `malformed` when columns are not there, or twice.
  mutating func nameColumns(_ header: [[UInt8]], file: String) throws(BertError) {
    let names = header.map { String(decoding: $0, as: UTF8.self) }
    func place(_ name: String, isNeeded: Bool = true) throws(BertError) -> Int? {
      let places = names.indices.filter { names[$0] == name }
      if places.count > 1 { throw BertError(.malformed, "has two columns \"\(name)\"") }
      if places.isEmpty && isNeeded {
        let list = names.prefix(20).map { "\"\($0.prefix(80))\"" }.joined(separator: ", ")
        throw BertError(
          .malformed,
          "has no column \"\(name)\"; its columns are \(list)"
            + (fields.namesText ? "" : ": --text-field names those with the text"))
      }
      return places.first
    }
    var text: [Int] = []
    for name in fields.namesText ? fields.text : ["text"] {
      if let found = try place(name) { text.append(found) }
    }
    let takesPair = fields.pair != nil || !fields.namesText
    let pair = takesPair ? try place(fields.pair ?? "pair", isNeeded: fields.pair != nil) : nil
    let id = try place(fields.id ?? "id", isNeeded: fields.id != nil)
    columns = (text, pair, id, names.count)
    for (place, name) in names.enumerated()
    where !(text + [pair, id].compactMap { $0 }).contains(place) {
      findings.note(unread: name)
    }
  }

  /// The record of a row.
  ///
  /// - Throws: `malformed` when it has another number of fields than the header.
  func row(
    _ row: [[UInt8]], _ index: Int, _ place: InputPlace
  ) throws(BertError) -> InputRecord {
    guard let columns, row.count == columns.count else {
      throw BertError(
        .malformed, "has \(row.count) fields; the header names \(columns?.count ?? 0)")
    }
    func string(_ place: Int) -> String { String(decoding: row[place], as: UTF8.self) }
    var members = JSONObject()
    let parts = columns.text.map(string).filter { !$0.isEmpty }
    members["text"] = .string(parts.joined(separator: " "))
    if let pair = columns.pair { members["pair"] = .string(string(pair)) }
    return InputRecord(
      index: index, place: place, id: columns.id.map { .string(string($0)) }, members: members)
  }
}
