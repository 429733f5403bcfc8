import Bertq
import JSONText
import ServeShapes

/// Answers of heads that no other interface has: tags, answers, words for masks, labels of one's own.
///
/// All take `input`, a string or a list, and give `data` with an object for each: its members are those that
/// bert-run writes.
enum OwnRoutes {
  static let all = [
    Route(.post, "/v1/tag", .openAI, tag), Route(.post, "/v1/answer", .openAI, answer),
    Route(.post, "/v1/fill-mask", .openAI, fillMask),
    Route(.post, "/v1/zero-shot", .openAI, zeroShot),
  ]

  private static func reply<Answer>(
    _ found: HeadAnswers<Answer>, _ member: String,
    _ write: (inout AnswerText, Answer) -> Void
  ) -> Reply {
    var text = AnswerText()
    text.raw(#"{"object":"list","model":"#)
    text.string(found.served.name)
    text.raw(#","data":"#)
    text.list(found.answers.enumerated()) { text, item in
      text.raw(#"{"index":\#(item.offset),"\#(member)":"#)
      write(&text, item.element)
      text.raw("}")
    }
    text.raw(#","fingerprint":"#)
    text.string(found.served.fingerprint(.head))
    text.raw("}")
    return found.reply(text)
  }

  private static func texts(_ call: Call) throws(ServeError) -> TextList {
    var limits = call.server.limits
    limits.takesIDs = false
    var texts = try TextList(call.body, "input", limits)
    let truncates = try call.body.bool("truncate")
    for index in texts.inputs.indices { texts.inputs[index].truncates = truncates }
    return texts.cut(try call.body.truncationSide())
  }

  private static func top(_ call: Call) throws(ServeError) -> Int? {
    try call.body.integer("top", least: 1)
  }

  @Sendable static func tag(_ call: Call) async throws -> Reply {
    let names = Aggregation.allCases.map(\.rawValue)
    let name = try call.body.choice("aggregate", names)
    let aggregation = name.flatMap(Aggregation.init) ?? .simple
    let found = try await call.answer(placedIn: try texts(call), of: try call.body.string("model"))
    {
      await $0.tagEach($1, aggregation: aggregation, request: $2)
    }
    return reply(found, "entities") { text, entities in
      text.list(entities) { text, entity in
        text.raw(#"{"label":"#)
        text.string(entity.label)
        text.score(entity.score)
        text.place(entity.start, entity.end, entity.byteStart, entity.byteEnd)
        text.raw(#","text":"#)
        text.string(entity.text)
        text.raw("}")
      }
    }
  }

  @Sendable static func answer(_ call: Call) async throws -> Reply {
    let questions = try questions(call)
    var options = AnswerOptions()
    options.top = try top(call) ?? options.top
    options.longest = try call.body.integer("longest", least: 1) ?? options.longest
    options.stride = try call.body.integer("stride", least: 0) ?? options.stride
    options.allowsNone = try call.body.bool("allows_none") ?? options.allowsNone
    let chosen = options
    let found = try await call.answer(placedIn: questions, of: try call.body.string("model")) {
      await $0.answerEach($1, options: chosen, request: $2)
    }
    return reply(found, "answers") { text, spans in
      text.list(spans) { text, span in
        text.raw(#"{"text":"#)
        text.string(span.text)
        text.score(span.score)
        text.place(span.start, span.end, span.byteStart, span.byteEnd)
        text.raw("}")
      }
    }
  }

  /// `question` and `context`, or a list of such objects as `input`.
  private static func questions(_ call: Call) throws(ServeError) -> TextList {
    guard let value = call.body["input"] else {
      let question = try call.body.required("question")
      return TextList(
        [TextInput(question, pair: try call.body.required("context"))], isSingle: true,
        key: "context")
    }
    guard let list = value.arrayValue, !list.isEmpty else {
      throw JSONBody.wrong(value, "input", "a list of objects with 'question' and 'context'")
    }
    try JSONBody.count(list.count, "input", most: call.server.limits.inputs)
    var texts = TextList([], key: "input")
    for (index, item) in list.enumerated() {
      guard let question = item["question"]?.stringValue, let context = item["context"]?.stringValue
      else {
        throw JSONBody.wrong(
          item, "input[\(index)]", "an object with the strings 'question' and 'context'")
      }
      texts.inputs.append(TextInput(question, pair: context))
    }
    return texts
  }

  @Sendable static func fillMask(_ call: Call) async throws -> Reply {
    let top = try top(call) ?? 5
    let targets = try call.body.strings("targets", most: call.server.limits.inputs)
    let found = try await call.answer(placedIn: try texts(call), of: try call.body.string("model"))
    {
      await $0.fillMaskEach($1, top: top, targets: targets, request: $2)
    }
    return reply(found, "masks") { text, masks in
      text.list(masks) { text, mask in
        text.raw(#"{"start":\#(mask.start),"end":\#(mask.end),"candidates":"#)
        text.list(mask.candidates) { text, word in
          text.raw(#"{"token":"#)
          text.string(word.token)
          text.raw(#","id":\#(word.id)"#)
          text.score(word.score)
          text.raw("}")
        }
        text.raw("}")
      }
    }
  }

  @Sendable static func zeroShot(_ call: Call) async throws -> Reply {
    guard let labels = try call.body.strings("labels", most: 256) else {
      throw JSONBody.missing("labels")
    }
    var options = ZeroShotOptions(labels: labels, multi: try call.body.bool("multi") ?? false)
    options.hypothesis = try call.body.string("hypothesis") ?? options.hypothesis
    let chosen = options
    let found = try await call.answer(placedIn: try texts(call), of: try call.body.string("model"))
    {
      await $0.zeroShotEach($1, chosen, request: $2)
    }
    return reply(found, "labels") { text, answer in
      text.list(answer.labels) { text, label in
        text.raw(#"{"label":"#)
        text.string(label.label)
        text.score(label.score)
        text.raw("}")
      }
    }
  }
}

extension AnswerText {
  /// Appends the member `score`.
  mutating func score(_ score: Float) {
    raw(#","score":"#)
    number(score)
  }

  /// Appends where a part of a text lies, in Unicode scalars and in bytes.
  mutating func place(_ start: Int, _ end: Int, _ byteStart: Int, _ byteEnd: Int) {
    raw(#","start":\#(start),"end":\#(end),"byte_start":\#(byteStart),"byte_end":\#(byteEnd)"#)
  }
}
