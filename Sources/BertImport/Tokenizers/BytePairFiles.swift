import BertErrors
import BertModel
import ByteFiles
import JSONText
import TensorFiles

/// `vocab.json` and `merges.txt`: a byte-level vocabulary as RoBERTa's class publishes it without a `tokenizer.json`.
struct BytePairFiles {
  let vocabulary: String
  let merges: String

  /// The `tokenizer.json` that the class makes of them.
  ///
  /// Its special tokens are those that the tokenizer's settings name, or the class's own.
  ///
  /// - Parameter named: special tokens by member.
  /// - Throws: `malformed` for what is no vocabulary or no list of merges.
  func pipeline(
    named: [String: PublishedToken], configuration: JSON, rows: Int
  ) throws(BertError) -> TokenizerPipeline {
    let limit = VocabularyFile.longestFile
    let vocabulary = try ModelFiles.readJSON(vocabulary, limit: limit)
    guard let ids = vocabulary.objectValue else {
      throw BertError(
        .malformed, "is \(vocabulary.kind); expected an object of tokens and their ids",
        file: self.vocabulary)
    }
    func token(_ key: String, _ text: String) throws(BertError) -> JSON {
      let text = named[key]?.text ?? text
      guard let id = ids[text]?.integerValue else {
        throw BertError(
          .unsupported, "has no \(key) '\(text.prefix(80))'", file: self.vocabulary,
          remedy: .convertForIDs)
      }
      return [.string(text), .integer(id)]
    }
    var added: [JSON] = []
    for (key, text) in Self.ownTokens where named[key] == nil {
      guard let id = ids[text]?.integerValue else { continue }
      added.append(["id": .integer(id), "content": .string(text), "special": .bool(true)])
    }
    let prefixes = try configuration.flag("add_prefix_space") ?? false
    let model: JSON = [
      "type": "BPE", "vocab": vocabulary, "merges": .array(try readMerges()),
    ]
    let json: JSON = [
      "model": model, "added_tokens": .array(added),
      "pre_tokenizer": [
        "type": "ByteLevel", "add_prefix_space": .bool(prefixes), "use_regex": .bool(true),
      ],
      "post_processor": [
        "type": "RobertaProcessing", "cls": try token("cls_token", "<s>"),
        "sep": try token("sep_token", "</s>"),
      ],
    ]
    return try TokenizerPipeline(json, rows: rows)
  }

  /// The class's special tokens.
  static let ownTokens = [
    ("bos_token", "<s>"), ("eos_token", "</s>"), ("sep_token", "</s>"), ("cls_token", "<s>"),
    ("unk_token", "<unk>"), ("pad_token", "<pad>"), ("mask_token", "<mask>"),
  ]

  /// The merges in the order of the lines; a first line may name a version.
  private func readMerges() throws(BertError) -> [JSON] {
    let bytes = try InputFile(merges).allBytes(limit: VocabularyFile.longestFile)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw BertError(.malformed, "is not UTF-8", file: merges, byteOffset: 0)
    }
    var merges: [JSON] = []
    // Characters would take CR LF, and a letter with a mark behind a line's end, for one.
    for (number, line) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: true)
      .enumerated()
    {
      let line = line.last == 0x0D ? line.dropLast() : line
      if line.isEmpty || line.starts(with: "#version".utf8) { continue }
      let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw BertError(
          .malformed, "line \(number + 1) is no merge of two tokens", file: self.merges)
      }
      merges.append(.array(parts.map { .string(String($0) ?? "") }))
    }
    return merges
  }
}
