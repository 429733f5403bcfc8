import Bertq
import JSONText
import ServeShapes

/// Answers of heads that no other interface has: tags, answers, words for masks, labels of one's own.
///
/// All take `input`, a string or a list, and give `data` with an object for each: its members are those that
/// bert-run writes.
enum OwnRoutes {
  static let all = [
    Route(.POST, "/v1/tag", .openAI, tag), Route(.POST, "/v1/answer", .openAI, answer),
    Route(.POST, "/v1/fill-mask", .openAI, fillMask),
    Route(.POST, "/v1/zero-shot", .openAI, zeroShot),
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

  @Sendable static func tag(_ call: Call) async throws -> Reply {
    let request = try TagRequest(call.body, call.server.limits)
    let found = try await call.answer(placedIn: request.own.texts, of: request.own.model) {
      await $0.tagEach($1, aggregation: request.aggregation, request: $2)
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
    let request = try AnswerRequest(call.body, call.server.limits)
    let found = try await call.answer(placedIn: request.questions, of: request.model) {
      await $0.answerEach($1, options: request.options, request: $2)
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

  @Sendable static func fillMask(_ call: Call) async throws -> Reply {
    let request = try FillMaskRequest(call.body, call.server.limits)
    let found = try await call.answer(placedIn: request.own.texts, of: request.own.model) {
      await $0.fillMaskEach($1, top: request.top, targets: request.targets, request: $2)
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
    let request = try ZeroShotRequest(call.body, call.server.limits)
    let found = try await call.answer(placedIn: request.own.texts, of: request.own.model) {
      await $0.zeroShotEach($1, request.options, request: $2)
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
