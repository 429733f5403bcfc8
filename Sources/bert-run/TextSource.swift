import BertEngine
import BertErrors
import CommandSupport
import Glibc
import JSONText

/// One input and what to call it in the results.
struct Item {
  let index: Int
  /// The caller's own id, written back as it came.
  let id: JSON?
  let input: TextInput
}

/// Where texts come from: arguments, a file, standard input, or the built-in ones.
struct TextSource {
  private let fixed: [String]
  private let reader: LineReader?
  private let name: String
  private let isJSON: Bool
  private var index = 0

  /// Texts that show a model at work when none are given.
  static let probes = [
    "A man is playing a guitar on the street.",
    "Someone performs music outdoors.",
    "The train to the coast leaves at nine.",
    "Interest rates rose again this quarter.",
  ]

  init(texts: [String], input: String?, isJSON: Bool) throws(BertError) {
    self.isJSON = isJSON
    name = input ?? "standard input"
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
  var progress: (done: Int, total: Int) { (reader?.bytesRead ?? 0, reader?.size ?? 0) }

  mutating func next() throws(BertError) -> Item? {
    let index = index
    guard let line = try nextLine(index) else { return nil }
    self.index += 1
    guard isJSON else { return Item(index: index, id: nil, input: TextInput(text: line)) }
    do throws(BertError) {
      return try Self.decode(line, index)
    } catch {
      var error = error
      error.message = "line \(index + 1): " + error.message
      error.byteOffset = nil
      throw error.inFile(name)
    }
  }

  private func nextLine(_ index: Int) throws(BertError) -> [UInt8]? {
    if let reader { return try reader.next() }
    return index < fixed.count ? Array(fixed[index].utf8) : nil
  }

  private static func decode(_ line: [UInt8], _ index: Int) throws(BertError) -> Item {
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
    guard (text == nil) != (ids == nil) else {
      throw BertError(.malformed, "needs exactly one of \"text\" and \"ids\"")
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
    return Item(
      index: index, id: object["id"],
      input: TextInput(text: text ?? [], pair: pair, ids: ids, types: types))
  }
}
