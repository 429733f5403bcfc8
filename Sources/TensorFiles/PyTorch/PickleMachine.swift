import BertErrors

/// Reads a Python pickle that describes tensors, and can do nothing else.
///
/// Python runs a pickle as a program that may call any function. This machine knows the names in
/// `PickleGlobal` and makes plain values of them; any other name ends the reading where it is
/// met. Every count is capped by `FileLimits`. The language: `pickletools.py` of CPython.
struct PickleMachine {
  var graph = PickleGraph()
  private(set) var reader: ByteReader

  private var stack: [PickleGraph.Value] = []
  private var marks: [Int] = []
  private var memo: [Int: PickleGraph.Value] = [:]
  private var valueCount = 0

  private init(_ reader: ByteReader) { self.reader = reader }

  /// Reads one pickle; `reader` is left behind its end.
  static func read(_ reader: inout ByteReader) throws(BertError) -> PickleGraph {
    let end = min(reader.end, reader.position + FileLimits.pickle)
    var machine = PickleMachine(reader.part(reader.position..<end, as: "the pickle"))
    while try machine.step() {}
    try reader.skip(machine.reader.position - reader.position)
    return machine.graph
  }

  // MARK: Stack

  private mutating func push(_ value: PickleGraph.Value) throws(BertError) {
    if stack.count >= FileLimits.pickleStack { throw tooMuch("values on its stack") }
    stack.append(value)
  }

  private mutating func pop() throws(BertError) -> PickleGraph.Value {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else {
      throw reader.damaged("the pickle takes a value that it has not made")
    }
    return value
  }

  /// The value on top, which stays.
  private func top() throws(BertError) -> PickleGraph.Value {
    guard stack.count > marks.last ?? 0, let value = stack.last else {
      throw reader.damaged("the pickle takes a value that it has not made")
    }
    return value
  }

  /// The values down to the last mark, which goes with them.
  private mutating func popMarked() throws(BertError) -> [PickleGraph.Value] {
    guard let mark = marks.popLast() else {
      throw reader.damaged("the pickle takes values down to a mark that it has not made")
    }
    let values = Array(stack[mark...])
    stack.removeSubrange(mark...)
    return values
  }

  private mutating func pop(_ count: Int) throws(BertError) -> [PickleGraph.Value] {
    var values: [PickleGraph.Value] = []
    for _ in 0..<count { values.append(try pop()) }
    return values.reversed()
  }

  mutating func make(
    _ kind: PickleGraph.ContainerKind, _ items: [PickleGraph.Value] = []
  ) throws(BertError) -> PickleGraph.Value {
    if graph.containers.count >= FileLimits.pickleObjects {
      throw tooMuch("lists, tuples and dictionaries")
    }
    try count(items.count)
    graph.containers.append(.init(kind: kind, items: items))
    return .container(graph.containers.count - 1)
  }

  private mutating func count(_ values: Int) throws(BertError) {
    valueCount += values
    if valueCount > FileLimits.pickleValues { throw tooMuch("values in lists and dictionaries") }
  }

  func tooMuch(_ what: String) -> BertError {
    reader.damaged("the pickle makes more \(what) than a checkpoint can need")
  }

  // MARK: Instructions

  /// Does the next instruction; false when it was the last.
  private mutating func step() throws(BertError) -> Bool {
    let start = reader.position
    let code = try reader.byte()
    if try scalar(code) { return true }
    if try container(code) { return true }
    switch UnicodeScalar(code) {
    case ".":
      let value = try pop()
      guard stack.isEmpty, marks.isEmpty else {
        throw reader.damaged("the pickle ends with values left over", at: start)
      }
      graph.root = value
      return false
    case "\u{80}":
      let version = try reader.byte()
      if version > 5 {
        throw BertError(
          .unsupported, "the pickle is of protocol \(version); 0 to 5 are read", byteOffset: start)
      }
    case "\u{95}":
      let length: UInt64 = try reader.integer()
      if length > UInt64(reader.remaining) {
        throw reader.damaged("the pickle ends inside a frame of \(length) bytes", at: start)
      }
    case "c":
      let module = try reader.line(limit: FileLimits.tensorName)
      let name = try reader.line(limit: FileLimits.tensorName)
      try push(global(module, name, at: start))
    case "\u{93}":
      let names = try pop(2)
      guard case .text(let module) = names[0], case .text(let name) = names[1] else {
        throw reader.damaged("the pickle names a function by something that is no text", at: start)
      }
      try push(global(module, name, at: start))
    case "i":
      let module = try reader.line(limit: FileLimits.tensorName)
      let name = try reader.line(limit: FileLimits.tensorName)
      throw refusal("\(module).\(name)", at: start)
    case "R":
      let parts = try pop(2)
      try push(call(parts[0], parts[1], at: start))
    case "b": try build(at: start)
    case "Q": try push(storage(try pop(), at: start))
    default:
      if let what = Self.refused[code] {
        throw BertError(
          .unsupported, "the pickle \(what), which no tensor needs; " + Self.advice,
          byteOffset: start)
      }
      throw reader.damaged(
        "is no pickle of tensors: byte 0x\(String(code, radix: 16)) is no instruction", at: start)
    }
    return true
  }

  static let advice = "save the model's state_dict() alone and convert that"

  private func refusal(_ name: String, at place: Int) -> BertError {
    BertError(
      .unsupported,
      "the pickle asks for \(name.prefix(200)), which is no part of a tensor: nothing from a pickle "
        + "is run; " + Self.advice, byteOffset: place)
  }

  /// Instructions that exist and are not done.
  private static let refused: [UInt8: String] = [
    UInt8(ascii: "P"): "names an object by a text",
    UInt8(ascii: "o"): "makes an object of a class",
    0x81: "makes an object of a class", 0x92: "makes an object of a class",
    0x82: "asks for an entry of Python's extension registry",
    0x83: "asks for an entry of Python's extension registry",
    0x84: "asks for an entry of Python's extension registry",
    0x8F: "makes a set", 0x90: "fills a set", 0x91: "makes a frozen set",
    0x96: "holds a byte array", 0x97: "takes a buffer from outside the file",
    0x98: "takes a buffer from outside the file",
  ]

  /// Numbers, texts, the stack and the memo.
  private mutating func scalar(_ code: UInt8) throws(BertError) -> Bool {
    switch UnicodeScalar(code) {
    case "N": try push(.none)
    case "\u{88}": try push(.bool(true))
    case "\u{89}": try push(.bool(false))
    case "K": try push(.integer(Int(try reader.byte())))
    case "M": try push(.integer(Int(try reader.integer(UInt16.self))))
    case "J": try push(.integer(Int(try reader.integer(Int32.self))))
    case "I": try push(decimal(isLong: false))
    case "L": try push(decimal(isLong: true))
    case "\u{8A}": try push(wide(Int(try reader.byte())))
    case "\u{8B}": try push(wide(Int(try reader.integer(Int32.self))))
    case "G": try push(.real(Double(bitPattern: try reader.integer(UInt64.self).byteSwapped)))
    case "F":
      guard let number = Double(try reader.line(limit: 100)) else {
        throw reader.damaged("the pickle holds a number that is none")
      }
      try push(.real(number))
    case "X", "T": try push(text(Int(try reader.integer(UInt32.self))))
    case "\u{8C}", "U": try push(text(Int(try reader.byte())))
    case "\u{8D}": try push(text(Int(clamping: try reader.integer(UInt64.self))))
    case "V": try push(.text(try reader.line(limit: FileLimits.pickleText)))
    case "S": try push(quoted())
    case "B": try push(bytes(Int(try reader.integer(UInt32.self))))
    case "C": try push(bytes(Int(try reader.byte())))
    case "\u{8E}": try push(bytes(Int(clamping: try reader.integer(UInt64.self))))
    case "0":
      // As in Python, this takes a mark away when there is nothing above it.
      if let mark = marks.last, mark == stack.count { marks.removeLast() } else { _ = try pop() }
    case "1": _ = try popMarked()
    case "2": try push(top())
    case "(":
      if marks.count >= FileLimits.pickleMarks { throw tooMuch("open marks") }
      marks.append(stack.count)
    case "q": try remember(Int(try reader.byte()))
    case "r": try remember(Int(try reader.integer(UInt32.self)))
    case "p": try remember(memoNumber())
    case "\u{94}": try remember(memo.count)
    case "h": try recall(Int(try reader.byte()))
    case "j": try recall(Int(try reader.integer(UInt32.self)))
    case "g": try recall(memoNumber())
    default: return false
    }
    return true
  }

  /// Lists, tuples and dictionaries.
  private mutating func container(_ code: UInt8) throws(BertError) -> Bool {
    switch UnicodeScalar(code) {
    case "]": try push(make(.list))
    case "}": try push(make(.dictionary))
    case ")": try push(make(.tuple))
    case "\u{85}": try push(make(.tuple, try pop(1)))
    case "\u{86}": try push(make(.tuple, try pop(2)))
    case "\u{87}": try push(make(.tuple, try pop(3)))
    case "t": try push(make(.tuple, try popMarked()))
    case "l": try push(make(.list, try popMarked()))
    case "d":
      let items = try popMarked()
      try requirePairs(items)
      try push(make(.dictionary, items))
    case "a": try extend(.list, try pop(1))
    case "e": try extend(.list, try popMarked())
    case "s": try extend(.dictionary, try pop(2))
    case "u":
      let items = try popMarked()
      try requirePairs(items)
      try extend(.dictionary, items)
    default: return false
    }
    return true
  }

  private func requirePairs(_ items: [PickleGraph.Value]) throws(BertError) {
    if items.count % 2 != 0 {
      throw reader.damaged("the pickle fills a dictionary with a key that has no value")
    }
  }

  /// Adds to the list or dictionary on top of the stack.
  private mutating func extend(
    _ kind: PickleGraph.ContainerKind, _ items: [PickleGraph.Value]
  ) throws(BertError) {
    guard case .container(let place) = try top(), graph.containers[place].kind == kind else {
      throw reader.damaged("the pickle adds to something that is no \(kind)")
    }
    try count(items.count)
    graph.containers[place].items += items
  }

  // MARK: Values

  private mutating func decimal(isLong: Bool) throws(BertError) -> PickleGraph.Value {
    var text = try reader.line(limit: 1000)
    if text == "00" || text == "01" { return .bool(text == "01") }
    if isLong, text.hasSuffix("L") { text.removeLast() }
    if let number = Int(text) { return .integer(number) }
    let digits = text.utf8.drop { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
    guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
      throw reader.damaged("the pickle holds a number that is none")
    }
    return .wideInteger(Array(text.utf8))
  }

  /// An integer of some bytes, little-endian, in two's complement.
  private mutating func wide(_ count: Int) throws(BertError) -> PickleGraph.Value {
    let bytes = try reader.bytes(count, limit: 1024)
    if count > 8 { return .wideInteger(bytes) }
    var value = (bytes.last ?? 0) & 0x80 == 0 ? 0 : -1
    for byte in bytes.reversed() { value = value << 8 | Int(byte) }
    return .integer(value)
  }

  private mutating func text(_ count: Int) throws(BertError) -> PickleGraph.Value {
    .text(try reader.text(count, limit: FileLimits.pickleText))
  }

  private mutating func quoted() throws(BertError) -> PickleGraph.Value {
    let text = try reader.line(limit: FileLimits.pickleText)
    guard text.utf8.count >= 2, let quote = text.first, quote == "'" || quote == "\"",
      text.last == quote, !text.contains("\\")
    else { throw reader.damaged("the pickle holds a text that is not plainly quoted") }
    return .text(String(text.dropFirst().dropLast()))
  }

  private mutating func bytes(_ count: Int) throws(BertError) -> PickleGraph.Value {
    try reader.skip(count)
    return .bytes
  }

  private mutating func memoNumber() throws(BertError) -> Int {
    guard let number = Int(try reader.line(limit: 20)), number >= 0 else {
      throw reader.damaged("the pickle numbers its memo by something that is no number")
    }
    return number
  }

  private mutating func remember(_ number: Int) throws(BertError) {
    memo[number] = try top()
    if memo.count > FileLimits.pickleMemo { throw tooMuch("memo entries") }
  }

  private mutating func recall(_ number: Int) throws(BertError) {
    guard let value = memo[number] else {
      throw reader.damaged("the pickle recalls memo entry \(number), which it has not made")
    }
    try push(value)
  }

  private func global(
    _ module: String, _ name: String, at place: Int
  ) throws(BertError) -> PickleGraph.Value {
    guard let known = PickleGlobal(module: module, name: name) else {
      throw refusal("\(module.prefix(100)).\(name.prefix(100))", at: place)
    }
    return .global(known)
  }

  /// Sets an object's attributes; only an ordered dictionary's, which hold no tensor, are passed by.
  private mutating func build(at place: Int) throws(BertError) {
    _ = try pop()
    guard case .container(let target) = try top(), graph.containers[target].kind == .dictionary
    else {
      throw BertError(
        .unsupported,
        "the pickle sets attributes of something that is no dictionary; " + Self.advice,
        byteOffset: place)
    }
  }
}
