import BertErrors
import FoundationEssentials
import Glibc
import JSONText

@testable import BertImport
@testable import BertqFile
@testable import TensorFiles

/// A parser that is given bytes from anybody; it may throw a `BertError` of a malformed file, and nothing else may happen.
enum FuzzTarget: String, CaseIterable {
  case safetensors, npz, pickle, torch, tensorflow, table, onnx, protobuf, index, recogniser, json
  case config, tokenizer, vocabulary, pieces, sentencepiece, merges, charsmap
  case tokenizerConfig = "tokenizer-config"
  case specialTokens = "special-tokens", addedTokens = "added-tokens", modules, pooling, sentences
  case bertq, request

  /// The folder where the bytes are put for parsers that read files.
  static let folder: String = {
    let path = "/dev/shm/bertq-fuzz-\(getpid())"
    mkdir(path, 0o700)
    return path
  }()

  /// The name of the file in it.
  private var fileName: String {
    switch self {
    case .tensorflow: "m.index"
    case .index: "m.safetensors.index.json"
    case .onnx: "m.onnx"
    case .npz: "m.npz"
    case .safetensors: "m.safetensors"
    case .config: "config.json"
    case .tokenizer: "tokenizer.json"
    case .vocabulary: "vocab.txt"
    case .sentencepiece: "spm.model"
    case .tokenizerConfig: "tokenizer_config.json"
    case .specialTokens: "special_tokens_map.json"
    case .addedTokens: "added_tokens.json"
    case .modules: "modules.json"
    case .pooling: "1_Pooling/config.json"
    case .sentences: "config_sentence_transformers.json"
    default: "m"
    }
  }

  /// Gives the bytes to the parser.
  func run(_ bytes: UnsafeRawBufferPointer) {
    do throws(BertError) {
      switch self {
      case .json: _ = try JSON.parse(Array(bytes))
      case .request: try RequestFuzzing.run(bytes)
      case .pieces, .merges, .charsmap: try PieceFuzzing.run(self, Array(bytes))
      case .pickle:
        var reader = ByteReader("the pickle", Array(bytes))
        _ = try TensorTree(PickleMachine.read(&reader))
      case .protobuf:
        try walk(ProtobufReader(ByteReader("the message", Array(bytes))), depth: 0)
      case .bertq:
        let path = repaired(bytes).withUnsafeBytes { write($0) }
        try ModelFile.open(path).verifyAll()
      default: try run(file: write(bytes))
      }
    } catch {
      precondition([65, 66, 69].contains(error.code.exitCode), "\(error)")
    }
  }

  private func run(file: String) throws(BertError) {
    switch self {
    case .table: _ = try SortedTable.read(.init(file))
    case .sentencepiece:
      _ = try SentencePieceFile(file, rows: 64).pipeline(named: [:], configuration: [:], rows: 64)
    case .config, .tokenizer, .vocabulary, .tokenizerConfig, .specialTokens, .addedTokens, .modules,
      .pooling, .sentences:
      _ = try ModelImport.read(input: Self.folder)
    default:
      let checkpoint = try Checkpoint.open(file)
      for tensor in checkpoint.tensors where tensor.type.isReadable {
        _ = try checkpoint.readFloat32(tensor.name)
      }
      if checkpoint.graph != nil { _ = try OnnxWeights.named(checkpoint) }
    }
  }

  /// The file with a prologue that fits it, so that what lies behind the checksums is reached.
  private func repaired(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    let start = BertqFormat.prologueSize
    guard bytes.count > start else { return Array(bytes) }
    let said = bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
    let length = Int(said % UInt64(bytes.count - start + 1))
    let header = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + length)])
    let prologue = Prologue(
      headerChecksum: checksum(header), headerLength: length, fileLength: bytes.count)
    return prologue.bytes + bytes[start...]
  }

  /// Takes every field for every type.
  private func walk(_ message: ProtobufReader, depth: Int) throws(BertError) {
    var message = message
    var numbers: [Int] = []
    while let (_, value) = try message.next() {
      try? message.append(value, "numbers", to: &numbers, limit: 100)
      _ = try? message.text(value, "text", limit: 100)
      if depth < 3, let nested = try? message.message(value, "nested", as: "a message") {
        try? walk(nested, depth: depth + 1)
      }
    }
  }

  private func write(_ bytes: UnsafeRawBufferPointer) -> String {
    let path = Self.folder + "/" + fileName
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    precondition(file >= 0 && Glibc.write(file, bytes.baseAddress, bytes.count) == bytes.count)
    close(file)
    return path
  }
}

/// The target that BERTQ_FUZZ names, the files of BERTQ_FUZZ_BESIDE around the fuzzed one.
private let target: FuzzTarget = {
  let name = getenv("BERTQ_FUZZ").map { String(cString: $0) } ?? ""
  guard let target = FuzzTarget(rawValue: name) else {
    fatalError("BERTQ_FUZZ names one of \(FuzzTarget.allCases.map(\.rawValue))")
  }
  if let beside = getenv("BERTQ_FUZZ_BESIDE").map({ String(cString: $0) }) {
    let files = FileManager.default
    for name in (try? files.contentsOfDirectory(atPath: beside)) ?? [] {
      try? files.copyItem(atPath: beside + "/" + name, toPath: FuzzTarget.folder + "/" + name)
    }
  }
  return target
}()

/// What libFuzzer calls.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  target.run(UnsafeRawBufferPointer(start: start, count: count))
  return 0
}
