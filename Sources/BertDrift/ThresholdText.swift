import BertErrors
import JSONText

/// A number that something must keep to, by name, as people write it.
package struct NamedThreshold: Equatable, Sendable {
  /// The name; `group.field` where it stood in a group.
  package let name: String
  /// The number; always finite.
  package let value: Double
}

/// The three ways to write thresholds; the only parser of them.
package enum ThresholdText {
  /// Reads `cosine=0.999,sqnr=28`.
  ///
  /// - Throws: `usage` for a part that is not a name, `=` and a number.
  package static func read(list: String) throws(BertError) -> [NamedThreshold] {
    try list.split(separator: ",", omittingEmptySubsequences: false).map {
      (part) throws(BertError) in
      let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, let name = name(sides[0]), let value = number(sides[1], style: .list)
      else {
        throw BertError(.usage, "'\(part)' is not NAME=NUMBER")
      }
      return NamedThreshold(name: name, value: value)
    }
  }

  /// Reads a JSON object, `{"cosine": 0.999, "hidden": {"sqnr_db": 28}}`.
  ///
  /// - Throws: `malformed` for other JSON, `usage` for a value that is no number.
  package static func read(json bytes: [UInt8]) throws(BertError) -> [NamedThreshold] {
    guard let object = try JSON.parse(bytes).objectValue else {
      throw BertError(.malformed, "the thresholds are no JSON object")
    }
    var found: [NamedThreshold] = []
    func add(_ name: String, _ value: JSON) throws(BertError) {
      guard let number = value.numberValue, number.isFinite else {
        throw BertError(.usage, "the threshold of '\(name)' is not a number")
      }
      found.append(NamedThreshold(name: name, value: number))
    }
    for (name, value) in object {
      guard let group = value.objectValue else {
        try add(name, value)
        continue
      }
      for (field, threshold) in group { try add("\(name).\(field)", threshold) }
    }
    return found
  }

  /// Reads lines of TOML: `name = number`, `[group]` headings, comments behind `#`.
  ///
  /// - Throws: `malformed` for anything else, with the line.
  package static func read(toml bytes: [UInt8]) throws(BertError) -> [NamedThreshold] {
    var found: [NamedThreshold] = []
    var group = ""
    var names = TOMLNames()
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let code = trimmed(String(decoding: line.prefix { $0 != UInt8(ascii: "#") }, as: UTF8.self))
      if code.isEmpty { continue }
      if code.hasPrefix("["), code.hasSuffix("]"), let heading = name(code.dropFirst().dropLast()) {
        guard names.take(table: heading) else {
          throw BertError(.malformed, "line \(index + 1), '\(code)', is there already")
        }
        group = heading + "."
        continue
      }
      let sides = code.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, let name = name(sides[0]), let value = number(sides[1], style: .toml)
      else {
        throw BertError(.malformed, "line \(index + 1), '\(code)', is not NAME = NUMBER")
      }
      guard names.take(key: name, in: group) else {
        throw BertError(
          .malformed, "line \(index + 1), '\(code)': '\(group + name)' is there already")
      }
      found.append(NamedThreshold(name: group + name, value: value))
    }
    return found
  }

  /// A name, with blanks around it and perhaps in quotes: letters, digits, `_`, `-` and dots between.
  private static func name(_ text: Substring) -> String? {
    var text = trimmed(String(text))
    if text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") {
      text = String(text.dropFirst().dropLast())
    }
    let isName =
      !text.isEmpty
      && text.utf8.allSatisfy {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
          || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || [UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: ".")].contains($0)
      }
    return isName ? text : nil
  }

  private enum Style {
    case list
    case toml
  }

  /// One number as JSON writes it, with blanks around it; TOML has underscores between digits too, and
  /// people leave a leading zero out.
  private static func number(_ text: Substring, style: Style) -> Double? {
    var bytes = Array(trimmed(String(text)).utf8)
    if style == .list, bytes.first == UInt8(ascii: ".") { bytes.insert(UInt8(ascii: "0"), at: 0) }
    if style == .toml {
      let isDigit = { (place: Int) in
        bytes.indices.contains(place)
          && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[place])
      }
      bytes = bytes.indices.filter {
        !(bytes[$0] == UInt8(ascii: "_") && isDigit($0 - 1) && isDigit($0 + 1))
      }.map { bytes[$0] }
    }
    guard let value = try? JSON.parse(bytes).numberValue,
      value.isFinite
    else { return nil }
    return value
  }

  private static func trimmed(_ text: String) -> String {
    let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
    return String(text.drop(while: blank).reversed().drop(while: blank).reversed())
  }
}

/// The names of a TOML text, none of which may be given twice.
private struct TOMLNames {
  private var keys: Set<String> = []
  private var headings: Set<String> = []
  /// Tables that keys with dots made, or headings of tables inside.
  private var dotted: Set<String> = []
  private var above: Set<String> = []

  /// Takes a heading; false where there is such a table, or a key in its place.
  mutating func take(table: String) -> Bool {
    let outer = Self.prefixes(table)
    guard !keys.contains(table), !dotted.contains(table), !outer.contains(where: keys.contains)
    else {
      return false
    }
    above.formUnion(outer)
    return headings.insert(table).inserted
  }

  /// Takes a key of a group, which ends in a dot; false where it is there, or reaches into a table that is whole.
  mutating func take(key: String, in group: String) -> Bool {
    let name = group + key
    let made = Self.prefixes(key).map { group + $0 }
    guard !headings.contains(name), !above.contains(name), !dotted.contains(name),
      !made.contains(where: { headings.contains($0) || above.contains($0) || keys.contains($0) })
    else { return false }
    dotted.formUnion(made)
    return keys.insert(name).inserted
  }

  /// `a` and `a.b` of `a.b.c`.
  private static func prefixes(_ name: String) -> [String] {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return (1..<max(1, parts.count)).map { parts[..<$0].joined(separator: ".") }
  }
}
