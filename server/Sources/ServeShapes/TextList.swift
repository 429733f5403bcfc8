import Bertq
import JSONText

/// What a client wants computed: texts, or token ids.
package struct TextList: Sendable {
  /// What a client may send.
  package struct Limits: Sendable {
    /// Texts of a request.
    package var inputs = 2048
    /// Whether token ids are taken instead of texts.
    package var takesIDs = false

    package init(inputs: Int = 2048, takesIDs: Bool = false) {
      self.inputs = inputs
      self.takesIDs = takesIDs
    }
  }

  /// The inputs in order.
  package var inputs: [TextInput]
  /// Whether the client sent one text, not a list.
  package var isSingle: Bool
  /// The member they came from.
  package var key: String
  /// The member that the first input came from, where that stands for itself beside a list.
  package var lead: String?
  /// The member that names the prompt before them.
  package var promptPlace = "prompt_name"
  /// What a client sends to have texts cut.
  package var cutting = "\"truncate\": true"

  package init(_ inputs: [TextInput], isSingle: Bool = false, key: String) {
    self.inputs = inputs
    self.isSingle = isSingle
    self.key = key
  }

  /// The same inputs, cut at this end where they are too long.
  package func cut(_ side: TruncationSide?) -> TextList {
    guard side != nil else { return self }
    var list = self
    for index in list.inputs.indices { list.inputs[index].truncationSide = side }
    return list
  }

  /// Where an input stands in the request.
  package func place(_ index: Int) -> String {
    if let lead, index == 0 { return lead }
    return isSingle ? key : "\(key)[\(position(index) ?? 0)]"
  }

  /// Where an input stands in its list; nil for one beside it.
  package func position(_ index: Int) -> Int? {
    guard lead != nil else { return index }
    return index == 0 ? nil : index - 1
  }

  /// Reads a string, a list of strings, a list of ids or a list of lists of ids.
  package init(
    _ body: JSONBody, _ key: String, _ limits: Limits, allowsEmpty: Bool = false
  ) throws(ServeError) {
    guard let value = body[key] else { throw body.missing(key) }
    let key = body.place(key)
    self.init([], key: key)
    if let text = value.stringValue {
      isSingle = true
      inputs = [TextInput(allowsEmpty ? text : try JSONBody.filled(text, key))]
      return
    }
    guard let list = value.arrayValue else {
      throw JSONBody.wrong(value, key, "a string or a list of strings")
    }
    if list.isEmpty {
      if allowsEmpty { return }
      throw ServeError(.invalidRequest, "\(key) is an empty list", place: key)
    }
    if list[0].integerValue != nil {
      isSingle = true
      inputs = [try Self.ids(list, key, limits)]
      return
    }
    try JSONBody.count(list.count, key, most: limits.inputs)
    inputs.reserveCapacity(list.count)
    var faults = ItemFaults()
    for (index, item) in list.enumerated() {
      do throws(ServeError) {
        inputs.append(try Self.input(item, "\(key)[\(index)]", limits, allowsEmpty))
      } catch {
        faults.note(error, at: index)
      }
    }
    try faults.check()
  }

  private static func input(
    _ item: JSON, _ place: String, _ limits: Limits, _ allowsEmpty: Bool
  ) throws(ServeError) -> TextInput {
    if let text = item.stringValue {
      return TextInput(allowsEmpty ? text : try JSONBody.filled(text, place))
    }
    guard let ids = item.arrayValue else { throw JSONBody.wrong(item, place, "a string") }
    return try Self.ids(ids, place, limits)
  }

  private static func ids(
    _ list: [JSON], _ place: String, _ limits: Limits
  ) throws(ServeError) -> TextInput {
    guard limits.takesIDs else {
      throw ServeError(
        .tokenIDs,
        "\(place) is a list of token ids, probably of another model's tokenizer; send the text. LangChain's "
          + "OpenAIEmbeddings does so with check_embedding_ctx_length=False. A server that is to take ids of "
          + "its model's own vocabulary is started with --accept-token-ids", place: place
      ).final
    }
    var ids: [Int32] = []
    for (index, item) in list.enumerated() {
      guard let id = item.integerValue.flatMap({ Int32(exactly: $0) }) else {
        throw JSONBody.wrong(item, "\(place)[\(index)]", "a token id")
      }
      ids.append(id)
    }
    if ids.isEmpty { throw ServeError(.invalidRequest, "\(place) is an empty list", place: place) }
    return TextInput(ids: ids)
  }
}
