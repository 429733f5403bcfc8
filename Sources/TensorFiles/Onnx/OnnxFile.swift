import BertErrors
import ByteFiles

/// An ONNX model: its initialisers, in the file or beside it, and its graph.
///
/// Weights often have no name of their own there (`onnx::MatMul_470`): what they are, only the
/// graph says. Layout: `onnx/onnx.proto`.
final class OnnxFile: TensorContainer {
  let tensors: [TensorInfo]
  let ignored: [IgnoredEntry]
  /// The computation.
  let graph: OnnxGraph

  private let file: InputFile
  private let elements: [OnnxTensor.Elements]

  init(path: String) throws(BertError) {
    file = try InputFile(path)
    do throws(BertError) {
      (graph, tensors, elements, ignored) = try Self.read(file)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Whether a file begins as ONNX models do: with a version, then the producer, the opset or the
  /// graph.
  static func isOne(_ start: [UInt8]) -> Bool {
    start.count > 3 && start[0] == 0x08 && (1...20).contains(start[1])
      && [0x12, 0x1A, 0x22, 0x3A, 0x42].contains(start[2])
  }

  private static func read(
    _ file: InputFile
  ) throws(BertError) -> (OnnxGraph, [TensorInfo], [OnnxTensor.Elements], [IgnoredEntry]) {
    var model = ProtobufReader(ByteReader("the model", file))
    var found: OnnxContents?
    while let (field, value) = try model.next() {
      guard field == 7 else { continue }
      if found != nil { throw model.damaged("the model has two graphs") }
      found = try OnnxContents(model.message(value, "graph", as: "the graph"), file)
    }
    guard let found else {
      throw BertError(.malformed, "is no ONNX model: it has no graph", byteOffset: 0)
    }
    if found.tensors.isEmpty { throw BertError(.unsupported, "the graph holds no tensor") }
    return (found.graph, found.tensors, found.elements, found.ignored)
  }

  func stream(_ position: Int) throws(BertError) -> TensorStream {
    switch elements[position] {
    case .raw(let file, let range):
      return TensorStream(bytes: FileStream(file, at: range.lowerBound))
    case .varints(let range):
      let info = tensors[position]
      var reader = ByteReader("the tensor", file, range)
      var bytes: [UInt8] = []
      let size = info.type.bits / 8
      for _ in 0..<info.elementCount {
        var bits = try reader.varint()
        for _ in 0..<size {
          bytes.append(UInt8(truncatingIfNeeded: bits))
          bits >>= 8
        }
      }
      if !reader.isAtEnd {
        throw reader.damaged("\(reader.remaining) bytes follow its last element")
      }
      return TensorStream(bytes: MemoryStream(bytes))
    }
  }
}

/// What a graph's message holds.
private struct OnnxContents {
  var graph = OnnxGraph()
  var tensors: [TensorInfo] = []
  var elements: [OnnxTensor.Elements] = []
  var ignored: [IgnoredEntry] = []
  private var names = Set<[UInt8]>()
  private var outside: [String: InputFile] = [:]
  /// Bytes of tensors in files beside the graph's, which may share theirs.
  private var outsideBytes = 0

  init(_ message: ProtobufReader, _ file: InputFile) throws(BertError) {
    var message = message
    while let (field, value) = try message.next() {
      switch field {
      case 1:
        guard let constant = try graph.append(message.message(value, "node", as: "a node")) else {
          continue
        }
        var tensor = try OnnxTensor(constant.tensor)
        tensor.name = constant.name
        if tensor.mayBeWeight { try append(tensor, file, at: message.position) }
      case 5:
        let tensor = try OnnxTensor(message.message(value, "initializer", as: "a tensor"))
        try append(tensor, file, at: message.position)
      case 15:
        throw BertError(
          .unsupported, "the graph has a sparse tensor; save it dense", byteOffset: message.position
        )
      default: break
      }
    }
    let total = outside.values.reduce(0) { $0 + $1.size }
    if outsideBytes / FileLimits.storageSharing > total {
      throw message.damaged("its tensors are many times as large as the files that hold them")
    }
  }

  private mutating func append(
    _ tensor: OnnxTensor, _ file: InputFile, at position: Int
  ) throws(BertError) {
    do throws(BertError) {
      try append(tensor, file)
    } catch {
      var error = error
      error.tensor = String(tensor.name.prefix(200))
      error.byteOffset = error.byteOffset ?? position
      throw error
    }
  }

  private mutating func append(_ tensor: OnnxTensor, _ file: InputFile) throws(BertError) {
    guard names.insert(Array(tensor.name.utf8)).inserted else {
      throw BertError(.malformed, "occurs twice in the graph")
    }
    if names.count > FileLimits.tensors {
      throw BertError(.malformed, "the graph has more than \(FileLimits.tensors) tensors")
    }
    guard let type = tensor.storedType else {
      let what = tensor.type == 8 ? "text, not numbers" : "no plain numbers (type \(tensor.type))"
      ignored.append(.init(name: tensor.name, reason: what, file: file.path))
      return
    }
    let folder = Folder.parent(of: file.path)
    var opened = outside
    let (elements, count) = try tensor.elements(in: file) { name throws(BertError) in
      if let open = opened[name] { return open }
      if opened.count >= FileLimits.shards {
        throw BertError(.unsupported, "the graph names more than \(FileLimits.shards) files")
      }
      let file = try InputFile(folder + "/" + name)
      opened[name] = file
      return file
    }
    outside = opened
    let graphPath = file.path
    var info = (file: file.path, offset: 0, isPlain: true)
    switch elements {
    case .raw(let file, let range):
      info.file = file.path
      info.offset = range.lowerBound
      // Bounded: each is at most a file's size, and there are at most `FileLimits.tensors`.
      if file.path != graphPath { outsideBytes = min(outsideBytes, Int.max / 2) + range.count }
    case .varints(let range):
      info.offset = range.lowerBound
      info.isPlain = false
    }
    tensors.append(
      TensorInfo(
        name: tensor.name, type: type, shape: tensor.shape, file: info.file,
        byteOffset: info.offset, isPlain: info.isPlain, elementCount: count))
    self.elements.append(elements)
  }
}
