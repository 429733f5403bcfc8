import BertErrors
import ByteFiles
import JSONText
import TensorFiles

/// A vocabulary: the token at an index has that id.
enum VocabularyFile {
  private static let longestFile = 256 << 20

  /// The tokens of a `vocab.txt`: one a line, ended by LF, CR LF or CR; an empty line is a token.
  ///
  /// - Throws: `notFound`, or `malformed` when a token is not UTF-8 or there is none.
  static func readText(_ path: String) throws(BertError) -> [[UInt8]] {
    let text = try InputFile(path).allBytes(limit: longestFile)
    var tokens: [[UInt8]] = []
    var start = 0
    var at = 0
    func append(_ end: Int) throws(BertError) {
      let token = Array(text[start..<end])
      if String(validating: token, as: UTF8.self) == nil {
        throw BertError(
          .malformed, "line \(tokens.count + 1) is not UTF-8: is this a vocabulary?", file: path,
          byteOffset: start)
      }
      tokens.append(token)
    }
    while at < text.count {
      let byte = text[at]
      at += 1
      guard byte == 0x0A || byte == 0x0D else { continue }
      try append(at - 1)
      if byte == 0x0D && at < text.count && text[at] == 0x0A { at += 1 }
      start = at
    }
    if start < text.count { try append(text.count) }
    if tokens.isEmpty { throw BertError(.malformed, "holds no token", file: path, byteOffset: 0) }
    return tokens
  }

  /// The tokens of a `tokenizer.json`'s WordPiece model, with those added beyond it.
  ///
  /// - Throws: `unsupported` for another kind of model, `malformed` when ids clash or leave gaps.
  static func read(_ json: JSON) throws(BertError) -> [[UInt8]] {
    guard let map = json["model"]?["vocab"]?.objectValue, !map.isEmpty else {
      throw BertError(.malformed, "its model has no vocabulary")
    }
    var tokens = [[UInt8]?](repeating: nil, count: map.count)
    for (token, value) in map {
      guard let id = value.integerValue, id >= 0, id < map.count, tokens[id] == nil else {
        throw BertError(
          .malformed,
          "token '\(token.prefix(80))' has the id \(value.text().prefix(40)); the \(map.count) "
            + "tokens should have the ids 0 to \(map.count - 1), each once")
      }
      tokens[id] = Array(token.utf8)
    }
    return try appendAdded(json, to: tokens.map { $0 ?? [] })
  }

  /// Appends tokens of `added_tokens` whose ids come after those of the vocabulary.
  static func appendAdded(_ json: JSON, to tokens: [[UInt8]]) throws(BertError) -> [[UInt8]] {
    var tokens = tokens
    var added: [(id: Int, token: String)] = []
    for entry in json["added_tokens"]?.arrayValue ?? [] {
      if let id = entry["id"]?.integerValue, let token = entry["content"]?.stringValue,
        id >= tokens.count
      {
        added.append((id, token))
      }
    }
    for (id, token) in added.sorted(by: { $0.id < $1.id }) {
      if id != tokens.count {
        throw BertError(
          .malformed,
          "the added token '\(token.prefix(80))' has the id \(id); \(tokens.count) would be next")
      }
      tokens.append(Array(token.utf8))
    }
    return tokens
  }
}
