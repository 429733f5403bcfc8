import BertErrors
import BertModel
import BertRuntime
import BertTokenize

/// One text to be encoded: words, or token ids that somebody else made.
package struct TextInput: Sendable {
  /// The text as UTF-8; bytes that are not UTF-8 count as U+FFFD.
  package var text: [UInt8] = []
  /// A second text, which gets token type 1.
  package var pair: [UInt8]?
  /// Token ids to use as they are, instead of the text.
  package var ids: [Int32]?
  /// Token types of `ids`; all 0 when absent.
  package var types: [UInt8]?

  /// A single text.
  package init(text: [UInt8] = [], pair: [UInt8]? = nil, ids: [Int32]? = nil, types: [UInt8]? = nil)
  {
    self.text = text
    self.pair = pair
    self.ids = ids
    self.types = types
  }
}

extension ServedModel {
  /// The most tokens of a text: what the publisher says, at most the position embeddings.
  package var tokenLimit: Int {
    let positions = description.configuration.maximumPositions
    return min(description.tokenizer?.maximumTokens ?? positions, positions)
  }

  /// Tokenizes an input and adds it to a batch.
  ///
  /// - Parameters:
  ///   - truncates: cuts what is too long instead of refusing it.
  ///   - rows: the last hidden states that will be read.
  /// - Returns: how many tokens were cut off.
  /// - Throws: `usage` for a text that is too long, with both counts, or ids outside the model;
  ///   `unsupported` for text when the file has no vocabulary.
  @discardableResult
  package func append(
    _ input: TextInput, to batch: inout TokenBatch, truncates: Bool,
    wanting rows: WantedRows = .all
  ) throws(BertError) -> Int {
    if let ids = input.ids {
      try batch.append(
        ids: ids, types: input.types, wanting: rows, for: description.configuration)
      return 0
    }
    guard let tokenizer else {
      throw BertError(
        .unsupported, "the file holds no vocabulary; give token ids ({\"ids\":[...]}) instead",
        file: file.path)
    }
    var encoding = TokenizedText()
    let limit = truncates ? TokenLimit(tokenLimit) : nil
    let made = try input.text.withUnsafeBufferPointer { text throws(BertError) in
      guard let pair = input.pair else {
        return try tokenizer.encode(text, limit: limit, appendingTo: &encoding)
      }
      return try pair.withUnsafeBufferPointer { pair throws(BertError) in
        try tokenizer.encode(text, pair: pair, limit: limit, appendingTo: &encoding)
      }
    }
    if made.count > tokenLimit {
      throw BertError(
        .usage,
        "a text has \(made.count) tokens; the model takes \(tokenLimit)", remedy: .truncate)
    }
    try batch.append(
      ids: encoding.ids, types: encoding.typeIDs, wanting: rows, for: description.configuration)
    return made.fullCount - made.count
  }
}
