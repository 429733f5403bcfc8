import BertErrors
import ByteFiles
import JSONText

/// How an input's lines are read.
package enum InputForm: Sendable {
  /// A line is a text.
  case text
  /// A line is a JSON object.
  case jsonl
  /// A table, whose first row names its columns.
  case table(separator: UInt8)

  var foreign: ForeignInput.Form {
    switch self {
    case .text: .text
    case .jsonl: .objects
    case .table: .table
    }
  }
}

/// Where records come from, and how they are read.
package struct InputSettings: Sendable {
  /// Texts of the command line; where there are some, no file is read.
  package var texts: [String] = []
  /// A file; nil or `-` for standard input.
  package var path: String?
  /// How its lines are read.
  package var form = InputForm.text
  /// What its members are called.
  package var fields = RecordFields()
  /// Whether bytes that are no UTF-8 are replaced by U+FFFD, and counted.
  package var replacesInvalidUTF8 = false

  /// Lines of standard input.
  package init() {}

  /// Whether records have members: JSON objects, or rows of a table.
  var isTable: Bool { if case .text = form { false } else { true } }
}

/// Records in the order of the input, from the command line, a file or standard input.
package struct TextSource {
  /// What reading on gave.
  package enum Next {
    /// A record.
    case record(InputRecord)
    /// One that cannot be read; the next can be.
    case failed(FailedRecord)
    /// Nothing is there yet, and whoever writes it lets wait.
    case paused
    /// There is no more.
    case end
  }

  private let settings: InputSettings
  private let reader: LineReader?
  private var decoder: RecordDecoder
  private var table: TableReader?
  private var index = 0
  private var isChecked = false

  /// Prepares to read.
  ///
  /// - Parameter members: what the task reads of a record.
  /// - Throws: `notFound` when the file cannot be read.
  package init(_ settings: InputSettings, members: RecordMembers) throws(BertError) {
    self.settings = settings
    decoder = RecordDecoder(settings, members)
    reader = settings.texts.isEmpty ? try LineReader(path: settings.path) : nil
    if case .table(let separator) = settings.form { table = TableReader(separator: separator) }
  }

  /// What messages call the input.
  package var name: String { reader?.name ?? "the command line" }
  /// Whether records come from a file or standard input.
  package var isRead: Bool { reader != nil }
  /// How much of the input is read, in bytes; the total is 0 when unknown.
  package var progress: (done: Int, total: Int) { (reader?.bytesRead ?? 0, reader?.size ?? 0) }
  /// What is worth saying of all that was read.
  package var findings: InputFindings { decoder.findings }

  /// The next record.
  ///
  /// - Parameter waits: whether to wait for one that is not there yet.
  /// - Throws: what is wrong with the whole input: `notFound` when it cannot be read, `malformed` when it
  ///   is plainly something else than what it is read as.
  package mutating func next(waits: Bool = true) throws(BertError) -> Next {
    guard let reader else { return nextArgument() }
    if !isChecked {
      try ForeignInput.check(
        reader, as: settings.form.foreign, by: ForeignInput.Reader("bert-run …", takesRecords: true)
      )
      isChecked = true
    }
    while true {
      let line: [UInt8]
      do throws(BertError) {
        switch try reader.read(waits: waits) {
        case .line(let found): line = found
        case .paused: return .paused
        case .end:
          if table?.isInside == false, !decoder.hasColumns {
            throw BertError(
              .malformed, "is empty; a table begins with a row of column names", file: reader.name)
          }
          guard let error = table?.unfinished else { return .end }
          table = nil
          return fail(error.inFile(reader.name))
        }
      } catch {
        if error.code != .tooLong { throw error }
        return fail(error)
      }
      if let next = try take(line, reader.place) { return next }
    }
  }

  private mutating func nextArgument() -> Next {
    guard index < settings.texts.count else { return .end }
    let text = settings.texts[index]
    let place = InputPlace(text: index + 1, text, of: name)
    return decode(RawArguments.bytes(of: text), place)
      ?? fail(
        place.locate(BertError(.malformed, "is empty; expected an object")))
  }

  /// What a line gives; nil where it gives no record of its own.
  private mutating func take(_ line: [UInt8], _ place: InputPlace) throws(BertError) -> Next? {
    guard table != nil else { return decode(line, place) }
    if line.isEmpty, table?.isInside == false { return nil }
    do throws(BertError) {
      let line = try decoder.validText(line)
      guard let row = try table?.take(line, number: reader?.line ?? 0) else { return nil }
      guard decoder.hasColumns else {
        try decoder.nameColumns(row, file: name)
        return nil
      }
      defer { index += 1 }
      return .record(try decoder.row(row, index, place))
    } catch {
      // Without a header nothing can be read.
      if !decoder.hasColumns { throw place.locate(error) }
      return fail(place.locate(error))
    }
  }

  private mutating func decode(_ line: [UInt8], _ place: InputPlace) -> Next? {
    guard case .jsonl = settings.form else {
      defer { index += 1 }
      return .record(InputRecord(index: index, place: place, text: decoder.text(line)))
    }
    if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return nil }
    var id: JSON?
    do throws(BertError) {
      let record = try decoder.object(line, index, place, &id)
      index += 1
      return .record(record)
    } catch {
      return fail(place.locate(error), id: id)
    }
  }

  private mutating func fail(_ error: BertError, id: JSON? = nil) -> Next {
    defer { index += 1 }
    return .failed(FailedRecord(index: index, id: id, error: error))
  }
}
