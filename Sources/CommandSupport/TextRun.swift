import ArgumentParser
import BertErrors
import BertModel
import Bertq

extension ModelTask: ExpressibleByArgument {
  /// What help and completion offer: others are known, to be refused by name.
  public static var allValueStrings: [String] { TextRun.tasks.map(\.rawValue) }
}

/// How results are written.
package enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// One JSON object a line.
  case jsonl
  /// One NumPy array.
  case npy
}

/// Texts in, results out, a batch at a time: memory does not grow with the number of texts.
package struct TextRun: ~Copyable {
  /// What can be answered: a head's scores are measured for drift only.
  package static let tasks: [ModelTask] = [.embedding, .tokens, .pooled]

  /// Texts that were answered together, and their tokens.
  package typealias Batch = [(item: NumberedText, tokens: TokenizedInput)]

  private let model: Model
  private let task: ModelTask
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
    model: Model, task: ModelTask?, source: TextSource, format: OutputFormat, batchTokens: Int
  ) throws(BertError) {
    self.model = model
    self.task = task ?? model.served.description.task
    self.source = source
    self.batchTokens = batchTokens
    let width = self.task == .embedding ? model.dimensions : model.info.hiddenSize
    writer = ResultWriter(model: model, width: width, format: format)
    guard Self.tasks.contains(self.task) else {
      throw BertError(
        .unsupported,
        "the task '\(self.task.rawValue)' is not supported; ask for --task "
          + "embedding, tokens or pooled", file: model.served.file.path)
    }
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
    for (text, result) in zip(batch, results(batch.map(\.tokens))) {
      switch result {
      case .success(let result): try writer.write(text.item, result)
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

  private func results(_ inputs: [TokenizedInput]) -> [Result<TextResult, BertError>] {
    let request = RequestOptions(priority: .bulk)
    switch task {
    case .tokens:
      return model.tokensEach(inputs, request: request).map { $0.map(TextResult.tokens) }
    case .pooled:
      return model.pooledEach(inputs, request: request).map {
        $0.map { TextResult.vector($0, name: "pooled") }
      }
    default:
      return model.embedEach(inputs, request: request).map {
        $0.map { TextResult.vector($0, name: "embedding") }
      }
    }
  }
}
