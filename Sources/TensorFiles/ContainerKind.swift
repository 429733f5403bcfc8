import BertErrors
import ByteFiles

/// A kind of file that holds tensors, and how it is found and opened.
///
/// A file's first bytes say what it is; its suffix decides only where they cannot, and must not
/// contradict them. In a folder the kinds are looked for in the order of the table.
struct ContainerKind: Sendable {
  /// "a PyTorch checkpoint".
  let noun: String
  /// How names of such files end; nothing else has these suffixes.
  let suffixes: [String]
  /// Names that are taken in a folder though others of the kind lie there.
  let usualNames: [String]
  /// Names that end so and hold no model.
  var otherNames: Set<String> = []
  let open: @Sendable (String) throws(BertError) -> any TensorContainer

  static let safetensors = ContainerKind(
    noun: "a safetensors file", suffixes: [".safetensors"], usualNames: ["model.safetensors"],
    otherNames: ["adapter_model.safetensors"]
  ) { path throws(BertError) in try SafetensorsFile(path: path) }

  static let shardIndex = ContainerKind(
    noun: "a shard index", suffixes: [".safetensors.index.json", ".index.json"],
    usualNames: ["model.safetensors.index.json"]
  ) { path throws(BertError) in try ShardedFiles(index: path) }

  static let npz = ContainerKind(
    noun: "an npz archive", suffixes: [".npz"], usualNames: ["model.npz"]
  ) { path throws(BertError) in try NpzFile(path: path) }

  static let torch = ContainerKind(
    noun: "a PyTorch checkpoint", suffixes: [".bin", ".pt", ".pth", ".ckpt"],
    usualNames: ["pytorch_model.bin"],
    otherNames: [
      "training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "scheduler.bin",
      "rng_state.pth", "scaler.pt", "adapter_model.bin",
    ]
  ) { path throws(BertError) in try TorchFile(path: path) }

  static let torchIndex = ContainerKind(
    noun: "a shard index", suffixes: [".bin.index.json"],
    usualNames: ["pytorch_model.bin.index.json"]
  ) { path throws(BertError) in try ShardedFiles(index: path) }

  static let tensorFlow = ContainerKind(
    noun: "the index of a TensorFlow checkpoint", suffixes: [BundleFile.suffix],
    usualNames: ["bert_model.ckpt.index", "model.ckpt.index"]
  ) { path throws(BertError) in try BundleFile(index: path) }

  static let onnx = ContainerKind(
    noun: "an ONNX model", suffixes: [".onnx"], usualNames: ["model.onnx"]
  ) { path throws(BertError) in try OnnxFile(path: path) }

  /// All kinds, the preferred first.
  static let all = [safetensors, shardIndex, npz, torch, torchIndex, tensorFlow, onnx]

  /// What is read, for messages.
  static let readable =
    "safetensors, npz, PyTorch, TensorFlow and ONNX files and shard indices"

  func matches(name: String) -> Bool { suffixes.contains { name.hasSuffix($0) } }

  /// The kind of a file.
  ///
  /// - Throws: `notFound` when it cannot be opened, `unsupported` for a known kind that is not
  ///   read, `malformed` for anything else.
  static func of(_ path: String) throws(BertError) -> ContainerKind {
    if path.hasSuffix(".index.json") { return shardIndex }
    let file = try InputFile(path)
    let start = try FileSignature.start(of: file)
    // These names promise a format that checks itself and says what is wrong with it.
    if path.hasSuffix(".safetensors") { return safetensors }
    do throws(BertError) {
      if start.starts(with: Array("PK\u{3}\u{4}".utf8)) { return try kind(ofArchive: file) }
    } catch {
      throw error.inFile(path)
    }
    if path.hasSuffix(".npz") { return npz }
    if FileSignature.isSafetensors(start) { return safetensors }
    if start.count > 2, start[0] == 0x80, (1...5).contains(start[1]) { return torch }
    if OnnxFile.isOne(start) { return onnx }
    if SortedTable.isOne(file) {
      if path.hasSuffix(BundleFile.suffix) { return tensorFlow }
      throw BertError(
        .unsupported,
        "is a table of TensorFlow, but no index of a checkpoint: version 1 is not read; save it "
          + "again, as version 2", file: path)
    }
    guard let signature = FileSignature(start) else {
      if let kind = all.first(where: { $0.matches(name: path) }) {
        throw BertError(
          .malformed, "is named like \(kind.noun) and is none: it begins with other bytes",
          file: path, byteOffset: 0)
      }
      throw BertError(
        .malformed, "is no checkpoint that is known; \(readable) are read", file: path,
        byteOffset: 0)
    }
    throw BertError(
      isKnownOtherKind(signature, path) ? .unsupported : .malformed,
      "is \(signature.noun); \(signature.advice) (\(readable) are read)", file: path, byteOffset: 0)
  }

  /// The kind of a shard: a file with tensors, not another index.
  static func of(shard path: String) throws(BertError) -> ContainerKind {
    let kind = try of(path)
    if path.hasSuffix(".json") {
      throw BertError(.malformed, "is a shard index in the place of a shard", file: path)
    }
    return kind
  }

  private static func isKnownOtherKind(_ signature: FileSignature, _ path: String) -> Bool {
    !signature.noun.hasPrefix("text") && signature.noun != "JSON"
  }

  /// Both NumPy and PyTorch keep tensors in ZIP archives.
  private static func kind(ofArchive file: InputFile) throws(BertError) -> ContainerKind {
    let archive = try ZipArchive(file)
    let names = archive.members.map(\.name)
    guard TorchArchive.isOne(archive) else {
      if names.contains(where: { $0.hasSuffix(".npy") }) || file.path.hasSuffix(".npz") {
        return npz
      }
      if names.contains(where: { $0.hasSuffix("model.weights.h5") }) {
        throw BertError(
          .unsupported, "is a Keras archive; load it there and save it as safetensors")
      }
      // Arrays may be named without their suffix; the reader says so where there is none.
      return npz
    }
    if names.contains(where: { $0.hasSuffix(".npy") }) {
      throw BertError(
        .malformed,
        "the archive can be read in two ways: it holds a PyTorch pickle and NumPy arrays"
      )
    }
    return torch
  }
}
