import Bertq
import JSONText

/// text-embeddings-inference's `/tokenize`.
package struct TokenizeRequest: Sendable {
  package var texts: TextList
  package var hasSpecials: Bool

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    try body.takes(only: ["add_special_tokens", "prompt_name"])
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
  /// Whether the client sent one list of ids, not a list of lists.
  package var isSingle: Bool
  package var skipsSpecials: Bool

  package init(_ body: JSONBody, _ limits: TextList.Limits) throws(ServeError) {
    try body.takes(only: ["skip_special_tokens"])
    var limits = limits
    limits.takesIDs = true
    guard let value = body["ids"] else { throw body.missing("ids") }
    guard value.arrayValue != nil else { throw JSONBody.wrong(value, "ids", "a list") }
    let lists = try TextList(body, "ids", limits)
    isSingle = lists.isSingle
    ids = []
    var faults = ItemFaults()
    for (index, input) in lists.inputs.enumerated() {
      if let list = input.ids {
        ids.append(list)
        continue
      }
      let place = lists.place(index)
      faults.note(
        ServeError(.invalidRequest, "\(place) is a string; expected token ids", place: place),
        at: index)
    }
    try faults.check()
    skipsSpecials = try body.bool("skip_special_tokens") ?? true
  }

  /// Refuses ids that are none of the vocabulary's: they would be passed over.
  package func check(isKnown: (Int32) -> Bool) throws(ServeError) {
    var faults = ItemFaults()
    for (index, list) in ids.enumerated() {
      for (place, id) in list.enumerated() where !isKnown(id) {
        let name = isSingle ? "ids[\(place)]" : "ids[\(index)][\(place)]"
        faults.note(
          ServeError(
            .invalidRequest, "\(name) is \(id), which is no id of the model's vocabulary",
            place: name), at: isSingle ? place : index)
        // One of a list names it.
        if !isSingle { break }
      }
    }
    try faults.check()
  }
}
