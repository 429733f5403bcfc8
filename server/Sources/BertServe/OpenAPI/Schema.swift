import JSONText

/// Parts of JSON schemas (2020-12), as OpenAPI 3.1 takes them.
enum Schema {
  /// What is not looked at.
  static let anything: JSON = [:]
  static let string: JSON = ["type": "string"]
  static let number: JSON = ["type": "number"]
  static let count: JSON = ["type": "integer", "minimum": 0]
  /// A text: `null` is none.
  static let text: JSON = ["type": "string", "minLength": 1]
  static let flag: JSON = ["type": ["boolean", "null"]]
  static let name: JSON = ["type": ["string", "null"]]
  /// A vector.
  static let vector: JSON = ["type": "array", "items": number]

  /// An integer of at least this, or `null`.
  static func integer(least: Int) -> JSON {
    ["type": ["integer", "null"], "minimum": .integer(least)]
  }

  /// An integer of a range that may be left out.
  static func integer(_ range: ClosedRange<Int>) -> JSON {
    [
      "type": ["integer", "null"], "minimum": .integer(range.lowerBound),
      "maximum": .integer(range.upperBound),
    ]
  }

  /// A list of something.
  static func list(_ items: JSON, least: Int = 0, most: Int? = nil) -> JSON {
    var members: JSONObject = ["type": "array", "items": items]
    if least > 0 { members["minItems"] = .integer(least) }
    if let most { members["maxItems"] = .integer(most) }
    return .object(members)
  }

  /// A string, or a list of strings.
  static func texts(most: Int) -> JSON { either(text, list(text, least: 1, most: most)) }

  static func either(_ schemas: JSON...) -> JSON { ["anyOf": .array(schemas)] }

  /// The same, or `null`.
  static func optional(_ schema: JSON) -> JSON { either(schema, ["type": "null"]) }

  /// One of some words, written in any case, or `null`.
  static func word(_ words: String...) -> JSON {
    let patterns = words.map { word in
      word.map { $0 == "_" ? "_" : "[\($0.uppercased())\($0.lowercased())]" }.joined()
    }
    return [
      "type": ["string", "null"], "pattern": .string("^(" + patterns.joined(separator: "|") + ")$"),
      "description": .string(words.joined(separator: " or ") + ", in any case"),
    ]
  }

  /// An object; members that it does not name are let go.
  static func object(_ needed: [String], _ members: JSONObject) -> JSON {
    [
      "type": "object", "required": .array(needed.map { .string($0) }),
      "properties": .object(members),
    ]
  }

  /// The same with further members.
  static func object(_ needed: [String], _ members: JSONObject, and others: JSONObject) -> JSON {
    var all = members
    for (key, value) in others { all[key] = value }
    return object(needed, all)
  }
}
