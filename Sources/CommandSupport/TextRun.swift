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
  /// Where results go.
  package var target = ResultTarget.lines
  /// What is done about a text that cannot be answered.
  package var policy = ErrorPolicy.stop
  /// So many tokens are read before they are computed.
  package var batchTokens = 1
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
  private let settings: RunSettings
  private var source: TextSource
  /// What was read of the source and is not answered yet.
  private var waiting: TextSource.Next?
  private var writer: ResultWriter<Task>
  private var progress: RunProgress
  private var cut = 0

  /// A record of a batch: what it asks, or why it asks nothing.
  private struct Item {
    let record: AnsweredRecord
    let question: Result<Task.Question, BertError>
    let place: InputPlace?
  }

  /// Prepares to answer; passes over what an earlier run answered.
  ///
  /// - Throws: `usage` when an array is asked for and answers are no rows, or an earlier output is of something else; `notFound`
  ///   when there is no input.
  package init(
    _ task: Task, input: InputSettings, _ settings: RunSettings
  ) throws(BertError) {
    var isTerminal = false
    if case .terminal = settings.target { isTerminal = true }
    if case .linesBehind = settings.target, task.answersTogether {
      throw BertError(.usage, "--resume goes on with a line a text; this task writes one for all")
    }
    if case .array = settings.target, task.rowWidth == nil {
      throw BertError(.usage, "--format npy is for vectors; this task answers with JSON Lines")
    }
    var source = try TextSource(input, members: task.members)
    var progress = RunProgress(isRead: source.isRead, isQuiet: settings.isQuiet || isTerminal)
    var file: WritableFile?
    if case .linesBehind(let earlier) = settings.target {
      try Self.passOver(earlier, task, &source, settings, &progress)
      waiting = try Self.checkRest(of: earlier, task, &source)
      file = try earlier.file.goOn()
    }
    self.task = task
    self.settings = settings
    self.source = source
    self.progress = progress
    writer = ResultWriter(task, settings.target, file: file)
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
    var isEnd = false
    while failure == nil && !isEnd {
      var batch: [Item] = []
      let readFailure: BertError?
      (readFailure, isEnd) = read(&batch)
      failure = try write(batch, answered) ?? readFailure
      progress.update(done: source.progress.done, of: source.progress.total)
    }
    if failure == nil, task.answersTogether {
      do throws(BertError) { try writer.writeConclusion() } catch { failure = error }
    }
    try writer.finish()
    progress.finish()
    if !settings.isQuiet {
      if let assumption = task.assumption, progress.answered > 0 {
        Console.note("note: \(assumption)")
      }
      for note in source.findings.notes { Console.note("note: \(note)") }
      if cut > 0 { Console.note("note: --truncate cut \(cut) tokens") }
    }
    if let failure { throw failure }
  }

  /// How many texts were not answered, if any.
  package var failure: BertError? {
    if progress.failed == 0 { return nil }
    return BertError(
      .notAllAnswered,
      "\(progress.failed) of \(progress.all) texts were not answered: \(progress.reasons)")
  }

  // MARK: Reading

  /// Reads the next records until they are a batch, or the input pauses or ends; up to the first bad one where that ends the run.
  private mutating func read(_ batch: inout [Item]) -> (failure: BertError?, isEnd: Bool) {
    var count = 0
    while count < settings.batchTokens {
      do throws(BertError) {
        let next: TextSource.Next
        if let waiting = waiting.take() {
          next = waiting
        } else {
          next = try source.next(waits: batch.isEmpty)
        }
        guard let item = Self.item(next, task, isLabelled: settings.isLabelled) else {
          if case .paused = next { return (nil, false) }
          return (nil, true)
        }
        switch item.question {
        case .success(let question):
          count += max(1, task.tokens(question))
          cut += task.cut(question)
        case .failure(let error):
          if settings.policy == .stop || !error.isOfOneText { return (error, true) }
          count += 1
        }
        batch.append(item)
      } catch {
        return (error, true)
      }
    }
    return (nil, false)
  }

  /// What a record asks; nil where there is none.
  private static func item(_ next: TextSource.Next, _ task: Task, isLabelled: Bool) -> Item? {
    switch next {
    case .end, .paused: return nil
    case .failed(let failed):
      return Item(
        record: AnsweredRecord(index: failed.index, id: failed.id),
        question: .failure(failed.error), place: nil)
    case .record(let record):
      var answered = AnsweredRecord(index: record.index, id: record.id)
      if isLabelled { answered.label = record.label }
      do throws(BertError) {
        return Item(
          record: answered, question: .success(try task.question(record)), place: record.place)
      } catch {
        return Item(record: answered, question: .failure(record.place.locate(error)), place: nil)
      }
    }
  }

  // MARK: Writing

  /// Writes the results of a batch, up to the first text without one where that ends the run; gives what is wrong with that.
  private mutating func write(
    _ batch: [Item], _ answered: ([Task.Question]) throws(BertError) -> Void
  ) throws(BertError) -> BertError? {
    if batch.isEmpty { return nil }
    var right: [Task.Question] = []
    var places: [InputPlace] = []
    for (item, result) in zip(batch, Self.results(batch, task)) {
      switch result {
      case .success:
        if case .success(let question) = item.question {
          progress.note(answered: task.tokens(question))
          right.append(question)
        }
        if let place = item.place { places.append(place) }
      case .failure(let error):
        if settings.policy == .stop || !error.isOfOneText {
          try writer.flush()
          return error
        }
        progress.note(error.code.name)
      }
      try writer.write(item.record, try? item.question.get(), result)
    }
    try writer.flush()
    if right.isEmpty { return nil }
    do throws(BertError) { try answered(right) } catch {
      guard let first = places.first, let last = places.last else { return error }
      return first.locate(error, to: last)
    }
    return nil
  }

  /// Answers the questions of a batch; errors have their places.
  private static func results(_ batch: [Item], _ task: Task) -> [Result<Task.Answer, BertError>] {
    let questions = batch.compactMap { try? $0.question.get() }
    var answers = (questions.isEmpty ? [] : task.answers(questions)).makeIterator()
    return batch.map { item in
      if case .failure(let error) = item.question { return .failure(error) }
      let answer = answers.next() ?? .failure(BertError(.system, "a text got no answer"))
      return answer.mapError { item.place?.locate($0) ?? $0 }
    }
  }

  // MARK: Going on

  /// Passes over the records that an earlier run wrote results for.
  ///
  /// The last of them is answered again: where that gives other bytes, the earlier output is of something else.
  private static func passOver(
    _ earlier: EarlierResults, _ task: Task, _ source: inout TextSource,
    _ settings: RunSettings, _ progress: inout RunProgress
  ) throws(BertError) {
    for number in 0..<earlier.lines {
      let next = try source.next()
      if case .end = next {
        throw BertError(
          .usage,
          "has \(earlier.lines) lines, and the input \(number) texts: it is of another input",
          file: earlier.path)
      }
      guard number == earlier.lines - 1, let item = item(next, task, isLabelled: false) else {
        continue
      }
      guard line(of: item, task).dropLast() == earlier.lastLine[...] else {
        throw BertError(
          .usage,
          "line \(earlier.lines) is not what this model answers to this input with these options; name another "
            + "file, or take it away to begin again", file: earlier.path)
      }
    }
    for (code, count) in earlier.failures { progress.note(code, count) }
    progress.earlier = earlier.lines - progress.failed
    progress.passedOver = source.progress.done
    if !settings.isQuiet {
      Console.note("note: results go to \(earlier.path), behind the \(earlier.lines) that it holds")
    }
  }

  /// Sees whether what stands behind the last whole line is how the next one begins, since it will be cut off; gives the record
  /// that it is of.
  private static func checkRest(
    of earlier: EarlierResults, _ task: Task, _ source: inout TextSource
  ) throws(BertError) -> TextSource.Next? {
    let rest = earlier.rest
    if rest.isEmpty { return nil }
    let next = try source.next()
    if let item = item(next, task, isLabelled: false), line(of: item, task).starts(with: rest) {
      return next
    }
    throw BertError(
      .usage,
      "what stands behind its \(earlier.lines) whole lines is not how a result begins that this model gives to this "
        + "input with these options; name another file, or take it away to begin again",
      file: earlier.path)
  }

  /// What is written of a record.
  private static func line(of item: Item, _ task: Task) -> [UInt8] {
    var line: [UInt8] = []
    for result in results([item], task) {
      ResultWriter<Task>.line(task, item.record, result, into: &line)
    }
    return line
  }
}

extension RunSettings {
  /// Whether results name their texts.
  fileprivate var isLabelled: Bool { if case .terminal = target { true } else { false } }
}

extension BertError {
  /// Whether the error is about one text, so that the next may be answered.
  var isOfOneText: Bool {
    tensor == nil && [.malformed, .tooLong, .notUTF8, .notFinite, .usage].contains(code)
  }
}
