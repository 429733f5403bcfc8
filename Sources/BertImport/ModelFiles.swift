import BertErrors
import ByteFiles
import JSONText
import TensorFiles

/// The files that describe a checkpoint, found beside it.
struct ModelFiles {
  let configuration: String
  private(set) var vocabulary: String?
  private(set) var tokenizer: String?
  private(set) var tokenizerConfiguration: String?
  private(set) var specialTokens: String?
  private(set) var modules: String?
  private(set) var sentenceConfiguration: String?

  /// All of them.
  var paths: [String] {
    [
      configuration, vocabulary, tokenizer, tokenizerConfiguration, specialTokens, modules,
      sentenceConfiguration,
    ].compactMap { $0 }
  }

  /// Finds them in the checkpoint's folder or, when that has no configuration, in its parent:
  /// variants of a model (`fp16/`, `onnx/`) lie in folders below it.
  ///
  /// - Parameters:
  ///   - checkpoint: path of the checkpoint file or shard index.
  ///   - configuration: a configuration named by the user; then nothing is searched for it.
  ///   - vocabulary: a `vocab.txt` or `tokenizer.json` named by the user.
  /// - Throws: `notFound` when there is no configuration.
  init(
    checkpoint: String, configuration: String?, vocabulary: String?
  ) throws(BertError) {
    let own = Folder.parent(of: checkpoint)
    let above = Self.parentFolder(own)
    let configurations = ["config.json", "bert_config.json"]
    let tokenizers = ["vocab.txt", "tokenizer.json"]
    let home: String
    if let configuration {
      self.configuration = configuration
      let candidates = [own, above, Folder.parent(of: configuration)]
      home = candidates.first { Self.first(tokenizers, in: $0) != nil } ?? own
    } else {
      guard let folder = [own, above].first(where: { Self.first(configurations, in: $0) != nil }),
        let path = Self.first(configurations, in: folder)
      else {
        throw BertError(
          .notFound,
          "no config.json or bert_config.json lies beside it or in the folder above",
          file: checkpoint,
          remedy: .nameConfiguration)
      }
      self.configuration = path
      home = folder
    }
    func find(_ name: String) -> String? { Self.first([name], in: home) }
    tokenizerConfiguration = find("tokenizer_config.json")
    specialTokens = find("special_tokens_map.json")
    modules = find("modules.json") ?? Self.modulesNaming(home)
    sentenceConfiguration = find("sentence_bert_config.json")
    if let vocabulary {
      if vocabulary.hasSuffix(".json") {
        tokenizer = vocabulary
      } else {
        self.vocabulary = vocabulary
      }
    } else {
      self.vocabulary = find("vocab.txt")
      tokenizer = find("tokenizer.json")
    }
  }

  /// The folder above, also of a path like `.` that does not name it.
  private static func parentFolder(_ folder: String) -> String {
    let name = Folder.name(of: folder)
    return name == "." || name == ".." || folder.hasSuffix("/")
      ? folder + "/.." : Folder.parent(of: folder)
  }

  private static func first(_ names: [String], in folder: String) -> String? {
    names.lazy.map { folder + "/" + $0 }.first { Folder.isFile($0) }
  }

  /// `modules.json` of the folder above, if its transformer lies in `folder`.
  private static func modulesNaming(_ folder: String) -> String? {
    let path = parentFolder(folder) + "/modules.json"
    guard Folder.isFile(path), let json = try? readJSON(path, limit: 1 << 20) else { return nil }
    let name = Folder.name(of: folder)
    let names = (json.arrayValue ?? []).compactMap { $0["path"]?.stringValue }
    return names.contains(name) ? path : nil
  }

  /// Reads a small JSON file; of a key given twice the last counts, as published readers do.
  static func readJSON(_ path: String, limit: Int) throws(BertError) -> JSON {
    let bytes = try InputFile(path).allBytes(limit: limit)
    do throws(BertError) {
      return try JSON.parse(bytes, duplicateKeys: .keepLast)
    } catch {
      throw error.inFile(path)
    }
  }
}
