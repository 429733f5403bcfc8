import BertErrors
import Bertq
import ByteFiles
import JSONText

/// One record of an input: a text of the command line, a line of text, a JSON object, or a row of a table.
///
/// It holds the members that its task reads, under the names of `RecordMembers`.
package struct InputRecord: Sendable {
  /// Its number among the records, from 0.
  package let index: Int
  /// Where it stands in the input.
  package let place: InputPlace
  /// The caller's own id, a string or an integer, written back as it came.
  package let id: JSON?
  /// What it says.
  private let content: Content

  private enum Content {
    case text([UInt8])
    case members(JSONObject)
  }

  /// A record that is a text and nothing else.
  init(index: Int, place: InputPlace, text: [UInt8]) {
    (self.index, self.place, id, content) = (index, place, nil, .text(text))
  }

  /// A record of members.
  init(index: Int, place: InputPlace, id: JSON?, members: JSONObject) {
    (self.index, self.place, self.id, content) = (index, place, id, .members(members))
  }

  /// The text of a record that has no members.
  package var plainText: [UInt8]? {
    if case .text(let text) = content { text } else { nil }
  }

  /// A member; nil when there is none, or it is null.
  package subscript(_ name: String) -> JSON? {
    guard case .members(let members) = content, let value = members[name] else { return nil }
    return value.isNull ? nil : value
  }

  /// The names of the members that were read.
  package var names: [String] {
    if case .members(let members) = content { members.keys } else { [] }
  }
}

// MARK: Members of a kind

extension InputRecord {
  /// A member that must be a string if it is there; of a plain record, its text under the name `text`.
  ///
  /// - Throws: `malformed` for another kind of value.
  package func text(_ name: String) throws(BertError) -> [UInt8]? {
    if let plainText { return name == "text" ? plainText : nil }
    return try string(name).map { Array($0.utf8) }
  }

  /// A member that must be a string if it is there.
  ///
  /// - Throws: `malformed` for another kind of value.
  package func string(_ name: String) throws(BertError) -> String? {
    guard let value = self[name] else { return nil }
    guard let string = value.stringValue else {
      throw BertError(.malformed, "\"\(name)\" is \(value.kind); expected a string")
    }
    return string
  }

  /// A member that must be an array of strings if it is there.
  ///
  /// - Throws: `malformed` for another kind of value.
  package func strings(_ name: String) throws(BertError) -> [String]? {
    guard let value = self[name] else { return nil }
    let strings = value.arrayValue?.map(\.stringValue)
    guard let strings, !strings.contains(nil) else {
      throw BertError(.malformed, "\"\(name)\" must be an array of strings")
    }
    return strings.compactMap { $0 }
  }

  /// A member that must be an array of whole numbers of a type if it is there.
  ///
  /// - Throws: `malformed` for another kind of value.
  package func integers<T: FixedWidthInteger>(
    _ name: String, _: T.Type
  ) throws(BertError) -> [T]? {
    guard let value = self[name] else { return nil }
    guard let array = value.arrayValue else {
      throw BertError(
        .malformed, "\"\(name)\" is \(value.kind); expected whole numbers in an array")
    }
    return try array.map { (element) throws(BertError) -> T in
      if let number = element.integerValue.flatMap({ T(exactly: $0) }) { return number }
      throw BertError(
        .malformed,
        "\"\(name)\" holds \(element.integerValue.map { "\($0)" } ?? element.kind); expected whole "
          + "numbers from \(T.min) to \(T.max)")
    }
  }

  /// A member that must be true or false if it is there.
  ///
  /// - Throws: `malformed` for another kind of value.
  package func flag(_ name: String) throws(BertError) -> Bool? {
    guard let value = self[name] else { return nil }
    guard let flag = value.boolValue else {
      throw BertError(.malformed, "\"\(name)\" is \(value.kind); expected true or false")
    }
    return flag
  }
}

/// A record that cannot be answered, and why.
package struct FailedRecord: Sendable {
  /// Its number among the records, from 0.
  package let index: Int
  /// The caller's own id, where it could be read.
  package let id: JSON?
  /// What is wrong, with its place.
  package let error: BertError
}
