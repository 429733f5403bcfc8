import Bertq
import JSONText

/// text-embeddings-inference's `/tokenize`.
package struct TokenizeRequest: Sendable {
  package var texts: TextList
  package var hasSpecials: Bool

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    var limits = limits
    limits.takesIDs = false
    texts = try TextList(body, "inputs", limits, allowsEmpty: true)
    hasSpecials = try body.bool("add_special_tokens") ?? true
    let prompt = try body.string("prompt_name").map(TextPrompt.named)
    texts = texts.behind(prompt ?? .text(""))
  }
}

/// text-embeddings-inference's `/decode`.
package struct DecodeRequest: Sendable {
  package var ids: [[Int32]]
  package var skipsSpecials: Bool

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    var limits = limits
    limits.takesIDs = true
    guard let value = body["ids"] else { throw JSONBody.missing("ids") }
    guard value.arrayValue != nil else { throw JSONBody.wrong(value, "ids", "a list") }
    let lists = try TextList(body, "ids", limits)
    ids = []
    for (index, input) in lists.inputs.enumerated() {
      guard let list = input.ids else {
        throw ServeError(
          .invalidRequest, "\(lists.place(index)) is a string; expected token ids",
          place: lists.place(index))
      }
      ids.append(list)
    }
    skipsSpecials = try body.bool("skip_special_tokens") ?? true
  }
}
