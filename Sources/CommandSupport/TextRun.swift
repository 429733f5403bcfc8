import BertErrors
import Bertq
import ByteFiles
import JSONText

/// What is done about a text that cannot be answered.
package enum ErrorPolicy: String, Sendable, CaseIterable {
  /// All before it are answered, and the run ends.
  case stop
  /// Its place holds what is wrong with it, and the run goes on.
  case report
}

/// How a run over texts is done.
package struct RunSettings {
  /// Whether results are one NumPy array; JSON Lines otherwise.
  package var writesArray = false
  /// Where the ids of an array's rows go.
  package var ids: RowsWriter?
  /// What is done about a text that cannot be answered.
  package var policy = ErrorPolicy.stop
  /// So many tokens are read before they are computed.
  package var batchTokens = 1
  /// Whether answers are written as a person reads them, where the task can.
  package var isReadable = false
  /// Whether nothing but errors is said on standard error.
  package var isQuiet = false

  /// JSON Lines, up to the first bad text.
  package init() {}
}

/// Records in, results out, a batch at a time: memory does not grow with their number.
///
/// Whenever reading would wait for whoever writes the input, what has been read is computed and written.
package struct TextRun<Task: RecordTask>: ~Copyable {
  private let task: Task
  private let policy: ErrorPolicy
  private let batchTokens: Int
  private let isQuiet: Bool
  private var source: TextSource
  private var writer: ResultWriter
  private var progress: RunProgress
  private var cut = 0

  /// A record of a batch.
  private enum Item {
    case question(Task.Question, index: Int, id: JSON?, place: InputPlace)
    case failed(FailedRecord)
  }

  /// Prepares to answer.
  ///
  /// - Throws: `usage` when an array is asked for and answers are no rows; `notFound` when there is no input.
  package init(
    _ task: Task, input: InputSettings, _ settings: RunSettings
  ) throws(BertError) {
    if settings.writesArray && task.rowWidth == nil {
      throw BertError(.usage, "--format npy is for vectors; this task answers with JSON Lines")
    }
    let source = try TextSource(input, members: task.members)
    self.task = task
    self.source = source
    policy = settings.policy
    batchTokens = settings.batchTokens
    isQuiet = settings.isQuiet
    progress = RunProgress(isRead: source.isRead, isQuiet: isQuiet, isInteractive: false)
    writer = ResultWriter(
      arrayWidth: settings.writesArray ? task.rowWidth : nil, ids: settings.ids,
      isReadable: settings.isReadable)
  }

  /// Texts answered so far.
  package var texts: Int { progress.answered }

  /// Answers all texts, or those up to the first that cannot be.
  ///
  /// - Parameter answered: is told of the questions of each batch whose results are written.
  /// - Throws: what was wrong with the first bad text, when those before it are answered, unless bad texts are reported.
  package mutating func perform(
    _ answered: ([Task.Question]) throws(BertError) -> Void = { _ in }
  ) throws(BertError) {
    var failure: BertError?
    while failure == nil {
      var batch: [Item] = []
      let (readFailure, isEnd) = read(&batch)
      failure = try write(batch, answered) ?? readFailure
      progress.update(done: source.progress.done, of: source.progress.total)
      if isEnd { break }
    }
    if failure == nil, task.answersTogether {
      do throws(BertError) { try writer.writeConclusion(of: task) } catch { failure = error }
    }
    try writer.finish()
    progress.finish()
    if !isQuiet {
      for note in source.findings.notes { Console.note("note: \(note)") }
      if cut > 0 { Console.note("note: --truncate cut \(cut) tokens") }
    }
    if let failure { throw failure }
  }

  /// Says how many texts were not answered, if any.
  ///
  /// - Throws: `notAllAnswered`.
  package func requireAllAnswered() throws(BertError) {
    if progress.failed == 0 { return }
    throw BertError(
      .notAllAnswered,
      "\(progress.failed) of \(progress.failed + progress.answered) texts were not answered: "
        + "\(progress.reasons)")
  }

  /// Reads the next records until they are a batch, or the input pauses or ends; up to the first bad one where that ends the run.
  private mutating func read(_ batch: inout [Item]) -> (failure: BertError?, isEnd: Bool) {
    var count = 0
    while count < batchTokens {
      do throws(BertError) {
        switch try source.next(waits: batch.isEmpty) {
        case .end: return (nil, true)
        case .paused: return (nil, false)
        case .failed(let record):
          if policy == .stop { return (record.error, true) }
          batch.append(.failed(record))
          count += 1
        case .record(let record):
          do throws(BertError) {
            let question = try task.question(record)
            count += max(1, task.tokens(question))
            cut += task.cut(question)
            batch.append(
              .question(question, index: record.index, id: record.id, place: record.place))
          } catch {
            let located = record.place.locate(error)
            if policy == .stop || !error.isOfOneText { return (located, true) }
            batch.append(.failed(FailedRecord(index: record.index, id: record.id, error: located)))
            count += 1
          }
        }
      } catch {
        return (error, true)
      }
    }
    return (nil, false)
  }

  /// Writes the results of a batch, up to the first text without one where that ends the run; gives what is wrong with that.
  private mutating func write(
    _ batch: [Item], _ answered: ([Task.Question]) throws(BertError) -> Void
  ) throws(BertError) -> BertError? {
    if batch.isEmpty { return nil }
    let questions = batch.compactMap { item in
      if case .question(let question, _, _, _) = item { question } else { nil }
    }
    var answers = (questions.isEmpty ? [] : task.answers(questions)).makeIterator()
    var right: [Task.Question] = []
    var places: [InputPlace] = []
    for item in batch {
      switch item {
      case .failed(let record):
        try writer.write(record, of: task)
        progress.note(record.error)
      case .question(let question, let index, let id, let place):
        switch answers.next() {
        case .success(let answer):
          try writer.write(index, id, question, answer, of: task)
          progress.note(answered: task.tokens(question))
          right.append(question)
          places.append(place)
        case .failure(let error):
          let located = place.locate(error)
          if policy == .stop || !error.isOfOneText {
            try writer.flush()
            return located
          }
          try writer.write(FailedRecord(index: index, id: id, error: located), of: task)
          progress.note(error)
        case nil: return BertError(.system, "a text got no answer")
        }
      }
    }
    try writer.flush()
    if right.isEmpty { return nil }
    do throws(BertError) { try answered(right) } catch {
      guard let first = places.first, let last = places.last else { return error }
      return first.locate(error, to: last)
    }
    return nil
  }
}

extension BertError {
  /// Whether the error is about one text, so that the next may be answered.
  var isOfOneText: Bool {
    [.malformed, .tooLong, .notUTF8, .notFinite, .usage].contains(code) && file == nil
  }
}
