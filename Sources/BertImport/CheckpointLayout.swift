import BertErrors
import ByteFiles
import TensorFiles

/// Layouts that are no model to be converted as it lies there: each is recognised before tensors are matched, and
/// said in one line with what to do.
enum CheckpointLayout {
  /// A folder's layout.
  private struct FolderLayout: Sendable {
    let what: String
    let matches: @Sendable ([String], String) -> Bool
    let advice: @Sendable ([String], String) -> String
  }

  private static let modelSuffixes = [
    ".safetensors", ".npz", ".bin", ".ckpt.index", ".index.json", ".onnx", ".pt", ".pth", ".h5",
    ".msgpack",
  ]

  private static func holdsModel(_ names: [String]) -> Bool {
    names.contains { name in modelSuffixes.contains { name.hasSuffix($0) } }
  }

  /// Whether a folder with an adapter holds a whole model too.
  private static func hasWhole(_ names: [String]) -> Bool {
    holdsModel(names.filter { !$0.hasPrefix("adapter_") })
  }

  private static let folders: [FolderLayout] = [
    FolderLayout(
      what: "a download cache of one model",
      matches: { names, _ in names.contains("snapshots") && names.contains("refs") },
      advice: { _, path in
        let snapshots = Folder.names(in: path + "/snapshots")
        return "name one of its snapshots: "
          + (snapshots.isEmpty ? "there is none" : snapshots.map { "snapshots/" + $0 }.listed)
      }),
    FolderLayout(
      what: "a download cache of several models",
      matches: { names, _ in names.contains { $0.hasPrefix("models--") } },
      advice: { names, path in
        let models = names.filter { $0.hasPrefix("models--") }
        let first = models.first.flatMap { model in
          Folder.names(in: "\(path)/\(model)/snapshots").first.map { "\(model)/snapshots/\($0)" }
        }
        return "name a model's snapshot, such as " + (first ?? models.listed)
      }),
    FolderLayout(
      what: "a training run's folder, with no model in it but in its checkpoints",
      matches: { names, _ in
        !holdsModel(names) && names.contains { $0.hasPrefix("checkpoint-") }
      },
      advice: { names, _ in
        let steps = names.filter { $0.hasPrefix("checkpoint-") }
        let last = steps.max { (step($0), $0) < (step($1), $1) }
        return "name one of them; the last is \(last ?? "")"
      }),
    FolderLayout(
      what: "an adapter alone (adapter_config.json), not a model",
      matches: { names, _ in names.contains("adapter_config.json") && !hasWhole(names) },
      advice: { _, _ in
        "merge it into its base model (PEFT's merge_and_unload), save that, and convert it"
      }),
    FolderLayout(
      what:
        "a model with an adapter beside it (adapter_config.json), which the published library adds to it",
      matches: { names, _ in names.contains("adapter_config.json") && hasWhole(names) },
      advice: { _, _ in
        "merge the two (PEFT's merge_and_unload), save that, and convert it; or take the adapter's files away"
      }),
  ]

  private static func step(_ name: String) -> Int {
    Int(name.split(separator: "-").last ?? "") ?? -1
  }

  /// Refuses a folder whose layout is known to hold no model of its own.
  ///
  /// - Throws: `unsupported`, with what it is and what to do.
  static func check(folder path: String) throws(BertError) {
    guard Folder.isFolder(path) else { return }
    let names = Folder.names(in: path)
    for layout in folders where layout.matches(names, path) {
      throw BertError(
        .unsupported, "is \(layout.what): \(layout.advice(names, path))", file: path)
    }
  }

  @Sendable private static func isOfAdapter(_ tensor: String) -> Bool {
    tensor.contains(".lora_A.") || tensor.contains(".lora_B.")
  }

  /// Names by which a checkpoint of another kind shows itself.
  private static let dialects: [(what: String, matches: @Sendable ([String]) -> Bool)] = [
    (
      "an adapter alone, not a model: merge it into its base model (PEFT's merge_and_unload), save "
        + "that, and convert it",
      { names in !names.isEmpty && names.allSatisfy(isOfAdapter) }
    ),
    (
      "a model with an adapter that is not merged into it (tensors such as lora_A): merge it (PEFT's "
        + "merge_and_unload), save that, and convert it",
      { names in names.contains(where: isOfAdapter) }
    ),
  ]

  /// Refuses a checkpoint whose tensors' names show that it is of another kind.
  ///
  /// - Throws: `unsupported`, with what it is and what to do.
  static func check(_ checkpoint: Checkpoint) throws(BertError) {
    let names = checkpoint.tensors.map(\.name)
    for dialect in dialects where dialect.matches(names) {
      throw BertError(.unsupported, "is \(dialect.what)", file: checkpoint.path)
    }
  }

  /// Tokenizers that lie beside a model in files that are not read.
  private static let foreignTokenizers: [(files: [String], what: String)] = [
    (["sentencepiece.bpe.model"], "a SentencePiece model"),
    (["spiece.model"], "a SentencePiece model"),
    (["tokenizer.model"], "a SentencePiece model"), (["spm.model"], "a SentencePiece model"),
    (["vocab.json", "merges.txt"], "a byte-pair vocabulary"),
  ]

  /// Refuses a model whose only tokenizer is of a kind that is not read.
  ///
  /// - Throws: `unsupported`, with what it is and what to do.
  static func checkTokenizer(in folder: String) throws(BertError) {
    let names = Folder.names(in: folder)
    for (files, what) in foreignTokenizers where files.allSatisfy(names.contains) {
      throw BertError(
        .unsupported,
        "the model's tokenizer is \(what) (\(files.joined(separator: ", "))) and there is no "
          + "tokenizer.json: save one with AutoTokenizer, or convert for token ids alone",
        file: folder, remedy: .convertForIDs)
    }
  }
}
