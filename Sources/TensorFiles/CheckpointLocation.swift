import BertErrors
import ByteFiles

/// Finds the file that a path means.
enum CheckpointLocation {
  /// The file for a path that may be a folder.
  static func find(_ path: String) throws(BertError) -> (path: String, notices: [String]) {
    if !Folder.isFolder(path) { return (tensorFlowIndex(path) ?? path, []) }
    let folder = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    // A link that leads nowhere is not absent: opening it says what is wrong.
    let names = Folder.names(in: folder).filter { !Folder.isFolder(folder + "/" + $0) }
    for kind in ContainerKind.all {
      if let name = kind.usualNames.first(where: names.contains) {
        return (folder + "/" + name, notices(name, names))
      }
    }
    for kind in ContainerKind.all {
      let candidates = names.filter { kind.matches(name: $0) && !kind.otherNames.contains($0) }
      if candidates.count > 1 {
        throw BertError(
          .notFound,
          "the folder holds several checkpoints (\(candidates.prefix(10).joined(separator: ", "))); "
            + "name one of them", file: path)
      }
      if let only = candidates.first { return (folder + "/" + only, notices(only, names)) }
    }
    throw nothingFound(path, folder, names)
  }

  /// The index of a TensorFlow checkpoint that is named by its prefix or by another of its files.
  private static func tensorFlowIndex(_ path: String) -> String? {
    if path.hasSuffix(BundleFile.suffix) || path.isEmpty { return nil }
    var prefix = Substring(path)
    if path.hasSuffix(".meta") {
      prefix = path.dropLast(5)
    } else if let range = path.utf8.indices.last(where: { path[$0...].hasPrefix(".data-") }) {
      // ".data-00000-of-00001"
      if path[range...].utf8.count == 20 { prefix = path[..<range] }
    }
    if prefix.utf8.count == path.utf8.count && Folder.isFile(path) { return nil }
    let index = String(prefix) + BundleFile.suffix
    return Folder.isFile(index) ? index : nil
  }

  /// What a user may want to know about a choice.
  private static func notices(_ name: String, _ names: [String]) -> [String] {
    let index = name + ".index.json"
    return names.contains(index)
      ? ["\(name) is used; the shard index beside it is not"] : []
  }

  private static func nothingFound(
    _ path: String, _ folder: String, _ names: [String]
  ) -> BertError {
    // Checkpoints of other kinds have names that people give to nothing else.
    for name in names where otherSuffixes.contains(where: { name.hasSuffix($0) }) {
      if let file = try? InputFile(folder + "/" + name),
        let start = try? FileSignature.start(of: file), let signature = FileSignature(start)
      {
        return BertError(
          .unsupported,
          "the folder holds \(name), \(signature.noun), and no checkpoint that is read: "
            + signature.advice, file: path)
      }
    }
    if let adapter = names.first(where: { $0.hasPrefix("adapter_model.") }) {
      return BertError(
        .unsupported,
        "the folder holds \(adapter), an adapter alone: merge it into its model and convert that",
        file: path)
    }
    if Folder.isFile(folder + "/onnx/model.onnx") {
      return BertError(
        .notFound, "the folder holds no checkpoint, but onnx/model.onnx lies below it: name that",
        file: path)
    }
    return BertError(
      .notFound,
      "the folder holds no checkpoint such as model.safetensors; \(ContainerKind.readable) are read",
      file: path)
  }

  private static let otherSuffixes = [
    ".h5", ".msgpack", ".gguf", ".npy", ".bertq", ".keras", ".tflite", ".safetensors.gz", ".tar",
    ".tar.gz", ".tgz",
  ]
}
