import BertErrors
import BertModel
import JSONText

/// The model of a `tokenizer.json` that is byte pairs or Unigram.
struct PieceModel {
  /// The tokens, by id.
  private(set) var tokens: [[UInt8]] = []
  private(set) var unknownToken: String?
  /// Unigram: the pieces' scores, and the unknown one.
  private(set) var scores: [Double] = []
  private(set) var unknownID = 0
  private(set) var merges: [(left: UInt32, right: UInt32, result: UInt32)] = []
  private(set) var byteTokens: [UInt32] = []

  private static func require(
    _ model: JSON, _ expected: [(key: String, values: [JSON])], _ known: [String]
  ) throws(BertError) {
    for (key, values) in expected {
      guard let value = model[key], !value.isNull, !values.contains(value) else { continue }
      throw BertError(
        .unsupported,
        "its model's \(key) is \(value.text().prefix(40)); only \(values.first?.text() ?? "null") is "
          + "supported")
    }
    let all = known + expected.map(\.key) + ["type"]
    let unread = (model.objectValue?.keys ?? []).filter { !all.contains($0) }
    if !unread.isEmpty {
      throw BertError(
        .unsupported, "its model has members that are not known: " + unread.listed)
    }
  }

  /// Reads pieces with their scores.
  ///
  /// - Throws: `unsupported`, or `malformed`.
  init(unigram model: JSON, rows: Int) throws(BertError) {
    try Self.require(model, [("byte_fallback", [false])], ["unk_id", "vocab"])
    let list = model["vocab"]?.arrayValue ?? []
    guard !list.isEmpty, list.count <= rows + VocabularyFile.mostSpareLines else {
      throw BertError(
        .malformed, "its model has \(list.count) pieces; the model has embeddings for \(rows)")
    }
    tokens.reserveCapacity(list.count)
    scores.reserveCapacity(list.count)
    for (id, entry) in list.enumerated() {
      guard let pair = entry.arrayValue, pair.count == 2, let piece = pair[0].stringValue,
        let score = pair[1].numberValue, score.isFinite
      else {
        throw BertError(
          .malformed,
          "its model's piece \(id) is \(entry.text().prefix(80)); expected a string and a score")
      }
      tokens.append(Array(piece.utf8))
      scores.append(Self.asLibraryReads(score))
    }
    guard let id = model["unk_id"]?.integerValue, tokens.indices.contains(id) else {
      throw BertError(
        .unsupported,
        "its model's unk_id is \((model["unk_id"] ?? .null).text().prefix(40)); it must be one of its "
          + "\(tokens.count) pieces")
    }
    unknownID = id
    unknownToken = String(decoding: tokens[id], as: UTF8.self)
  }

  /// Reads tokens and merges; every byte must have a token.
  ///
  /// - Throws: `unsupported`, or `malformed`.
  init(bytePairs model: JSON, _ map: JSONObject, rows: Int) throws(BertError) {
    try Self.require(
      model,
      [
        ("dropout", [0, 0.0]), ("continuing_subword_prefix", [""]), ("end_of_word_suffix", [""]),
        ("byte_fallback", [false]), ("ignore_merges", [false]),
      ], ["unk_token", "fuse_unk", "vocab", "merges"])
    unknownToken = try model.text("unk_token")
    tokens = try VocabularyFile.tokens(of: map, rows: rows)
    func id(_ token: String) -> UInt32? {
      map[token]?.integerValue.flatMap { UInt32(exactly: $0) }
    }
    guard let list = model["merges"]?.arrayValue else {
      throw BertError(.malformed, "its model has no list of merges")
    }
    merges.reserveCapacity(list.count)
    for (rank, entry) in list.enumerated() {
      let parts =
        entry.arrayValue?.compactMap(\.stringValue)
        ?? (entry.stringValue ?? "").split(separator: " ", omittingEmptySubsequences: false).map {
          String($0)
        }
      guard parts.count == 2, let left = id(parts[0]), let right = id(parts[1]),
        let result = id(parts[0] + parts[1])
      else {
        throw BertError(
          .malformed,
          "its model's merge \(rank) is \(entry.text().prefix(80)); expected two tokens that are one when "
            + "joined")
      }
      merges.append((left, right, result))
    }
    for (byte, scalar) in ByteAlphabet.scalars.enumerated() {
      guard let token = Unicode.Scalar(scalar).flatMap({ id(String(Character($0))) }) else {
        throw BertError(
          .unsupported, "its model has no token for the byte \(byte); every byte must have one")
      }
      byteTokens.append(token)
    }
  }

  /// A number as the library that publishes the tokenizer reads it.
  ///
  /// It rounds the digits as a whole number, and again when it divides by a power of ten: that may be one step beside the
  /// nearest number, and tells apart ways whose sums are equal otherwise.
  static func asLibraryReads(_ number: Double) -> Double {
    // The fewest digits that give the number back, which is how files write it.
    let parts = number.magnitude.description.split(separator: "e")
    let decimal = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    var fraction = decimal.count > 1 ? decimal[1] : ""
    if fraction == "0" { fraction = "" }
    guard let digits = UInt64(decimal[0] + fraction),
      let said = parts.count > 1 ? Int(parts[1]) : 0
    else { return number }
    let exponent = said - fraction.count
    guard (-22...22).contains(exponent) else { return number }
    // Powers of ten up to this one are exact.
    var power = 1.0
    for _ in 0..<exponent.magnitude { power *= 10 }
    let read = exponent < 0 ? Double(digits) / power : Double(digits) * power
    return number.sign == .minus ? -read : read
  }
}
