import BertErrors
import Bertq
import ByteFiles
import JSONText
import SystemLibrary

/// One input and what to call it in the results.
package struct NumberedText: Sendable {
  /// Its number, from 0.
  package let index: Int
  /// Where it stands in the input.
  package let place: InputPlace
  /// The caller's own id, written back as it came.
  package let id: JSON?
  /// What is to be answered.
  package let input: TextInput
  /// What some tasks need beside a text.
  let members: TaskMembers
}

/// Where texts come from: arguments, a file, standard input, or the built-in ones.
package struct TextSource {
  private let fixed: [String]
  private let fixedName: String
  private let reader: LineReader?
  let isJSON: Bool
  private var index = 0

  /// Texts that show a model at work when none are given.
  package static let probes = [
    "A man is playing a guitar on the street.",
    "Someone performs music outdoors.",
    "The train to the coast leaves at nine.",
    "Interest rates rose again this quarter.",
  ]

  /// Texts from the command line if there are any, else from a file, else from standard input.
  ///
  /// - Throws: `notFound` when the file cannot be read.
  package init(texts: [String], input: String?, isJSON: Bool) throws(BertError) {
    self.isJSON = isJSON
    fixedName = texts.isEmpty ? "the built-in texts" : "the command line"
    if !texts.isEmpty {
      fixed = texts
      reader = nil
    } else if input == nil, isatty(0) != 0 {
      Console.note("note: no texts given; using the built-in ones")
      fixed = Self.probes
      reader = nil
    } else {
      fixed = []
      reader = try LineReader(path: input)
    }
  }

  /// How much of the input is read, in bytes; the total is 0 when unknown.
  package var progress: (done: Int, total: Int) { (reader?.bytesRead ?? 0, reader?.size ?? 0) }

  /// The next text; nil when there is none.
  ///
  /// - Throws: `malformed` with the place for a line that is none.
  package mutating func next() throws(BertError) -> NumberedText? {
    guard let (line, place) = try nextLine() else { return nil }
    defer { index += 1 }
    guard isJSON else {
      return NumberedText(
        index: index, place: place, id: nil, input: TextInput(text: line), members: TaskMembers())
    }
    do throws(BertError) {
      let (id, input, members) = try Self.decode(line)
      return NumberedText(index: index, place: place, id: id, input: input, members: members)
    } catch {
      throw place.locate(error)
    }
  }

  private func nextLine() throws(BertError) -> (line: [UInt8], place: InputPlace)? {
    if let reader { return try reader.next().map { ($0, reader.place) } }
    guard index < fixed.count else { return nil }
    return (
      Array(fixed[index].utf8), InputPlace(text: index + 1, fixed[index], of: fixedName)
    )
  }

  private static func decode(
    _ line: [UInt8]
  ) throws(BertError) -> (id: JSON?, input: TextInput, members: TaskMembers) {
    let json = try JSON.parse(line)
    guard let object = json.objectValue else {
      throw BertError(.malformed, "is \(json.kind); expected an object with \"text\" or \"ids\"")
    }
    func bytes(_ key: String) throws(BertError) -> [UInt8]? {
      guard let value = object[key], !value.isNull else { return nil }
      guard let string = value.stringValue else {
        throw BertError(.malformed, "\"\(key)\" is \(value.kind); expected a string")
      }
      return Array(string.utf8)
    }
    func integers<T: FixedWidthInteger>(_ key: String, _: T.Type) throws(BertError) -> [T]? {
      guard let value = object[key], !value.isNull else { return nil }
      let numbers = value.arrayValue?.map { $0.integerValue.flatMap { T(exactly: $0) } }
      guard let numbers, !numbers.contains(nil) else {
        throw BertError(.malformed, "\"\(key)\" must be an array of whole numbers")
      }
      return numbers.compactMap { $0 }
    }
    let text = try bytes("text")
    let ids = try integers("ids", Int32.self)
    let words = try TaskMembers.strings(object, "words")
    let members = try TaskMembers(object)
    let given = [text != nil, ids != nil, words != nil, members.query != nil].count { $0 }
    guard given == 1 else {
      throw BertError(
        .malformed,
        given == 0 && words == nil
          ? "needs exactly one of \"text\" and \"ids\""
          : "needs exactly one of \"text\", \"words\", \"ids\" and \"query\"")
    }
    let pair = try bytes("pair")
    let types = try integers("types", UInt8.self)
    if ids == nil && types != nil {
      throw BertError(
        .malformed, "\"types\" go with \"ids\"; those of \"text\" and \"pair\" are 0 and 1")
    }
    if ids != nil && pair != nil {
      throw BertError(
        .malformed, "\"pair\" goes with \"text\"; \"ids\" hold both texts, told apart by \"types\"")
    }
    if case .number = object["id"] {
      throw BertError(
        .malformed,
        "\"id\" is a number that would not be given back as it is: write it as a string")
    }
    var input = TextInput(text: text ?? [], pair: pair, ids: ids, types: types)
    input.words = words
    return (object["id"], input, members)
  }
}
