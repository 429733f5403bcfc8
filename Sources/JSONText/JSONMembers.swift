import BertErrors

/// Some members of an object, and the names of the others.
package struct JSONMembers: Sendable {
  /// The members that were asked for, in the order of the text.
  package var read = JSONObject()
  /// The others' names.
  package var unread: [String] = []
}

extension JSON {
  /// Reads the members of an object that somebody asks for; of the others only the form is checked.
  ///
  /// What is not read may hold what `parse` refuses: `NaN` and `Infinity`, as Python writes them, numbers
  /// beyond a double, half a surrogate pair, a key twice.
  ///
  /// - Parameter isRead: whether the member of a name is asked for.
  /// - Throws: `malformed` with the byte offset, also for what is no object.
  package static func members(
    _ bytes: [UInt8], where isRead: (String) -> Bool
  ) throws(BertError) -> JSONMembers {
    try bytes.withUnsafeBufferPointer { (bytes) throws(BertError) -> JSONMembers in
      var parser = JSONParser(
        UnsafeRawBufferPointer(bytes), maximumDepth: 64, duplicateKeys: .reject, numbers: .json)
      return try parser.parseMembers(where: isRead)
    }
  }
}

extension JSONParser {
  fileprivate mutating func parseMembers(
    where isRead: (String) -> Bool
  ) throws(BertError) -> JSONMembers {
    skipSpace()
    guard next == UInt8(ascii: "{") else {
      let kind = try parseText().kind
      throw error("is \(kind); expected an object", at: 0)
    }
    at += 1
    var members = JSONMembers()
    skipSpace()
    if next == UInt8(ascii: "}") {
      at += 1
    } else {
      repeat {
        skipSpace()
        let start = at
        let key = try parseKey()
        if !isRead(key) {
          try skipValue()
          members.unread.append(key)
        } else if try !members.read.appendIfAbsent(key, parseValue()) {
          throw error("the key \"\(key.forMessage)\" occurs twice in one object", at: start)
        }
        skipSpace()
      } while try parseSeparator(closing: UInt8(ascii: "}"))
    }
    skipSpace()
    if at < end { throw unexpected("the end of the text") }
    return members
  }

  /// Steps over a value whose form is right, whatever it is.
  private mutating func skipValue() throws(BertError) {
    // The brackets that are open, the innermost last.
    var open: [UInt8] = []
    while true {
      skipSpace()
      switch next {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        let closing = next + 2
        at += 1
        skipSpace()
        if next == closing {
          at += 1
          break
        }
        open.append(closing)
        if closing == UInt8(ascii: "}") { try skipKey() }
        continue
      case UInt8(ascii: "\""): try skipString()
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try skipNumber()
      default: try skipWord()
      }
      // Behind a value: what is complete closes, what is not goes on.
      while let closing = open.last {
        skipSpace()
        if try parseSeparator(closing: closing) {
          skipSpace()
          if closing == UInt8(ascii: "}") { try skipKey() }
          break
        }
        open.removeLast()
      }
      if open.isEmpty { return }
    }
  }

  private mutating func skipKey() throws(BertError) {
    skipSpace()
    guard next == UInt8(ascii: "\"") else { throw unexpected("a key in double quotes") }
    try skipString()
    skipSpace()
    guard next == UInt8(ascii: ":") else { throw unexpected("':' after a key") }
    at += 1
  }

  private mutating func skipString() throws(BertError) {
    let start = at
    at += 1
    while at < end {
      switch bytes[at] {
      case UInt8(ascii: "\""):
        at += 1
        return
      case UInt8(ascii: "\\"): at += 2
      case 0..<0x20: throw error("a raw control character in a string")
      default: at += 1
      }
    }
    throw error("the text ends inside a string", at: start)
  }

  private mutating func skipWord() throws(BertError) {
    for word in ["null", "true", "false", "NaN", "Infinity"] where begins(word) {
      at += word.utf8.count
      return
    }
    throw unexpected("a value")
  }

  private mutating func skipNumber() throws(BertError) {
    if next == UInt8(ascii: "-") { at += 1 }
    if begins("Infinity") {
      at += 8
      return
    }
    let start = at
    try skipDigits()
    if at - start > 1, bytes[start] == UInt8(ascii: "0") {
      throw error("a number begins with a superfluous zero", at: start)
    }
    if next == UInt8(ascii: ".") {
      at += 1
      try skipDigits()
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      at += 1
      if next == UInt8(ascii: "-") || next == UInt8(ascii: "+") { at += 1 }
      try skipDigits()
    }
  }

  private mutating func skipDigits() throws(BertError) {
    let start = at
    while (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) { at += 1 }
    if at == start { throw unexpected("a digit") }
  }

  private func begins(_ word: String) -> Bool {
    bytes[at..<end].starts(with: word.utf8)
  }
}
