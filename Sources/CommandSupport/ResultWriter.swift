import BertErrors
import ByteFiles
import JSONText

/// Writes results to standard output, as JSON Lines or as one NumPy array.
struct ResultWriter: ~Copyable {
  private var output = StandardOutput()
  /// Nil for JSON Lines.
  private var array: ArrayWriter?
  private var ids: RowsWriter?
  private let isReadable: Bool

  /// - Parameters:
  ///   - width: numbers of a row, for an array; nil for JSON Lines.
  ///   - ids: where the ids of an array's rows go.
  ///   - isReadable: whether answers are written as a person reads them, where the task can.
  init(arrayWidth: Int?, ids: RowsWriter?, isReadable: Bool = false) {
    self.isReadable = isReadable
    array = arrayWidth.map(ArrayWriter.init)
    self.ids = ids
  }

  /// Writes an answer.
  mutating func write<Task: RecordTask>(
    _ index: Int, _ id: JSON?, _ question: Task.Question, _ answer: Task.Answer, of task: Task
  ) throws(BertError) {
    if task.answersTogether { return task.collect(index, id, answer) }
    if isReadable, let text = task.readable(question, answer) {
      output.buffer += (text + "\n").utf8
      return try output.flush(force: false)
    }
    guard array != nil else {
      start(index, id)
      task.write(answer, into: &output.buffer)
      output.buffer += "}\n".utf8
      return try output.flush(force: false)
    }
    let rows = task.rows(answer)
    try append(rows)
    try ids?.write(index, id, rows: rows.count / max(1, task.rowWidth ?? 1))
  }

  /// Writes in a text's place why it is not answered: in an array, as a row that is NaN where each text has one.
  mutating func write<Task: RecordTask>(
    _ failed: FailedRecord, of task: Task
  ) throws(BertError) {
    if task.answersTogether { return task.collect(failed) }
    guard array != nil else {
      start(failed.index, failed.id)
      failed.error.writeMember(into: &output.buffer)
      output.buffer += "}\n".utf8
      return try output.flush(force: false)
    }
    let rows = task.hasManyRows ? 0 : 1
    if rows > 0 { try append([Float](repeating: .nan, count: task.rowWidth ?? 0)) }
    try ids?.write(failed, rows: rows)
  }

  /// Writes the one answer of all texts.
  mutating func writeConclusion(of task: some RecordTask) throws(BertError) {
    if isReadable, let text = task.readableConclusion {
      output.buffer += (text + "\n").utf8
      return
    }
    var line: [UInt8] = []
    try task.conclude(into: &line)
    start(0, nil)
    output.buffer += line + Array("}\n".utf8)
  }

  private mutating func append(_ rows: [Float]) throws(BertError) {
    try rows.withUnsafeBufferPointer { (rows) throws(BertError) in try array?.append(rows) }
  }

  private mutating func start(_ index: Int, _ id: JSON?) {
    output.buffer += "{\"index\":\(index)".utf8
    if let id {
      output.buffer += ",\"id\":".utf8
      id.write(into: &output.buffer)
    }
  }

  /// Hands what is complete to whoever reads standard output.
  mutating func flush() throws(BertError) { try output.flush() }

  mutating func finish() throws(BertError) {
    try output.flush()
    try array?.finish()
    try ids?.finish()
  }
}

extension BertError {
  /// Appends the member that says why a text is not answered.
  func writeMember(into line: inout [UInt8]) {
    line += ",\"error\":{\"code\":".utf8
    JSON.write(code.name, into: &line)
    line += ",\"message\":".utf8
    JSON.write(description + (remedy.map(Remedies.text) ?? ""), into: &line)
    line.append(UInt8(ascii: "}"))
  }
}
