import BertErrors
import BertModel
import JSONText

/// The steps of a `tokenizer.json` whose model is byte pairs or Unigram: each is read, or refused by name.
struct TextSteps {
  private(set) var rules = TextRules()
  /// The precompiled normalisation, where a step has one.
  private(set) var charsmap: [UInt8] = []

  /// Reads the normaliser and the pre-tokenizer.
  ///
  /// - Throws: `unsupported` with the step that is not known, `malformed`.
  init(_ json: JSON) throws(BertError) {
    for step in try Self.steps(json["normalizer"], "normalizer", list: "normalizers") {
      try addNormalization(step.type, step.json)
    }
    for step in try Self.steps(json["pre_tokenizer"], "pre_tokenizer", list: "pretokenizers") {
      try addSplitting(step.type, step.json)
    }
  }

  /// The steps of a sequence, at most so deep; a step that is none is a sequence of one.
  private static func steps(
    _ json: JSON?, _ key: String, list: String, depth: Int = 0
  ) throws(BertError) -> [(type: String, json: JSON)] {
    guard let json, !json.isNull else { return [] }
    let type = json["type"]?.stringValue ?? "of no type"
    guard type == "Sequence" else { return [(type, json)] }
    guard let steps = json[list]?.arrayValue, steps.count <= 64, depth < 4 else {
      throw BertError(.malformed, "its \(key) is a Sequence without a list '\(list)' of its steps")
    }
    var all: [(type: String, json: JSON)] = []
    for step in steps { all += try Self.steps(step, key, list: list, depth: depth + 1) }
    return all
  }

  private static func require(
    _ json: JSON, _ what: String, _ known: [String]
  ) throws(BertError) {
    let unread = (json.objectValue?.keys ?? []).filter { !known.contains($0) && $0 != "type" }
    if !unread.isEmpty {
      throw BertError(
        .unsupported, "its \(what) has members that are not known: " + unread.listed)
    }
  }

  private mutating func addNormalization(_ type: String, _ step: JSON) throws(BertError) {
    switch type {
    case "Precompiled":
      try Self.require(step, "Precompiled", ["precompiled_charsmap"])
      guard let text = step["precompiled_charsmap"]?.stringValue, charsmap.isEmpty else {
        throw BertError(
          .unsupported, "its normalizer has a Precompiled without a charsmap, or a second one")
      }
      charsmap = try Base64.bytes(text)
      rules.normalization.append(.precompiled)
    case "Replace": rules.normalization.append(try Self.replacement(step))
    case "Strip":
      try Self.require(step, "Strip", ["strip_left", "strip_right"])
      if try step.flag("strip_left") ?? true { rules.normalization.append(.stripLeft) }
      if try step.flag("strip_right") ?? true { rules.normalization.append(.stripRight) }
    default:
      guard let change = Self.changes.first(where: { $0.type == type })?.step else {
        throw BertError(
          .unsupported,
          "its normalizer has the step \(type.prefix(80)); Precompiled, Replace, Strip, "
            + Self.changes.map(\.type).joined(separator: ", ") + " are supported with this model")
      }
      try Self.require(step, type, [])
      rules.normalization.append(change)
    }
  }

  /// Steps that have nothing to be set.
  private static let changes: [(type: String, step: NormalizationStep)] = [
    ("NFC", .nfc), ("NFD", .nfd), ("NFKC", .nfkc), ("NFKD", .nfkd), ("Lowercase", .lowercase),
    ("StripAccents", .stripAccents),
  ]

  private static func replacement(_ step: JSON) throws(BertError) -> NormalizationStep {
    try require(step, "Replace", ["pattern", "content"])
    guard let content = step["content"]?.stringValue else {
      throw BertError(.malformed, "its normalizer has a Replace without a content")
    }
    if let pattern = step["pattern"]?["String"]?.stringValue, !pattern.isEmpty {
      return .replace(pattern: pattern, content: content)
    }
    if let pattern = step["pattern"]?["Regex"]?.stringValue, pattern == " {2,}", content == " " {
      return .collapseSpaces
    }
    if let pattern = step["pattern"]?["Regex"]?.stringValue, pattern == #"\s{2,}|[\n\r\t]"#,
      content == " "
    {
      return .collapseWhiteSpace
    }
    throw BertError(
      .unsupported,
      "its normalizer replaces \((step["pattern"] ?? .null).text().prefix(80)) by "
        + "'\(content.prefix(40))'; a string, and the expressions ' {2,}' and '\\s{2,}|[\\n\\r\\t]' by a space, are supported"
    )
  }

  private mutating func addSplitting(_ type: String, _ step: JSON) throws(BertError) {
    switch type {
    case "WhitespaceSplit":
      try Self.require(step, type, [])
      rules.splitting.append(.whitespace)
    case "Metaspace": rules.splitting.append(try Self.metaspace(step))
    case "ByteLevel":
      try Self.require(step, type, ["add_prefix_space", "trim_offsets", "use_regex"])
      rules.splitting.append(
        .byteLevel(
          prefixesFirst: try step.flag("add_prefix_space") ?? true,
          splits: try step.flag("use_regex") ?? true))
    default:
      throw BertError(
        .unsupported,
        "its pre_tokenizer has the step \(type.prefix(80)); WhitespaceSplit, Metaspace and ByteLevel are "
          + "supported with this model")
    }
  }

  /// The form of now, `prepend_scheme`, and that of old, `add_prefix_space`.
  private static func metaspace(_ step: JSON) throws(BertError) -> SplittingStep {
    try require(
      step, "Metaspace", ["replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"])
    let replacement = step["replacement"]?.stringValue ?? ""
    let mark = step["str_rep"]?.stringValue ?? replacement
    let scheme = try step.text("prepend_scheme") ?? "always"
    let splits = try step.flag("split") ?? true
    guard replacement == "\u{2581}", mark == replacement, ["always", "never"].contains(scheme),
      try step.flag("add_prefix_space") != false || scheme == "never"
    else {
      throw BertError(
        .unsupported,
        "its pre_tokenizer Metaspace is \(step.text().prefix(160)); U+2581 before each piece of a text, or "
          + "before none, is supported")
    }
    let prefixes = scheme == "always"
    return .metaspace(prefixesFirst: prefixes, prefixesAlways: prefixes, splits: splits)
  }
}

/// Bytes as text of 64 characters.
enum Base64 {
  /// The text of some bytes.
  static func text(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let some = bytes[start..<min(start + 3, bytes.count)]
      let held = (0..<3).reduce(UInt32(0)) {
        $0 << 8 | UInt32($1 < some.count ? some[start + $1] : 0)
      }
      for place in 0..<4 {
        let digit = digits[Int(held >> UInt32(18 - 6 * place) & 63)]
        text.append(place <= some.count ? digit : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// - Throws: `malformed` for other characters, or a length that is no multiple of four.
  static func bytes(_ text: String) throws(BertError) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count / 4 * 3)
    var held: UInt32 = 0
    var count = 0
    var padding = 0
    for character in text.utf8 {
      let value: UInt32
      switch character {
      case 0x41...0x5A: value = UInt32(character) - 0x41
      case 0x61...0x7A: value = UInt32(character) - 0x61 + 26
      case 0x30...0x39: value = UInt32(character) - 0x30 + 52
      case 0x2B: value = 62
      case 0x2F: value = 63
      case 0x3D:
        value = 0
        padding += 1
      default: throw malformed
      }
      if padding > 0, character != 0x3D { throw malformed }
      held = held << 6 | value
      count += 1
      if count % 4 == 0 {
        bytes += [UInt8(held >> 16 & 0xFF), UInt8(held >> 8 & 0xFF), UInt8(held & 0xFF)]
        held = 0
      }
    }
    guard count % 4 == 0, padding <= 2, bytes.count >= padding else { throw malformed }
    bytes.removeLast(padding)
    return bytes
  }

  private static let malformed = BertError(
    .malformed, "its precompiled_charsmap is no base64 of whole bytes")
}
