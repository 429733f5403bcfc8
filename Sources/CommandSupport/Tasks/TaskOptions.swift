import ArgumentParser
import BertErrors
import Bertq

extension AnswerTask: ExpressibleByArgument {}
extension Aggregation: ExpressibleByArgument {}
extension MultiVectorRole: ExpressibleByArgument {}

/// What a program is told about single tasks.
package struct TaskOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "rerank: the query that the texts are ranked for.", valueName: "text"))
  package var query: String?

  @Option(
    help: ArgumentHelp(
      "rerank, answer, fill-mask: so many of the best (default: all, 1, 5).", valueName: "n"))
  package var top: Int?

  @Option(
    help: ArgumentHelp(
      "zero-shot: the labels, separated by commas.", valueName: "a,b,c"))
  package var labels: String?

  @Option(
    help: ArgumentHelp(
      "zero-shot: what is asked of a label, which stands for {}.", valueName: "text"))
  package var hypothesis: String?

  @Flag(help: "zero-shot: several labels may fit a text.")
  package var multi = false

  @Option(help: "tag: how the labels of tokens become entities (default: simple).")
  package var aggregate: Aggregation?

  @Option(
    help: ArgumentHelp(
      "answer: tokens that two windows of a long context share (default: 128).",
      valueName: "tokens"))
  package var stride: Int?

  @Option(
    help: ArgumentHelp(
      "answer: the most tokens of a window (default: 384).", valueName: "tokens"))
  package var window: Int?

  @Option(
    help: ArgumentHelp(
      "answer: the most tokens of an answer (default: 15).", valueName: "tokens"))
  package var longest: Int?

  @Flag(
    help: "answer: an empty text may be the answer, for models trained so (SQuAD 2).")
  package var noAnswer = false

  @Option(
    help: ArgumentHelp(
      "fill-mask: the only words that count, separated by commas.", valueName: "a,b,c"))
  package var targets: String?

  @Option(
    name: .customLong("as"),
    help: "multi-vector: what the texts are (default: document).")
  package var role: MultiVectorRole?

  /// The defaults.
  package init() {}

  /// An option that may be given, and the tasks that it belongs to.
  package typealias Given = (name: String, isGiven: Bool, tasks: [AnswerTask])

  /// Options that were given, and the tasks that they belong to.
  private var given: [Given] {
    [
      ("--query", query != nil, [.rerank]),
      ("--top", top != nil, [.rerank, .answer, .fillMask]),
      ("--labels", labels != nil, [.zeroShot]),
      ("--hypothesis", hypothesis != nil, [.zeroShot]),
      ("--multi", multi, [.zeroShot]),
      ("--aggregate", aggregate != nil, [.tag]),
      ("--stride", stride != nil, [.answer]),
      ("--window", window != nil, [.answer]),
      ("--longest", longest != nil, [.answer]),
      ("--no-answer", noAnswer, [.answer]),
      ("--targets", targets != nil, [.fillMask]),
      ("--as", role != nil, [.multiVector]),
    ]
  }

  package func validate() throws {
    for (name, value) in [("--top", top), ("--longest", longest), ("--window", window)] {
      if let value, value < 1 {
        throw ValidationError("\(name) is \(value); it must be at least 1")
      }
    }
    if let stride, stride < 0 {
      throw ValidationError("--stride is \(stride); it must be at least 0")
    }
  }

  /// The task that is asked: the one that is named, else what the file is for, unless the options given belong
  /// to another that it answers too.
  package func task(named: AnswerTask?, of served: ServedModel) -> AnswerTask {
    let own = AnswerTask(served.description.task)
    let wanted = given.filter(\.isGiven).map(\.tasks)
    if named != nil || wanted.allSatisfy({ $0.contains(own) }) { return named ?? own }
    let fitting = AnswerTask.allCases.filter { task in
      wanted.allSatisfy { $0.contains(task) } && served.answers(task)
    }
    return fitting.count == 1 ? fitting[0] : own
  }

  /// Refuses options of other tasks than the one that is asked: they would be passed over.
  ///
  /// - Parameters:
  ///   - isTable: whether records have members: JSON objects, or rows of a table.
  ///   - others: options besides these that not all tasks have.
  /// - Throws: `usage` with the option; also for a task without an option that it needs.
  package func check(
    for task: AnswerTask, isTable: Bool, others: [Given] = []
  ) throws(BertError) {
    for option in given + others where option.isGiven && !option.tasks.contains(task) {
      throw BertError(
        .usage,
        "\(option.name) belongs to \(option.tasks.map(\.rawValue).joined(separator: ", ")); the task "
          + "is \(task.rawValue)")
    }
    if task == .rerank, query == nil, !isTable {
      throw BertError(
        .usage,
        "rerank needs --query TEXT, or with --jsonl lines of {\"query\":...,\"documents\":[...]}")
    }
    if task == .zeroShot, labels == nil {
      throw BertError(.usage, "zero-shot needs --labels a,b,c")
    }
    if task == .choose, !isTable {
      throw BertError(
        .usage, "choose needs --jsonl, with lines of {\"text\":...,\"choices\":[...]}")
    }
  }

  /// Names between commas, without the white space around them.
  static func list(_ text: String) -> [String] {
    text.split(separator: ",").map { part in
      var part = part
      while part.first?.isWhitespace == true { part.removeFirst() }
      while part.last?.isWhitespace == true { part.removeLast() }
      return String(part)
    }.filter { !$0.isEmpty }
  }

  var zeroShot: ZeroShotOptions {
    var options = ZeroShotOptions(labels: labels.map(Self.list) ?? [], multi: multi)
    if let hypothesis { options.hypothesis = hypothesis }
    return options
  }

  var answering: AnswerOptions {
    var options = AnswerOptions()
    if let top { options.top = top }
    if let longest { options.longest = longest }
    if let stride { options.stride = stride }
    options.window = window
    options.allowsNone = noAnswer
    return options
  }
}
