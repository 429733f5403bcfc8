import BertAnswers
import Bertq
import CBertq
import JSONText

@_cdecl("bertq_answer")
package func bertqAnswer(
  _ pointer: OpaquePointer?, _ task: UnsafePointer<CChar>?, _ input: UnsafePointer<bertq_input>?,
  _ request: UnsafeMutablePointer<bertq_request>?, _ settings: UnsafePointer<CChar>?,
  _ answers: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  reporting(error) { () throws(BertError) in
    let place = try require(answers, "the place of the answers")
    place.pointee = nil
    let model = try model(pointer)
    let task: AnswerTask = try choice(require(text(task, "the task"), "the task"), "task")
    let settings = try AnswerSettings(text(settings, "the settings"), for: task)
    try model.served.require(task)
    let given = try read(request.map { UnsafePointer($0) }, bertq_request())
    if !task.takesPrompt, let prompt = try TextPrompt(given, of: model), prompt != .text("") {
      throw BertError(.usage, "the task \(task.rawValue) takes no prompt: leave it out")
    }
    let texts = try taskInputs(
      Inputs(input), given, of: model, hasDefaultPrompt: task.hasDefaultPrompt)
    let results = try answered(texts, by: model, task, settings, RequestOptions(given))
    for case .failure(let error) in results where error.isOfTheCall { throw error }
    place.pointee = OwnedText.give(answerLines(results))
  }
}

/// The caller's texts, with how each is to be read.
private func taskInputs(
  _ inputs: Inputs, _ given: bertq_request, of model: Model, hasDefaultPrompt: Bool
) throws(BertError) -> [TextInput] {
  let truncates = try flag(given.truncates, "truncates")
  let prompt = try TextPrompt(given, of: model) ?? (hasDefaultPrompt ? nil : .text(""))
  return (0..<inputs.count).map { index in
    var input = inputs[index]
    input.truncates = truncates
    if input.ids == nil { input.prompt = prompt }
    return input
  }
}

private func answered(
  _ texts: [TextInput], by model: Model, _ task: AnswerTask, _ settings: AnswerSettings,
  _ request: RequestOptions
) throws(BertError) -> [Result<TaskAnswer, BertError>] {
  switch task {
  case .classify:
    return model.classifyEach(texts, request: request).map { $0.map { .labels($0) } }
  case .zeroShot:
    return model.zeroShotEach(texts, settings.zeroShot, request: request)
      .map { $0.map { .judged($0) } }
  case .tag:
    return model.tagEach(texts, aggregation: settings.aggregation, request: request)
      .map { $0.map { .entities($0) } }
  case .answer:
    return model.answerEach(texts, options: settings.answering, request: request)
      .map { $0.map { .answers($0) } }
  case .fillMask:
    return model.fillMaskEach(
      texts, top: settings.top ?? 5, targets: settings.targets, request: request
    ).map { $0.map { .masks($0) } }
  case .nextSentence:
    return model.nextSentenceEach(texts, request: request).map { $0.map { .isNext($0) } }
  case .choose:
    return chosen(texts, by: model, among: settings.choices, request)
  case .sparse:
    return model.sparseEach(texts, request: request).map { $0.map { .sparse($0) } }
  case .rerank:
    return model.relevanceEach(texts, request: request).map { $0.map { .relevance($0) } }
  case .embedding, .tokens, .pooled, .multiVector:
    throw BertError(
      .usage, "the task '\(task.rawValue)' answers with vectors: it has a function of its own")
  }
}

/// Which of the same choices continues each text best; what is no single text is its own failure.
private func chosen(
  _ texts: [TextInput], by model: Model, among choices: [String], _ request: RequestOptions
) -> [Result<TaskAnswer, BertError>] {
  let questions = texts.map { text in
    Result { () throws(BertError) in try question(text, choices) }
  }
  var answers = model.chooseEach(questions.compactMap { try? $0.get() }, request: request)[...]
  return questions.map { question in
    question.flatMap { _ in answers.removeFirst().map { .choice($0) } }
  }
}

private func question(
  _ text: TextInput, _ choices: [String]
) throws(BertError) -> ChoiceInput {
  if text.ids != nil || text.pair != nil {
    throw BertError(.malformed, "choices continue one text, not a pair or token ids")
  }
  guard let words = String(validating: text.text, as: UTF8.self) else {
    throw BertError(.notUTF8, "the text is no UTF-8")
  }
  var question = ChoiceInput(words, choices: choices)
  question.truncates = text.truncates
  return question
}

/// A JSON Lines object for each text.
private func answerLines(_ results: [Result<TaskAnswer, BertError>]) -> [UInt8] {
  var bytes: [UInt8] = []
  for (index, result) in results.enumerated() {
    switch result {
    case .success(let answer):
      bytes += "{\"index\":\(index)".utf8
      answer.write(into: &bytes)
      bytes += "}\n".utf8
    case .failure(let error): bytes += failureLines([(index, error)])
    }
  }
  return bytes
}

@_cdecl("bertq_multi_vectors")
package func bertqMultiVectors(
  _ pointer: OpaquePointer?, _ input: UnsafePointer<bertq_input>?, _ isQuery: Int32,
  _ request: UnsafeMutablePointer<bertq_request>?, _ offsets: UnsafeMutablePointer<Int64>?,
  _ width: UnsafeMutablePointer<Int>?, _ values: UnsafeMutablePointer<OpaquePointer?>?,
  _ place: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  var failed: Int?
  do throws(BertError) {
    let values = try require(values, "the place of the values")
    let (offsets, width) = (
      try require(offsets, "the place of the offsets"), try require(width, "the place of the width")
    )
    values.pointee = nil
    let model = try model(pointer)
    let role: MultiVectorRole = try flag(isQuery, "is_query") ? .query : .document
    try model.served.require(.multiVector)
    let given = try read(request.map { UnsafePointer($0) }, bertq_request())
    // Without a prompt asked for, that of the texts' role stands before them.
    let texts = try taskInputs(Inputs(input), given, of: model, hasDefaultPrompt: true)
    let found = model.multiVectorEach(texts, as: role, request: try RequestOptions(given))
    var bytes: [UInt8] = []
    (offsets[0], width.pointee) = (0, 0)
    for (index, result) in found.enumerated() {
      failed = index
      let vectors = try result.get()
      vectors.values.withUnsafeBytes { bytes += $0 }
      offsets[index + 1] = offsets[index] + Int64(vectors.count)
      width.pointee = vectors.dimensions
    }
    values.pointee = OwnedText.give(bytes)
    return BertqCode.done
  } catch {
    return report(error, ofText: failed, to: place)
  }
}
