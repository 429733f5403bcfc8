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
    let texts = request.own.texts
    let found = try await call.answer(
      placedIn: texts, of: request.own.model, longest: { _ in texts }
    ) {
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
    let texts = request.own.texts
    let found = try await call.answer(
      placedIn: texts, of: request.own.model,
      longest: { model throws(ServeError) in
        try check(request.targets ?? [], model)
        return texts
      },
      check: { model, tokens throws(ServeError) in
        try request.check(masks: maskCount(tokens, model, upTo: request.mostMasks))
      }
    ) {
      await $0.fillMaskEach($1, top: request.top, targets: request.targets, request: $2)
    }
    // Should a vocabulary not say that its mask is special, they were not counted before.
    try request.check(masks: found.answers.reduce(0) { $0 + $1.count })
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

  /// Refuses words of which none is a token of the vocabulary.
  private static func check(_ targets: [String], _ model: Model) throws(ServeError) {
    var faults = ItemFaults()
    for (index, target) in targets.enumerated() {
      do throws(BertError) {
        // Of no text; the words are looked up all the same.
        _ = try model.fillMask([TextInput](), targets: [target])
      } catch {
        if error.code == .unsupported { throw ServeError(error, place: nil) }
        faults.note(
          ServeError(error, place: "targets[\(index)]", isOfRequest: true), at: index)
      }
    }
    try faults.check()
  }

  /// How many masks texts may have: as many as tokens that stand for no text, beside those that frame each.
  ///
  /// - Parameter most: up to so many tokens nothing needs to be counted.
  private static func maskCount(_ tokens: TokenizedTexts, _ model: Model, upTo most: Int) -> Int {
    if tokens.tokens <= most { return tokens.inputs.count }
    var areSpecial: [Int32: Bool] = [:]
    var masks = 0
    for input in tokens.inputs {
      let specials = input.ids.reduce(0) { count, id in
        let isSpecial = areSpecial[id] ?? ((try? model.decode([id])) == "")
        areSpecial[id] = isSpecial
        return count + (isSpecial ? 1 : 0)
      }
      masks += max(1, specials - 2)
    }
    return masks
  }

  @Sendable static func zeroShot(_ call: Call) async throws -> Reply {
    let request = try ZeroShotRequest(call.body, call.server.limits)
    let texts = request.own.texts
    let found = try await call.answer(
      placedIn: texts, of: request.own.model,
      longest: { model throws(ServeError) in try behind(request.hypotheses, model, texts) }
    ) {
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

extension OwnRoutes {
  /// Texts with the longest hypothesis that is asked of them.
  private static func behind(
    _ hypotheses: [String], _ model: Model, _ texts: TextList
  ) throws(ServeError) -> TextList {
    var longest = (text: "", count: -1)
    for text in hypotheses {
      do throws(BertError) {
        let count = try model.count(TextInput(text, prompt: .text("")))
        if count > longest.count { longest = (text, count) }
      } catch {
        throw ServeError(error, place: "labels", isOfRequest: true)
      }
    }
    var texts = texts
    for index in texts.inputs.indices { texts.inputs[index].pair = Array(longest.text.utf8) }
    return texts
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
