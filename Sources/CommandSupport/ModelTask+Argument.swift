import ArgumentParser
import BertErrors
import Bertq

/// What a run over texts came to.
package struct RunSummary {
  /// Texts answered.
  package let answered: Int
  /// What is wrong where some were not, though the run went on: `notAllAnswered`.
  package let failure: BertError?

  private init<Task: RecordTask>(
    _ task: Task, _ input: InputSettings, _ settings: RunSettings, _ measure: Measure?
  ) throws(BertError) {
    var run = try TextRun(task, input: input, settings)
    if let measure {
      try run.perform { (questions) throws(BertError) in
        try measure(questions.flatMap(task.measured))
      }
    } else {
      try run.perform()
    }
    (answered, failure) = (run.texts, run.failure)
  }

  /// What is told of the texts of each batch whose results are written.
  package typealias Measure = ([TextQuestion]) throws(BertError) -> Void

  /// Answers a task about all texts of an input, or those up to the first that cannot be.
  ///
  /// Tasks are told apart here, in their own module, where a run is compiled for each of them.
  ///
  /// - Parameters:
  ///   - task: nil for what the options belong to, or the file is for.
  ///   - prompt: what stands before every text; nil for the file's default where the task has one.
  ///   - dimensions: numbers of an embedding, with which the model was opened.
  /// - Throws: `unsupported` for tasks that are not answered; what was wrong with the first bad text.
  package init(
    _ task: AnswerTask?, of model: Model, _ options: TaskOptions, prompt: TextPrompt?,
    dimensions: Int?, input: InputSettings, _ settings: RunSettings, measure: Measure? = nil
  ) throws(BertError) {
    let task = options.task(named: task, of: model.served)
    try model.served.require(task)
    let prompted = AnswerTask.allCases.filter(\.takesPrompt)
    try options.check(
      for: task, isTable: input.isTable,
      others: [
        ("--prompt", prompt != nil, prompted), ("--dimensions", dimensions != nil, [.embedding]),
      ])
    switch (task, options.query) {
    case (.embedding, _):
      try self.init(VectorTask(.embedding, model, prompt: prompt), input, settings, measure)
    case (.pooled, _):
      try self.init(VectorTask(.pooled, model, prompt: prompt), input, settings, measure)
    case (.tokens, _):
      try self.init(TokensTask(model, prompt: prompt), input, settings, measure)
    case (.multiVector, _):
      try self.init(MultiVectorTask(model, options, prompt: prompt), input, settings, measure)
    case (.rerank, let query?):
      try self.init(
        RankingTask(model, query: query, options, prompt: prompt), input, settings, measure)
    default:
      try self.init(HeadTask(task, model, options, prompt: prompt), input, settings, measure)
    }
  }
}

/// How results are written.
package enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// One JSON object a line.
  case jsonl
  /// One NumPy array.
  case npy
}

extension Model {
  /// What `--prompt` asks for: one of the file's prompts by its name, or words.
  ///
  /// - Throws: `usage` for what looks like a name that the file does not have.
  package func prompt(_ given: String) throws(BertError) -> TextPrompt {
    let prompts = served.description.prompts
    if prompts.contains(where: { $0.name == given }) { return .named(given) }
    // Words end in something that keeps them from the text.
    let isWord =
      !given.isEmpty && given.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
    if !isWord { return .text(given) }
    let names = prompts.map { "'\($0.name)'" }.joined(separator: ", ")
    throw BertError(
      .usage,
      "--prompt \(given): the file's prompts are \(names.isEmpty ? "none" : names); words to put before "
        + "texts end in a space or a mark, such as '\(given): '")
  }
}
