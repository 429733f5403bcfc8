import BertErrors
import ByteFiles
import JSONText

/// Where a run's results go, and in which form.
package enum ResultTarget {
  /// JSON Lines on standard output.
  case lines
  /// JSON Lines behind those of an earlier run.
  case linesBehind(EarlierResults)
  /// One NumPy array on standard output; what its rows are is written beside it, where somebody names a file.
  case array(RowsWriter?)
  /// For a person, on a terminal; who perhaps types the texts.
  case terminal(isTyped: Bool)
}

/// Writes results.
struct ResultWriter<Task: RecordTask>: ~Copyable {
  private let task: Task
  private var output: StandardOutput
  private var form: Form

  private enum Form {
    case lines
    case array(ArrayWriter, RowsWriter?)
    case terminal(TerminalWriter)
  }

  /// - Parameter file: where lines go instead of to standard output.
  init(_ task: Task, _ target: ResultTarget, file: WritableFile?) {
    self.task = task
    output = StandardOutput(file ?? .standardOutput)
    switch target {
    case .lines, .linesBehind: form = .lines
    case .array(let rows): form = .array(ArrayWriter(width: task.rowWidth ?? 0), rows)
    case .terminal(let isTyped): form = .terminal(TerminalWriter(isTyped: isTyped))
    }
  }

  /// Writes an answer, or why there is none: in an array, as a row that is NaN where each text has one.
  mutating func write(
    _ record: AnsweredRecord, _ question: Task.Question?, _ result: Result<Task.Answer, BertError>
  ) throws(BertError) {
    if task.answersTogether {
      switch result {
      case .success(let answer): task.collect(record.index, record.id, answer)
      case .failure(let error):
        task.collect(FailedRecord(index: record.index, id: record.id, error: error))
      }
      return
    }
    switch form {
    case .lines:
      Self.line(task, record, result, into: &output.buffer)
      try output.flush(force: false)
    case .terminal(let writer):
      writer.write(record, question, result, of: task)
    case .array(let array, let beside):
      switch result {
      case .success(let answer):
        let rows = task.rows(answer)
        try array.append(rows)
        try beside?.write(record, rows: rows.count / max(1, task.rowWidth ?? 1), nil)
      case .failure(let error):
        let rows = task.hasManyRows ? 0 : 1
        try array.append([Float](repeating: .nan, count: rows * (task.rowWidth ?? 0)))
        try beside?.write(record, rows: rows, error)
      }
    }
  }

  /// Appends a result as a line of JSON.
  static func line(
    _ task: Task, _ record: AnsweredRecord, _ result: Result<Task.Answer, BertError>,
    into buffer: inout [UInt8]
  ) {
    record.begin(&buffer)
    switch result {
    case .success(let answer): task.write(answer, into: &buffer)
    case .failure(let error): error.writeMember(into: &buffer)
    }
    buffer += "}\n".utf8
  }

  /// Writes the one answer of all records.
  ///
  /// - Throws: why there is none.
  mutating func writeConclusion() throws(BertError) {
    if case .terminal = form, let text = task.readableConclusion {
      output.buffer += (text + "\n").utf8
      return
    }
    var line: [UInt8] = []
    try task.conclude(into: &line)
    AnsweredRecord(index: 0, id: nil).begin(&output.buffer)
    output.buffer += line + Array("}\n".utf8)
  }

  /// Hands what is complete to whoever reads standard output.
  mutating func flush() throws(BertError) { try output.flush() }

  mutating func finish() throws(BertError) {
    try output.flush()
    switch form {
    case .lines: break
    case .terminal(let writer): writer.finish()
    case .array(let array, let beside):
      try array.finish()
      try beside?.finish()
    }
  }
}

/// What a result says of its record.
struct AnsweredRecord {
  /// Its number among the records, from 0.
  let index: Int
  /// The caller's own id.
  let id: JSON?
  /// How its text begins, for people.
  var label = ""

  /// Appends the beginning of a line, without its end.
  func begin(_ line: inout [UInt8]) {
    line += "{\"index\":\(index)".utf8
    if let id {
      line += ",\"id\":".utf8
      id.write(into: &line)
    }
  }
}

extension BertError {
  /// Appends the member that says why a text is not answered.
  func writeMember(into line: inout [UInt8]) {
    line += Self.memberStart.utf8
    JSON.write(code.name, into: &line)
    line += ",\"message\":".utf8
    JSON.write(description + (remedy.map(Remedies.text) ?? ""), into: &line)
    line.append(UInt8(ascii: "}"))
  }

  private static let memberStart = ",\"error\":{\"code\":"

  /// The name of the code in a line that such a member is part of; nil for other lines.
  ///
  /// Quotes inside strings are escaped, so nothing else looks so.
  static func code(in line: [UInt8]) -> String? {
    let start = Array((memberStart + "\"").utf8)
    // Vectors are long, and what is looked for stands before them.
    let head = line.prefix(1 << 16)
    var at = head.startIndex
    while let found = head[at...].firstIndex(of: UInt8(ascii: ",")) {
      if head[found...].starts(with: start) {
        return String(
          decoding: head[(found + start.count)...].prefix { $0 != UInt8(ascii: "\"") },
          as: UTF8.self)
      }
      // Behind the first number of a vector there is no error.
      if head[found...].starts(with: ",\"embedding\":".utf8) { return nil }
      at = found + 1
    }
    return nil
  }
}
