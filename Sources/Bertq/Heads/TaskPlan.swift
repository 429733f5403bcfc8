import BertErrors

/// What some questions come to: the texts that are computed for each, and what their answers say.
///
/// A question may need several texts (windows, choices, documents); its answer needs all of theirs.
struct TaskPlan<Reader: AnswerReader, Answer: Sendable>: Sendable {
  /// One question's texts.
  struct Question: Sendable {
    let texts: [PreparedText]
    /// What the texts' answers, in their order, say.
    let conclude: @Sendable ([Reader.Answer]) throws(BertError) -> Answer
  }

  let reader: Reader
  let questions: [Result<Question, BertError>]

  /// Plans each question; what is wrong with one is its answer.
  init<Input>(
    _ reader: Reader, _ inputs: [Input],
    _ plan: (Input) throws(BertError) -> Question
  ) {
    self.reader = reader
    questions = inputs.map { input in Result { () throws(BertError) in try plan(input) } }
  }

  /// All questions' texts, one after the other.
  fileprivate var texts: [Result<PreparedText, BertError>] {
    questions.flatMap { question in
      (try? question.get().texts.map { .success($0) }) ?? []
    }
  }

  /// Each question's answer from those of all texts.
  fileprivate func conclude(
    _ answers: [Result<Reader.Answer, BertError>]
  ) -> [Result<Answer, BertError>] {
    var taken = 0
    return questions.map { question in
      Result { () throws(BertError) in
        let question = try question.get()
        let own = answers[taken..<taken + question.texts.count]
        taken += question.texts.count
        var found: [Reader.Answer] = []
        for answer in own { found.append(try answer.get()) }
        return try question.conclude(found)
      }
    }
  }
}

extension Model {
  /// Answers a plan's questions; blocks until all are there.
  func answerEach<Reader, Answer>(
    _ plan: TaskPlan<Reader, Answer>, _ request: RequestOptions
  ) -> [Result<Answer, BertError>] {
    plan.conclude(answerEach(prepared: plan.texts, plan.reader, request))
  }

  /// Answers a plan's questions; a cancelled task takes those away that wait.
  func answerEach<Reader, Answer>(
    _ plan: TaskPlan<Reader, Answer>, _ request: RequestOptions
  ) async -> [Result<Answer, BertError>] {
    plan.conclude(await answerEach(prepared: plan.texts, plan.reader, request))
  }

  /// The same where there may be no plan: then each of `count` questions fails for that.
  func answerEach<Reader, Answer>(
    _ plan: Result<TaskPlan<Reader, Answer>, BertError>, of count: Int, _ request: RequestOptions
  ) -> [Result<Answer, BertError>] {
    switch plan {
    case .success(let plan): answerEach(plan, request)
    case .failure(let error): (0..<count).map { _ in .failure(error) }
    }
  }

  /// The same where there may be no plan: then each of `count` questions fails for that.
  func answerEach<Reader, Answer>(
    _ plan: Result<TaskPlan<Reader, Answer>, BertError>, of count: Int, _ request: RequestOptions
  ) async -> [Result<Answer, BertError>] {
    switch plan {
    case .success(let plan): await answerEach(plan, request)
    case .failure(let error): (0..<count).map { _ in .failure(error) }
    }
  }
}
