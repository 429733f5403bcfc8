import Bertq
import JSONText
import ServeShapes

/// Texts to tokens and back.
enum TokenRoutes {
  static let all = [
    Route(.post, "/tokenize", .tei, tokenize), Route(.post, "/decode", .tei, decode),
  ]

  @Sendable static func tokenize(_ call: Call) async throws -> Reply {
    let request = try TokenizeRequest(call.body, call.server.limits)
    let model = try call.model(try call.body.string("model")).model
    let tokens = try await call.tokenize(request.texts, for: model, truncates: false)
    // What the frame adds is what a text without words has.
    let frame = try? model.tokenize(TextInput("", prompt: .text("")))
    let specials = Set(frame?.ids ?? [])
    var text = AnswerText()
    text.list(tokens.inputs) { text, input in
      let ids = input.ids.filter { request.hasSpecials || !specials.contains($0) }
      text.list(ids) { text, id in
        text.raw(#"{"id":\#(id),"text":"#)
        text.value(model.token(id).map { .string($0) } ?? .null)
        text.raw(#","special":\#(specials.contains(id)),"start":null,"stop":null}"#)
      }
    }
    return Reply(text)
  }

  @Sendable static func decode(_ call: Call) async throws -> Reply {
    let request = try DecodeRequest(call.body, call.server.limits)
    let model = try call.model(try call.body.string("model")).model
    var texts: [String] = []
    for ids in request.ids {
      do throws(BertError) {
        texts.append(try model.decode(ids, skippingSpecials: request.skipsSpecials))
      } catch {
        throw ServeError(error, place: "ids")
      }
    }
    var text = AnswerText()
    text.list(texts) { $0.string($1) }
    return Reply(text)
  }
}
