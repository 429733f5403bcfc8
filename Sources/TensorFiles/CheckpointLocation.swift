import BertErrors
import ByteFiles

/// Finds the file that a path means, and what kind of container it is.
enum CheckpointLocation {
  enum Kind { case safetensors, npz, index }

  /// Containers that people have and this package does not read, by the end of the name.
  private static let otherKinds: [(suffix: String, noun: String)] = [
    (".bin", "a PyTorch checkpoint"), (".pt", "a PyTorch checkpoint"),
    (".pth", "a PyTorch checkpoint"), (".ckpt", "a TensorFlow or PyTorch checkpoint"),
    (".ckpt.index", "a TensorFlow checkpoint"), (".h5", "a Keras file"), (".onnx", "an ONNX model"),
    (".msgpack", "a Flax checkpoint"), (".gguf", "a GGUF file"), (".npy", "a single NumPy array"),
    (".bertq", "already a .bertq file"),
  ]

  /// The file for a path that may be a folder.
  static func find(_ path: String) throws(BertError) -> (path: String, notices: [String]) {
    if !Folder.isFolder(path) { return (path, []) }
    let folder = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    let names = Folder.names(in: folder).filter { Folder.isFile(folder + "/" + $0) }
    if names.contains("model.safetensors") {
      let hasIndex = names.contains("model.safetensors.index.json")
      return (
        folder + "/model.safetensors",
        hasIndex ? ["model.safetensors is used; the shard index beside it is not"] : []
      )
    }
    for suffix in [".safetensors.index.json", ".npz", ".safetensors"] {
      let candidates = names.filter { $0.hasSuffix(suffix) }
      if candidates.contains("model" + suffix) { return (folder + "/model" + suffix, []) }
      if candidates.count > 1 {
        throw BertError(
          .notFound,
          "the folder holds several checkpoints (\(candidates.prefix(10).joined(separator: ", "))); "
            + "name one of them", file: path)
      }
      if let only = candidates.first { return (folder + "/" + only, []) }
    }
    for name in names {
      if let other = otherKinds.first(where: { name.hasSuffix($0.suffix) }) {
        throw BertError(
          .unsupported,
          "the folder holds \(name), \(other.noun); a .safetensors file, its shard index or an "
            + ".npz file is needed", file: path)
      }
    }
    throw BertError(
      .notFound,
      "the folder holds no checkpoint: no model.safetensors, model.safetensors.index.json or .npz",
      file: path)
  }

  /// What a file is, by its name or else by its first bytes.
  static func kind(_ path: String) throws(BertError) -> Kind {
    if path.hasSuffix(".safetensors") { return .safetensors }
    if path.hasSuffix(".npz") { return .npz }
    if path.hasSuffix(".index.json") { return .index }
    let file = try InputFile(path)
    if let other = otherKinds.first(where: { path.hasSuffix($0.suffix) }) {
      throw BertError(
        .unsupported,
        "is \(other.noun); a .safetensors file, its shard index or an .npz file is needed",
        file: path)
    }
    let start = try file.bytes(0..<min(16, file.size))
    if start.starts(with: Array("PK".utf8)) { return .npz }
    if start.count > 8, start[8] == UInt8(ascii: "{") { return .safetensors }
    let looks = FileSignature.describe(start).map { ": it looks like \($0)" } ?? ""
    throw BertError(
      .malformed,
      "is no checkpoint\(looks); expected a .safetensors file, a shard index (.index.json) or an "
        + ".npz file", file: path)
  }
}
