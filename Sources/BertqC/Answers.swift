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
    let task: AnswerTask = try choice(text(task) ?? "", "task")
    let settings = try AnswerSettings(text(settings), for: task)
    try model.served.require(task)
    let given = try read(request.map { UnsafePointer($0) }, bertq_request())
    if !task.takesPrompt, let prompt = try TextPrompt(given), prompt != .text("") {
      throw BertError(.usage, "the task \(task.rawValue) takes no prompt: leave it out")
    }
    let texts = try taskInputs(Inputs(input), given, hasDefaultPrompt: task.hasDefaultPrompt)
    let results = try answered(texts, by: model, task, settings, RequestOptions(given))
    place.pointee = OwnedText.give(answerLines(results))
  }
}

/// The caller's texts, with how each is to be read.
private func taskInputs(
  _ inputs: Inputs, _ given: bertq_request, hasDefaultPrompt: Bool
) throws(BertError) -> [TextInput] {
  let prompt = try TextPrompt(given) ?? (hasDefaultPrompt ? nil : .text(""))
  return (0..<inputs.count).map { index in
    var input = inputs[index]
    input.truncates = given.truncates != 0
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
    let questions = texts.map {
      ChoiceInput(String(decoding: $0.text, as: UTF8.self), choices: settings.choices)
    }
    return model.chooseEach(questions, request: request).map { $0.map { .choice($0) } }
  case .sparse:
    return model.sparseEach(texts, request: request).map { $0.map { .sparse($0) } }
  case .rerank:
    return model.relevanceEach(texts, request: request).map { $0.map { .relevance($0) } }
  case .embedding, .tokens, .pooled, .multiVector:
    throw BertError(
      .usage, "the task '\(task.rawValue)' answers with vectors: it has a function of its own")
  }
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
    let given = try read(request.map { UnsafePointer($0) }, bertq_request())
    // Without a prompt asked for, that of the texts' role stands before them.
    let texts = try taskInputs(Inputs(input), given, hasDefaultPrompt: true)
    let found = try model(pointer).multiVectorEach(
      texts, as: isQuery != 0 ? .query : .document, request: RequestOptions(given))
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
