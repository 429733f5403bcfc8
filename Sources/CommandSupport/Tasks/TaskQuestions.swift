import BertErrors
import Bertq
import JSONText

/// Asks a model's heads about texts, as the options say.
struct TaskQuestions {
  let task: AnswerTask
  private let model: Model
  private let options: TaskOptions
  private let request = RequestOptions(priority: .bulk)
  /// Documents of the one query that all texts are ranked for.
  private var ranked: [RankedDocument] = []

  /// Tasks whose answers are vectors; they are asked elsewhere.
  static let ofVectors: [AnswerTask] = [.embedding, .tokens, .pooled, .multiVector]

  /// Checks that the model answers the task, and the options belong to it.
  ///
  /// - Throws: `unsupported`, `usage`.
  init(
    _ task: AnswerTask, _ model: Model, _ options: TaskOptions, isJSON: Bool
  ) throws(BertError) {
    self.task = task
    self.model = model
    self.options = options
    try model.served.require(task)
    try options.check(for: task, isJSON: isJSON)
  }

  /// Whether all texts together are one question.
  var ranksAll: Bool { task == .rerank && options.query != nil }

  /// Whether a text goes into the model as it is, so that it may be tokenized beforehand.
  var takesTokens: Bool {
    switch task {
    case .embedding, .tokens, .pooled, .classify, .nextSentence, .sparse: true
    case .rerank, .tag, .answer, .fillMask, .choose, .multiVector, .zeroShot: false
    }
  }

  var role: MultiVectorRole { options.role ?? .document }

  /// The answers for some texts; nil for one that is part of the ranking that `finish` gives.
  ///
  /// - Parameter inputs: the texts as the model takes them, tokens already where it can be.
  mutating func answers(
    _ texts: [NumberedText], _ inputs: [TextInput]
  ) -> [Result<TaskAnswer?, BertError>] {
    switch task {
    case .classify:
      return model.classifyEach(inputs, request: request).map { $0.map { .labels($0) } }
    case .zeroShot:
      return model.zeroShotEach(inputs, options.zeroShot, request: request).map {
        $0.map { .judged($0) }
      }
    case .rerank: return options.query == nil ? rankings(texts) : documents(texts)
    case .tag:
      return model.tagEach(
        inputs, aggregation: options.aggregate ?? .simple, request: request
      ).map { $0.map { .entities($0) } }
    case .answer:
      return model.answerEach(inputs, options: options.answering, request: request).map {
        $0.map { .answers($0) }
      }
    case .fillMask:
      return model.fillMaskEach(
        inputs, top: options.top ?? 5, targets: options.targets.map(TaskOptions.list),
        request: request
      ).map { $0.map { .masks($0) } }
    case .nextSentence:
      return model.nextSentenceEach(inputs, request: request).map { $0.map { .isNext($0) } }
    case .choose: return choices(texts)
    case .sparse:
      return model.sparseEach(inputs, request: request).map { $0.map { .sparse($0) } }
    case .embedding, .tokens, .pooled, .multiVector: return texts.map { _ in .success(nil) }
    }
  }

  /// The ranking of all texts, once they were all asked.
  func finish() -> TaskAnswer? {
    guard ranksAll else { return nil }
    let best = ranked.sorted {
      $0.score == $1.score ? $0.document < $1.document : $0.score > $1.score
    }
    return .ranking(Array(best.prefix(options.top ?? best.count)))
  }

  private mutating func documents(_ texts: [NumberedText]) -> [Result<TaskAnswer?, BertError>] {
    let documents = texts.map { String(decoding: $0.input.text, as: UTF8.self) }
    let found = model.relevanceEach(options.query ?? "", documents, request: request)
    for (text, result) in zip(texts, found) {
      guard let score = try? result.get() else { continue }
      ranked.append(
        RankedDocument(document: text.index, score: score.score, logit: score.logit))
    }
    return found.map { $0.map { _ in nil } }
  }

  private func rankings(_ texts: [NumberedText]) -> [Result<TaskAnswer?, BertError>] {
    asked(texts) { text throws(BertError) in
      guard let query = text.members.query, let documents = text.members.documents else {
        throw BertError(.malformed, "needs \"query\" and \"documents\"")
      }
      return RankingInput(query: query, documents: documents)
    } answers: { inputs in
      model.rerankEach(inputs, top: options.top, request: request).map { $0.map { .ranking($0) } }
    }
  }

  private func choices(_ texts: [NumberedText]) -> [Result<TaskAnswer?, BertError>] {
    asked(texts) { text throws(BertError) in
      guard let choices = text.members.choices else {
        throw BertError(.malformed, "needs \"choices\"")
      }
      return ChoiceInput(String(decoding: text.input.text, as: UTF8.self), choices: choices)
    } answers: { inputs in
      model.chooseEach(inputs, request: request).map { $0.map { .choice($0) } }
    }
  }

  /// Asks those texts that are questions of the task; the others' errors stay in their places.
  private func asked<Input>(
    _ texts: [NumberedText], _ question: (NumberedText) throws(BertError) -> Input,
    answers: ([Input]) -> [Result<TaskAnswer?, BertError>]
  ) -> [Result<TaskAnswer?, BertError>] {
    let questions = texts.map { text in
      Result { () throws(BertError) in try question(text) }
    }
    var found = answers(questions.compactMap { try? $0.get() }).makeIterator()
    return questions.map { question in
      switch question {
      case .success: found.next() ?? .success(nil)
      case .failure(let error): .failure(error)
      }
    }
  }
}
