import Bertq
import JSONText
import ServeShapes

/// Texts to tokens and back.
enum TokenRoutes {
  static let all = [
    Route(.POST, "/tokenize", .tei, tokenize), Route(.POST, "/decode", .tei, decode),
  ]

  @Sendable static func tokenize(_ call: Call) async throws -> Reply {
    let request = try TokenizeRequest(call.body, call.server.limits)
    let served = try call.model(try call.body.string("model"))
    let model = served.model
    try call.checkPrompt(of: request.texts, for: model)
    var texts: [[PlacedToken]] = []
    var faults = ItemFaults()
    var turns = try Turns(call)
    for (index, input) in request.texts.inputs.enumerated() {
      do throws(BertError) {
        texts.append(try model.placedTokens(input, addsSpecials: request.hasSpecials))
      } catch {
        faults.note(
          ServeError(error, place: request.texts.place(index), isOfRequest: true), at: index)
      }
      try await turns.after(input.text.count)
    }
    try faults.check()
    var text = AnswerText()
    text.list(texts) { text, tokens in
      text.list(tokens) { write($1, model, into: &$0) }
    }
    return Reply(text, madeBy: served.fingerprint(.vectors), of: served.name)
  }

  /// A token of the text: the piece of text that it stands for, and the bytes where that lies.
  private static func write(
    _ token: PlacedToken, _ model: Model, into text: inout AnswerText
  ) {
    text.raw(#"{"id":\#(token.id),"text":"#)
    if token.isSpecial {
      text.value(model.token(token.id).map { .string($0) } ?? .null)
      text.raw(#","special":true,"start":null,"stop":null}"#)
    } else {
      text.string(token.text)
      text.raw(#","special":false,"start":\#(token.byteStart),"stop":\#(token.byteEnd)}"#)
    }
  }

  @Sendable static func decode(_ call: Call) async throws -> Reply {
    let request = try DecodeRequest(call.body, call.server.limits)
    let served = try call.model(try call.body.string("model"))
    let model = served.model
    var texts: [String] = []
    for ids in request.ids {
      do throws(BertError) {
        texts.append(try model.decode(ids, skippingSpecials: request.skipsSpecials))
      } catch {
        throw ServeError(error, place: "ids")
      }
    }
    // What the file holds no vocabulary for was refused already.
    try request.check { model.token($0) != nil }
    var text = AnswerText()
    text.list(texts) { $0.string($1) }
    return Reply(text, madeBy: served.fingerprint(.vectors), of: served.name)
  }
}
