import BertErrors
import ByteFiles
import JSONText
import TensorFiles

/// The files that describe a checkpoint, found beside it.
struct ModelFiles {
  /// The configuration; the checkpoint itself where there is none.
  let configuration: String
  /// Whether there is one.
  let hasConfiguration: Bool
  /// Where the tokenizer's files were looked for.
  let home: String
  private(set) var vocabulary: String?
  private(set) var tokenizer: String?
  /// A byte-level vocabulary in two files.
  private(set) var bytePairs: BytePairFiles?
  /// A SentencePiece model.
  private(set) var pieceModel: String?
  private(set) var tokenizerConfiguration: String?
  private(set) var specialTokens: String?
  private(set) var addedTokens: String?
  private(set) var modules: String?
  private(set) var sentenceConfiguration: String?
  private(set) var promptConfiguration: String?
  /// What the original ColBERT keeps of its settings.
  private(set) var colbertMetadata: String?

  /// All of them.
  var paths: [String] {
    [
      configuration, vocabulary, tokenizer, bytePairs?.vocabulary, bytePairs?.merges, pieceModel,
      tokenizerConfiguration, specialTokens, addedTokens, modules, sentenceConfiguration,
      promptConfiguration, colbertMetadata,
    ].compactMap { $0 }
  }

  /// Finds them in the checkpoint's folder or, when that has no configuration, in its parent:
  /// variants of a model (`fp16/`, `onnx/`) lie in folders below it.
  ///
  /// - Parameters:
  ///   - checkpoint: path of the checkpoint file or shard index.
  ///   - configuration: a configuration named by the user; then nothing is searched for it.
  ///   - vocabulary: a `vocab.txt` or `tokenizer.json` named by the user.
  ///   - needsConfiguration: whether it is an error that there is none.
  /// - Throws: `notFound` when there is no configuration.
  init(
    checkpoint: String, configuration: String?, vocabulary: String?, needsConfiguration: Bool
  ) throws(BertError) {
    let own = Folder.parent(of: checkpoint)
    let above = Self.parentFolder(own)
    let configurations = ["config.json", "bert_config.json"]
    let tokenizers = ["vocab.txt", "tokenizer.json", "vocab.json", "spm.model"]
    if let configuration {
      self.configuration = configuration
      hasConfiguration = true
      let candidates = [own, above, Folder.parent(of: configuration)]
      home = candidates.first { Self.first(tokenizers, in: $0) != nil } ?? own
    } else if let found = try Self.companion([own, above], configurations) {
      self.configuration = found.path
      hasConfiguration = true
      home = found.folder
    } else {
      if needsConfiguration {
        throw BertError(
          .notFound,
          "no config.json or bert_config.json lies beside it or in the folder above",
          file: checkpoint,
          remedy: .nameConfiguration)
      }
      self.configuration = checkpoint
      hasConfiguration = false
      home = [own, above].first { Self.first(tokenizers, in: $0) != nil } ?? own
    }
    func find(_ name: String) throws(BertError) -> String? { try Self.companion(home, name) }
    tokenizerConfiguration = try find("tokenizer_config.json")
    specialTokens = try find("special_tokens_map.json")
    addedTokens = try find("added_tokens.json")
    modules = if let own = try find("modules.json") { own } else { try Self.modulesNaming(home) }
    sentenceConfiguration = try find("sentence_bert_config.json")
    colbertMetadata = try find("artifact.metadata")
    let model = modules.map { Folder.parent(of: $0) } ?? home
    promptConfiguration = try Self.companion(model, "config_sentence_transformers.json")
    if let vocabulary {
      if vocabulary.hasSuffix(".json") {
        tokenizer = vocabulary
      } else if vocabulary.hasSuffix(".model") {
        pieceModel = vocabulary
      } else {
        self.vocabulary = vocabulary
      }
    } else {
      self.vocabulary = try find("vocab.txt")
      tokenizer = try find("tokenizer.json")
      pieceModel = try find("spm.model")
      if let vocabulary = try find("vocab.json"), let merges = try find("merges.txt") {
        bytePairs = BytePairFiles(vocabulary: vocabulary, merges: merges)
      }
    }
  }

  /// The folder above, also of a path like `.` that does not name it.
  private static func parentFolder(_ folder: String) -> String {
    let name = Folder.name(of: folder)
    return name == "." || name == ".." || folder.hasSuffix("/")
      ? folder + "/.." : Folder.parent(of: folder)
  }

  /// A file of a folder; nil where nothing has its name.
  ///
  /// What is there and is no file is an error: passed
  /// over, it would make another model.
  ///
  /// - Throws: `notFound` for a folder, a pipe, a link to nothing, or what cannot be looked up.
  static func companion(_ folder: String, _ name: String) throws(BertError) -> String? {
    let path = folder + "/" + name
    if Folder.isFile(path) { return path }
    if try !Folder.hasEntry(path) { return nil }
    // Opening it says what is wrong.
    _ = try InputFile(path)
    return path
  }

  /// The first file of some names that one of some folders has.
  private static func companion(
    _ folders: [String], _ names: [String]
  ) throws(BertError) -> (folder: String, path: String)? {
    for folder in folders {
      for name in names {
        if let path = try companion(folder, name) { return (folder, path) }
      }
    }
    return nil
  }

  private static func first(_ names: [String], in folder: String) -> String? {
    names.lazy.map { folder + "/" + $0 }.first { Folder.isFile($0) }
  }

  /// `modules.json` of the folder above, if its transformer lies in `folder`.
  private static func modulesNaming(_ folder: String) throws(BertError) -> String? {
    guard let path = try companion(parentFolder(folder), "modules.json") else { return nil }
    let json = try readJSON(path, limit: 1 << 20)
    let name = Folder.name(of: folder)
    let names = (json.arrayValue ?? []).compactMap { $0["path"]?.stringValue }
    return names.contains { modulePath($0) == name } ? path : nil
  }

  /// The largest file of settings that is read; published ones have kilobytes.
  static let longestConfiguration = 8 << 20

  /// The path of a module as a list of modules gives it, without the slash that may end it.
  static func modulePath(_ path: String) -> String {
    path.hasSuffix("/") ? String(path.dropLast()) : path
  }

  /// Reads a small JSON file; of a key given twice the last counts, as published readers do, and Python's NaN
  /// and Infinity are numbers, which only members that nobody reads may be.
  static func readJSON(_ path: String, limit: Int) throws(BertError) -> JSON {
    let bytes = try InputFile(path).allBytes(limit: limit)
    if let foreign = ForeignText(bytes) {
      throw BertError(.malformed, foreign.sentence, file: path, byteOffset: 0)
    }
    do throws(BertError) {
      return try JSON.parse(bytes, duplicateKeys: .keepLast, numbers: .python)
    } catch {
      throw error.inFile(path)
    }
  }
}
