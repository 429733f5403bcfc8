import ArgumentParser
import BertErrors
import BertModel
import Bertq

/// How results are written.
package enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// One JSON object a line.
  case jsonl
  /// One NumPy array.
  case npy
}

/// Texts in, results out, a batch at a time: memory does not grow with the number of texts.
package struct TextRun: ~Copyable {
  /// Texts that were answered together, and their tokens; nil where a text alone is no question.
  package typealias Batch = [(item: NumberedText, tokens: TokenizedInput?)]

  private let model: Model
  private let task: AnswerTask
  private var questions: TaskQuestions
  private var source: TextSource
  private var writer: ResultWriter
  private let batchTokens: Int
  private var cut = 0
  /// Texts answered so far.
  package private(set) var texts = 0

  /// Prepares to answer a task, by default what the file is for.
  ///
  /// - Parameter batchTokens: so many tokens are read before they are computed.
  /// - Throws: `unsupported` for a task that the model, or this program, does not answer.
  package init(
    model: Model, task: AnswerTask?, options: TaskOptions, source: TextSource, format: OutputFormat,
    batchTokens: Int
  ) throws(BertError) {
    let task = task ?? AnswerTask(model.served.description.task)
    let questions = try TaskQuestions(task, model, options, isJSON: source.isJSON)
    if format == .npy, !TaskQuestions.ofVectors.contains(task) {
      throw BertError(
        .usage, "--format npy is for vectors; the answers of '\(task.rawValue)' are JSON Lines")
    }
    self.model = model
    self.task = task
    self.questions = questions
    self.source = source
    self.batchTokens = batchTokens
    writer = ResultWriter(model: model, width: model.width(of: task), format: format)
  }

  /// Answers all texts, up to the first that cannot be.
  ///
  /// - Parameter answered: is told of each batch when its results are written.
  /// - Throws: what was wrong with the first bad text, when those before it are answered.
  package mutating func perform(
    _ answered: (Batch) throws(BertError) -> Void = { _ in }
  ) throws(BertError) {
    var bar = ProgressBar("encoding", besidesResults: true)
    defer { bar.finish() }
    var failure: BertError?
    while failure == nil {
      var batch: Batch = []
      failure = read(&batch)
      if batch.isEmpty { break }
      failure = try write(batch, answered) ?? failure
      bar.update(source.progress.done, of: source.progress.total)
    }
    if failure == nil, let ranking = questions.finish() { try writer.write(nil, .answer(ranking)) }
    try writer.finish()
    if cut > 0 { Console.note("note: --truncate cut \(cut) tokens") }
    if let failure { throw failure }
  }

  /// Reads the next texts, up to the first bad one; gives what is wrong with that.
  private mutating func read(_ batch: inout Batch) -> BertError? {
    var count = 0
    while count < batchTokens {
      do throws(BertError) {
        guard let item = try source.next() else { return nil }
        do throws(BertError) {
          guard questions.takesTokens else {
            batch.append((item, nil))
            count += item.size
            continue
          }
          let tokens = try model.tokenize(item.input)
          batch.append((item, tokens))
          count += tokens.ids.count
          cut += tokens.cut
        } catch {
          throw item.place.locate(error)
        }
      } catch {
        return error
      }
    }
    return nil
  }

  /// Writes the results of a batch, up to the first text without one; gives what is wrong with that.
  private mutating func write(
    _ batch: Batch, _ answered: (Batch) throws(BertError) -> Void
  ) throws(BertError) -> BertError? {
    for (text, result) in zip(batch, results(batch)) {
      switch result {
      case .success(let result?): try writer.write(text.item, result)
      case .success(nil): break
      case .failure(let error): return text.item.place.locate(error)
      }
      texts += 1
    }
    try writer.flush()
    do throws(BertError) { try answered(batch) } catch {
      return batch.first?.item.place.locate(error, to: batch.last?.item.place) ?? error
    }
    return nil
  }

  private mutating func results(_ batch: Batch) -> [Result<TextResult?, BertError>] {
    let request = RequestOptions(priority: .bulk)
    let inputs = batch.map { $0.tokens?.textInput ?? $0.item.input }
    switch task {
    case .tokens:
      return model.tokensEach(inputs, request: request).map { $0.map(TextResult.tokens) }
    case .multiVector:
      return model.multiVectorEach(inputs, as: questions.role, request: request).map {
        $0.map(TextResult.tokens)
      }
    case .pooled:
      return model.pooledEach(inputs, request: request).map {
        $0.map { TextResult.vector($0, name: "pooled") }
      }
    case .embedding:
      return model.embedEach(inputs, request: request).map {
        $0.map { TextResult.vector($0, name: "embedding") }
      }
    default:
      return questions.answers(batch.map(\.item), inputs).map {
        $0.map { $0.map(TextResult.answer) }
      }
    }
  }
}

extension NumberedText {
  /// About as many tokens as it comes to.
  fileprivate var size: Int {
    let documents = (members.documents ?? []) + (members.choices ?? []) + (input.words ?? [])
    return 8
      + (input.text.count + (input.pair?.count ?? 0) + documents.reduce(0) { $0 + $1.utf8.count })
      / 4
  }
}
