import BertErrors
import JSONText

/// What a JSON line holds beside a text and its pair, for the tasks that need more.
struct TaskMembers: Sendable {
  /// Continuations to choose from.
  var choices: [String]?
  /// A query, and the documents that are ranked for it.
  var query: String?
  var documents: [String]?

  /// A plain text.
  init() {}

  /// Reads what an object holds of them.
  ///
  /// - Throws: `malformed` for members of another kind.
  init(_ object: JSONObject) throws(BertError) {
    choices = try Self.strings(object, "choices")
    documents = try Self.strings(object, "documents")
    if let value = object["query"], !value.isNull {
      guard let text = value.stringValue else {
        throw BertError(.malformed, "\"query\" is \(value.kind); expected a string")
      }
      query = text
    }
    if (query == nil) != (documents == nil) {
      throw BertError(.malformed, "\"query\" and \"documents\" go together")
    }
  }

  /// A list of strings; nil where there is none.
  static func strings(_ object: JSONObject, _ key: String) throws(BertError) -> [String]? {
    guard let value = object[key], !value.isNull else { return nil }
    let strings = value.arrayValue?.map(\.stringValue)
    guard let strings, !strings.contains(nil) else {
      throw BertError(.malformed, "\"\(key)\" must be an array of strings")
    }
    return strings.compactMap { $0 }
  }
}
