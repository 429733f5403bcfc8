import Bertq
import JSONText

/// A request's JSON object, whose members are read by name and type.
///
/// A member that is `null` counts as absent, and members that nobody asks for are let go: clients send
/// both.
package struct JSONBody: Sendable {
  private let members: JSONObject
  /// What stands before the names of members where an error names their place.
  private let path: String

  /// A body without members.
  package init() { self.init(JSONObject()) }

  /// Deeper bodies than any route's are refused.
  private static let deepest = 16
  /// Values of a body, at most: they take more memory than their text.
  private static let mostValues = 1 << 20

  /// Reads a body.
  ///
  /// - Throws: `invalidRequest` for what is no JSON object, with the offset.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ServeError) {
    guard bytes.contains(where: { $0 > 0x20 }) else {
      throw ServeError(.invalidRequest, "the body is empty; expected a JSON object")
    }
    guard Self.values(bytes) <= Self.mostValues else {
      throw ServeError(
        .tooLarge, "the body holds more than \(Self.mostValues) values; send several requests")
    }
    let value: JSON
    do throws(BertError) {
      value = try JSON.parse(bytes, maximumDepth: Self.deepest)
    } catch {
      let place = error.byteOffset.map { " at byte \($0)" } ?? ""
      throw ServeError(.invalidRequest, "the body is not JSON\(place): \(error.message)")
    }
    guard let members = value.objectValue else {
      throw ServeError(.invalidRequest, "the body is \(value.kind); expected an object")
    }
    self.init(members)
  }

  /// Reads a body in memory.
  package init(_ text: String) throws(ServeError) {
    let bytes = Array(text.utf8)
    self = try bytes.withUnsafeBufferPointer { bytes throws(ServeError) in
      try JSONBody(UnsafeRawBufferPointer(bytes))
    }
  }

  private init(_ members: JSONObject, path: String = "") {
    self.members = members
    self.path = path
  }

  /// Where a member stands in the request.
  package func place(_ key: String) -> String { path + key }

  /// At least as many values as the text has: every one but the first of a list or an object follows a comma.
  private static func values(_ bytes: UnsafeRawBufferPointer) -> Int {
    var count = 1
    var isText = false
    var isEscaped = false
    for byte in bytes {
      if isText {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isText = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""): isText = true
      case UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "{"): count += 1
      default: break
      }
    }
    return count
  }

  /// A member that is there and not null.
  package subscript(key: String) -> JSON? {
    guard let value = members[key], !value.isNull else { return nil }
    return value
  }

  /// The first of these members that is there, with its name.
  package func first(of keys: String...) -> (key: String, value: JSON)? {
    for key in keys { if let value = self[key] { return (key, value) } }
    return nil
  }

  package func string(_ key: String) throws(ServeError) -> String? {
    guard let value = self[key] else { return nil }
    guard let text = value.stringValue else { throw Self.wrong(value, place(key), "a string") }
    return text
  }

  package func bool(_ key: String) throws(ServeError) -> Bool? {
    guard let value = self[key] else { return nil }
    guard let flag = value.boolValue else { throw Self.wrong(value, place(key), "true or false") }
    return flag
  }

  /// An integer of a range: every number that a client gives has one, since somebody reckons with it.
  package func integer(_ key: String, _ range: ClosedRange<Int>) throws(ServeError) -> Int? {
    guard let value = self[key] else { return nil }
    guard let number = value.integerValue else {
      throw Self.wrong(value, place(key), "an integer")
    }
    guard range.contains(number) else {
      throw ServeError(
        .invalidRequest,
        "\(place(key)) is \(number); expected \(range.lowerBound) to \(range.upperBound)",
        place: place(key))
    }
    return number
  }

  package func object(_ key: String) throws(ServeError) -> JSONBody? {
    guard let value = self[key] else { return nil }
    guard let members = value.objectValue else { throw Self.wrong(value, place(key), "an object") }
    return JSONBody(members, path: place(key) + ".")
  }

  /// A string of a list of them, in any case.
  package func choice(_ key: String, _ choices: [String]) throws(ServeError) -> String? {
    guard let value = self[key] else { return nil }
    let expected = choices.joined(separator: " or ")
    guard let text = value.stringValue?.lowercased() else {
      throw Self.wrong(value, place(key), expected)
    }
    guard choices.contains(text) else {
      throw ServeError(
        .invalidRequest, "\(place(key)) is '\(text.prefix(40))'; expected \(expected)",
        place: place(key))
    }
    return text
  }

  /// text-embeddings-inference's `truncation_direction`.
  package func truncationSide() throws(ServeError) -> TruncationSide? {
    switch try choice("truncation_direction", ["left", "right"]) {
    case "left": .left
    case "right": .right
    default: nil
    }
  }

  /// A list of strings.
  ///
  /// - Parameter allowsEmpty: takes strings without a character too.
  package func strings(
    _ key: String, most: Int, allowsEmpty: Bool = true
  ) throws(ServeError) -> [String]? {
    guard let value = self[key] else { return nil }
    guard let list = value.arrayValue else {
      throw Self.wrong(value, place(key), "a list of strings")
    }
    try Self.count(list.count, place(key), most: most)
    var strings: [String] = []
    var faults = ItemFaults()
    for (index, item) in list.enumerated() {
      let place = "\(place(key))[\(index)]"
      do throws(ServeError) {
        guard let text = item.stringValue else { throw Self.wrong(item, place, "a string") }
        strings.append(allowsEmpty ? text : try Self.filled(text, place))
      } catch {
        faults.note(error, at: index)
      }
    }
    try faults.check()
    return strings
  }

  /// A string that must be there, and be none without a character.
  package func required(_ key: String) throws(ServeError) -> String {
    guard let text = try string(key) else { throw missing(key) }
    return try Self.filled(text, place(key))
  }

  /// A text that is not empty: of none, answers would look right and mean nothing.
  package static func filled(_ text: String, _ place: String) throws(ServeError) -> String {
    if text.isEmpty {
      throw ServeError(.invalidRequest, "\(place) is an empty string", place: place)
    }
    return text
  }

  package func missing(_ key: String) -> ServeError {
    ServeError(.invalidRequest, "'\(place(key))' is missing", place: place(key))
  }

  package static func wrong(_ value: JSON, _ place: String, _ expected: String) -> ServeError {
    ServeError(
      .invalidRequest, "\(place) is \(value.kind); expected \(expected)", place: place)
  }

  /// Refuses more items than a request may have.
  package static func count(_ count: Int, _ place: String, most: Int) throws(ServeError) {
    guard count <= most else {
      throw ServeError(
        .tooLarge, "\(place) has \(count) items; a request may have \(most)", place: place)
    }
  }
}

extension JSONBody {
  /// All that can be asked of some route beside its texts.
  package static let options = [
    "truncate", "truncation_direction", "normalize", "prompt_name", "dimensions",
    "output_dimension",
    "encoding_format", "embedding_types", "raw_scores", "return_documents", "return_text", "top",
    "top_k", "top_n", "max_tokens_per_doc", "aggregate", "longest", "stride", "allows_none",
    "targets",
    "hypothesis", "multi", "add_special_tokens", "skip_special_tokens",
  ]

  /// Refuses what another route does and this one does not.
  ///
  /// Let go in silence, it would look as if it had been done. Members that no route knows are let go.
  package func takes(only known: [String]) throws(ServeError) {
    for key in Self.options where self[key] != nil && !known.contains(key) {
      throw ServeError(
        .invalidRequest, "'\(place(key))' is not supported by this route; leave it out",
        place: place(key))
    }
  }
}
