import BertErrors
import ByteFiles
import JSONText
import TensorFiles

/// A vocabulary: the token at an index has that id.
enum VocabularyFile {
  /// The largest `vocab.txt` or `tokenizer.json`: published ones have up to 20 MB.
  static let longestFile = 32 << 20

  /// More lines than a model has embeddings that are read, so that a notice can say how many there are.
  static let mostSpareLines = 1 << 16

  /// The tokens of a `vocab.txt`: one a line, ended by LF, CR LF or CR; an empty line is a token, unless it is
  /// the last and the model has no row for it.
  ///
  /// - Parameter rows: the model's word embeddings.
  /// - Throws: `notFound`, or `malformed` when a token is not UTF-8, there is none, or there are far more than
  ///   rows.
  static func readText(_ path: String, rows: Int) throws(BertError) -> [[UInt8]] {
    let text = try InputFile(path).allBytes(limit: longestFile)
    if let layout = ForeignText(text) {
      throw BertError(.malformed, layout.sentence, file: path, byteOffset: 0)
    }
    if text.starts(with: WholeFile.byteOrderMark) {
      throw BertError(
        .malformed,
        "begins with a byte order mark, which the published library takes for letters of the first token: take it "
          + "away (sed -i '1s/^\\xEF\\xBB\\xBF//')", file: path, byteOffset: 0)
    }
    var tokens: [[UInt8]] = []
    var start = 0
    var at = 0
    func append(_ end: Int) throws(BertError) {
      if tokens.count >= rows + mostSpareLines {
        throw BertError(
          .malformed,
          "has more than \(tokens.count) lines; the model has embeddings for \(rows) tokens",
          file: path, byteOffset: start)
      }
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
    while tokens.count > max(rows, 1), tokens.last?.isEmpty == true { tokens.removeLast() }
    return tokens
  }

  /// The tokens of a `tokenizer.json`'s model; where no token has an id, there is an empty one.
  ///
  /// - Throws: `malformed` for what is no id, `unsupported` when two tokens have one id.
  static func tokens(of map: JSONObject, rows: Int) throws(BertError) -> [[UInt8]] {
    let most = map.count + rows + mostSpareLines
    var tokens = [[UInt8]](repeating: [], count: map.count)
    var isTaken = [Bool](repeating: false, count: map.count)
    for (token, value) in map {
      guard let id = value.integerValue, id >= 0, id < most else {
        throw BertError(
          .malformed,
          "token '\(token.prefix(80))' has the id \(value.text().prefix(40)); expected a number below "
            + "\(most), for \(map.count) tokens and \(rows) embeddings")
      }
      if id >= tokens.count {
        tokens += [[UInt8]](repeating: [], count: id + 1 - tokens.count)
        isTaken += [Bool](repeating: false, count: id + 1 - isTaken.count)
      }
      if isTaken[id] {
        throw BertError(
          .unsupported, "token '\(token.prefix(80))' has the id \(id), which another token has too")
      }
      isTaken[id] = true
      tokens[id] = Array(token.utf8)
    }
    return tokens
  }
}

/// What a text file is instead of what its name says.
struct ForeignText {
  /// What it is, and what to do.
  let sentence: String

  /// Recognises a Git LFS pointer and a web page; nil for anything else.
  init?(_ bytes: [UInt8]) {
    func begins(_ text: String) -> Bool { bytes.starts(with: text.utf8) }
    if begins("version https://git-lfs.github.com/") {
      sentence = "is a Git LFS pointer, not the file itself: fetch it (git lfs pull)"
    } else if begins("<!DOCTYPE") || begins("<!doctype") || begins("<html") {
      sentence = "is a web page, not the file itself: fetch it again"
    } else {
      return nil
    }
  }
}
