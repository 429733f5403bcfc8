import BertAnswers
import BertErrors
import Bertq
import ByteFiles
import JSONText

/// What a record asks of a head.
package enum HeadQuestion: Sendable {
  /// Something about a text or a pair; its tokens where it goes into the model as it is.
  case text(TextInput, TokenizedInput?)
  /// A ranking of documents.
  case ranking(RankingInput)
  /// Which of several continuations fits.
  case choice(ChoiceInput)
}

/// A task that a model's head answers: `classify`, `tag`, `answer` and the others.
package struct HeadTask: RecordTask {
  private let task: AnswerTask
  private let model: Model
  private let options: TaskOptions
  private let prompt: TextPrompt?
  private let request = RequestOptions(priority: .bulk)

  /// Checks that the model answers the task, and that the options belong to it.
  ///
  /// - Throws: `unsupported`, `usage`.
  package init(
    _ task: AnswerTask, _ model: Model, _ options: TaskOptions, prompt: TextPrompt?
  ) throws(BertError) {
    self.task = task
    self.model = model
    self.options = options
    self.prompt = prompt
  }

  package var members: RecordMembers {
    switch task {
    case .tag, .zeroShot: RecordMembers(needed: ["text", "words"])
    case .fillMask: RecordMembers(needed: ["text", "words"], others: ["pair"])
    case .answer: RecordMembers(needed: ["text"], others: ["pair"])
    case .rerank: RecordMembers(needed: ["documents"], others: ["query"])
    case .choose: RecordMembers(needed: ["choices"], others: ["text"])
    default: .text
    }
  }

  package func question(_ record: InputRecord) throws(BertError) -> HeadQuestion {
    switch task {
    case .rerank:
      guard let query = try record.string("query"), let documents = try record.strings("documents")
      else { throw BertError(.malformed, "needs \"query\" and \"documents\"") }
      var input = RankingInput(query: query, documents: documents)
      input.prompt = try record.prompt() ?? prompt
      input.truncates = try record.truncates()
      return .ranking(input)
    case .choose:
      guard let text = try record.string("text"), let choices = try record.strings("choices")
      else { throw BertError(.malformed, "needs \"text\" and \"choices\"") }
      try record.refusePrompt(of: task)
      var input = ChoiceInput(text, choices: choices)
      input.truncates = try record.truncates()
      return .choice(input)
    case .tag, .fillMask, .answer, .zeroShot:
      try record.refusePrompt(of: task)
      var input = try record.placedInput()
      input.truncates = try record.truncates()
      return .text(input, nil)
    default:
      var input = try record.textInput()
      input.truncates = try record.truncates()
      if task == .nextSentence, input.ids == nil, input.pair == nil {
        throw BertError(.malformed, "one text; whether a sentence follows is asked of a pair")
      }
      if input.ids == nil, input.prompt == nil { input.prompt = prompt }
      return .text(input, try model.tokenize(input, defaultPrompt: task.hasDefaultPrompt))
    }
  }

  package func tokens(_ question: HeadQuestion) -> Int {
    // Where tokens are not made yet, there is about one in four bytes.
    switch question {
    case .text(let input, let tokens):
      tokens?.ids.count
        ?? 8 + (input.text.count + (input.pair?.count ?? 0) + Self.bytes(input.words ?? [])) / 4
    case .ranking(let input):
      (input.documents.count * (8 + input.query.utf8.count) + Self.bytes(input.documents)) / 4
    case .choice(let input):
      (input.choices.count * (8 + input.text.utf8.count) + Self.bytes(input.choices)) / 4
    }
  }

  private static func bytes(_ texts: [String]) -> Int { texts.reduce(0) { $0 + 4 + $1.utf8.count } }

  package func cut(_ question: HeadQuestion) -> Int {
    if case .text(_, let tokens) = question { tokens?.cut ?? 0 } else { 0 }
  }

  package func measured(_ question: HeadQuestion) -> [TextQuestion] {
    guard case .text(let input, let made) = question else { return [] }
    return (try? made ?? model.tokenize(input)).map { [TextQuestion(input, $0)] } ?? []
  }

  package func answers(_ questions: [HeadQuestion]) -> [Result<TaskAnswer, BertError>] {
    switch task {
    case .rerank:
      let inputs = questions.compactMap { if case .ranking(let input) = $0 { input } else { nil } }
      return model.rerankEach(inputs, top: options.top, request: request)
        .map { $0.map { .ranking($0) } }
    case .choose:
      let inputs = questions.compactMap { if case .choice(let input) = $0 { input } else { nil } }
      return model.chooseEach(inputs, request: request).map { $0.map { .choice($0) } }
    default:
      return textAnswers(
        questions.compactMap { question in
          if case .text(let input, let tokens) = question {
            tokens?.textInput ?? input
          } else {
            nil
          }
        })
    }
  }

  private func textAnswers(_ inputs: [TextInput]) -> [Result<TaskAnswer, BertError>] {
    switch task {
    case .zeroShot:
      model.zeroShotEach(inputs, options.zeroShot, request: request).map { $0.map { .judged($0) } }
    case .tag:
      model.tagEach(inputs, aggregation: options.aggregate ?? .simple, request: request)
        .map { $0.map { .entities($0) } }
    case .answer:
      model.answerEach(inputs, options: options.answering, request: request)
        .map { $0.map { .answers($0) } }
    case .fillMask:
      model.fillMaskEach(
        inputs, top: options.top ?? 5, targets: options.targets.map(TaskOptions.list),
        request: request
      ).map { $0.map { .masks($0) } }
    case .nextSentence:
      model.nextSentenceEach(inputs, request: request).map { $0.map { .isNext($0) } }
    case .sparse: model.sparseEach(inputs, request: request).map { $0.map { .sparse($0) } }
    default: model.classifyEach(inputs, request: request).map { $0.map { .labels($0) } }
    }
  }

  package func write(_ answer: TaskAnswer, into line: inout [UInt8]) { answer.write(into: &line) }

  package func readable(_ question: HeadQuestion, _ answer: TaskAnswer) -> String? {
    let text: String
    switch question {
    case .text(let input, _):
      let parts = [String(decoding: input.text, as: UTF8.self)] + (input.words ?? [])
      let pair = input.pair.map { " | " + String(decoding: $0, as: UTF8.self) } ?? ""
      text = parts.filter { !$0.isEmpty }.joined(separator: " ") + pair
    case .ranking(let input): text = input.query
    case .choice(let input): text = input.text
    }
    return ReadableAnswer(answer, of: model).lines(text)
  }
}

extension InputRecord {
  /// - Throws: `malformed` for a prompt of a task that takes none.
  fileprivate func refusePrompt(of task: AnswerTask) throws(BertError) {
    if task.takesPrompt { return }
    if let prompt = try prompt(), prompt != .text("") {
      throw BertError(
        .malformed, "has a prompt; the task \(task.rawValue) takes none: leave it out")
    }
  }

  /// The text, words or pair of a record whose answers say where in it they lie.
  ///
  /// - Throws: `malformed` for members that contradict each other or are of the wrong kind.
  fileprivate func placedInput() throws(BertError) -> TextInput {
    if let plainText { return TextInput(utf8: plainText) }
    let (text, words) = (try text("text"), try strings("words"))
    guard (text == nil) != (words == nil) else {
      throw BertError(.malformed, "needs exactly one of \"text\" and \"words\"; it has both")
    }
    if let words { return TextInput(words: words) }
    return TextInput(utf8: text ?? [], pair: try self.text("pair"))
  }
}
