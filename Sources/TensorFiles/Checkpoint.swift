import BertErrors
import SystemLibrary

/// A published checkpoint: tensors by name, read one at a time as float32.
///
/// It may be a safetensors file, an npz archive, a PyTorch or TensorFlow checkpoint, or a shard
/// index with its shards. Opening reads and checks the tables of contents only; memory does not grow with the
/// weights.
package final class Checkpoint: Sendable {
  /// The file that was opened: the checkpoint itself, or its shard index.
  package let path: String
  /// Every tensor, in the container's order.
  package let tensors: [TensorInfo]
  /// Members passed over, each with its reason.
  package let ignored: [IgnoredEntry]
  /// What a user may want to know about the choice of file.
  package let notices: [String]

  /// What was seen of the tensors that were read.
  package let statistics = StatisticsRecord()

  private let container: any TensorContainer
  private let positions: [[UInt8]: Int]

  /// Opens a file that holds tensors, a shard index, or the folder that holds one.
  ///
  /// What a file is, its first bytes say. In a folder the usual names come first, in the order of
  /// `ContainerKind.all`, then the only file of a kind.
  ///
  /// - Throws: `notFound` (absent), `malformed` (damaged, or tables that contradict the file),
  ///   `unsupported` (another kind of checkpoint).
  package static func open(_ path: String) throws(BertError) -> Checkpoint {
    let place = try CheckpointLocation.find(path)
    let container = try ContainerKind.of(place.path).open(place.path)
    return Checkpoint(place.path, notices: place.notices, container: container)
  }

  init(_ path: String, notices: [String], container: any TensorContainer) {
    self.path = path
    self.notices = notices
    self.container = container
    tensors = container.tensors
    ignored = container.ignored
    var positions: [[UInt8]: Int] = [:]
    for (place, tensor) in tensors.enumerated() { positions[Array(tensor.name.utf8)] = place }
    self.positions = positions
  }

  /// The computation that an ONNX file describes, nil for all other files.
  package var graph: OnnxGraph? { (container as? OnnxFile)?.graph }

  /// Begins reading the tensor of a name that is there.
  func stream(_ name: String) throws(BertError) -> TensorStream {
    try container.stream(positions[Array(try require(name).name.utf8)] ?? 0)
  }

  /// The tensor of a name; names are compared byte by byte.
  package subscript(name: String) -> TensorInfo? {
    positions[Array(name.utf8)].map { tensors[$0] }
  }

  /// The values of a tensor as float32 in C order.
  ///
  /// F16 and BF16 convert exactly; F64 and wide integers round to the nearest float32.
  ///
  /// - Throws: `malformed` when its bytes are damaged, `unsupported` for element types without a
  ///   conversion, `notFound` when no tensor has the name.
  package func readFloat32(_ name: String) throws(BertError) -> [Float] {
    let tensor = try require(name)
    try requireMemory(for: tensor)
    var failure: BertError?
    let values = [Float](unsafeUninitializedCapacity: tensor.elementCount) { buffer, count in
      let target = UnsafeMutableBufferPointer(rebasing: buffer[..<tensor.elementCount])
      do throws(BertError) {
        try readFloat32(name, into: target)
        count = tensor.elementCount
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return values
  }

  /// An array ends the process when there is no memory for it, so that this asks before: by a map,
  /// since compilers leave out a `malloc` that is freed unused.
  private func requireMemory(for tensor: TensorInfo) throws(BertError) {
    let (bytes, overflows) = tensor.elementCount.multipliedReportingOverflow(by: 4)
    let memory = mmap(
      nil, max(bytes, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard !overflows, memory != MAP_FAILED else {
      throw BertError(
        .system,
        "there is no memory for its \(tensor.elementCount) numbers, \((bytes >> 20) + 1) MB: allow "
          + "the process more (ulimit -v)", file: tensor.file,
        tensor: String(tensor.name.prefix(200)))
    }
    munmap(memory, max(bytes, 1))
  }

  /// Reads the values of a tensor as float32 in C order into memory of the caller.
  ///
  /// - Parameter output: exactly the tensor's element count; undefined when an error is thrown.
  /// - Throws: as `readFloat32(_:)`.
  package func readFloat32(
    _ name: String, into output: UnsafeMutableBufferPointer<Float>
  ) throws(BertError) {
    let tensor = try require(name)
    if output.count != tensor.elementCount {
      throw BertError(
        .malformed, "holds \(tensor.elementCount) elements; \(output.count) were expected",
        file: tensor.file, tensor: name, byteOffset: tensor.byteOffset)
    }
    try place(tensor) { () throws(BertError) in
      let stream = try container.stream(positions[Array(name.utf8)] ?? 0)
      try FloatConversion.read(stream, type: tensor.type, into: output)
      try stream.bytes.finish()
      if let strides = stream.strides {
        FloatConversion.rearrange(output, shape: tensor.shape, strides: strides)
      }
      statistics.add(name, TensorStatistics(UnsafeBufferPointer(output)))
    }
  }

  /// Numbers that a piece of a tensor has at most, unless a row alone has more.
  private static let pieceSize = 1 << 18

  /// Hands out the values of a tensor as float32 in C order, some whole rows at a time: of a large table no more than
  /// that is in memory.
  ///
  /// - Parameter body: is given each piece, the first row's first.
  /// - Throws: as `readFloat32(_:)`, perhaps after some pieces, and what `body` throws.
  package func readFloat32(
    _ name: String, inPieces body: (UnsafeBufferPointer<Float>) throws(BertError) -> Void
  ) throws(BertError) {
    let tensor = try require(name)
    let width = tensor.shape.dropFirst().reduce(1, *)
    let stream = try place(tensor) { () throws(BertError) in
      try container.stream(positions[Array(name.utf8)] ?? 0)
    }
    let rows = max(1, Self.pieceSize / max(1, width))
    guard stream.strides == nil, tensor.shape.count > 1, tensor.shape[0] > rows else {
      let values = try readFloat32(name)
      return try values.withUnsafeBufferPointer { (values) throws(BertError) in try body(values) }
    }
    let piece = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows * width)
    defer { piece.deallocate() }
    var statistics: TensorStatistics?
    for first in stride(from: 0, to: tensor.shape[0], by: rows) {
      let count = min(rows, tensor.shape[0] - first) * width
      let values = UnsafeMutableBufferPointer(rebasing: piece[..<count])
      try place(tensor) { () throws(BertError) in
        try FloatConversion.read(stream, type: tensor.type, into: values)
      }
      let seen = TensorStatistics(UnsafeBufferPointer(values))
      if statistics == nil { statistics = seen } else { statistics?.add(seen) }
      try body(UnsafeBufferPointer(values))
    }
    try place(tensor) { () throws(BertError) in try stream.bytes.finish() }
    if let statistics { self.statistics.add(name, statistics) }
  }

  /// Says in an error which tensor could not be read.
  private func place<Result>(
    _ tensor: TensorInfo, _ body: () throws(BertError) -> Result
  ) throws(BertError) -> Result {
    do throws(BertError) { return try body() } catch {
      var error = error.inFile(tensor.file)
      error.tensor = String(tensor.name.prefix(200))
      throw error
    }
  }

  private func require(_ name: String) throws(BertError) -> TensorInfo {
    guard let tensor = self[name] else {
      throw BertError(
        .notFound, "the checkpoint has no such tensor", file: path, tensor: String(name.prefix(200))
      )
    }
    if !tensor.type.isReadable {
      throw BertError(
        .unsupported, "its elements are \(tensor.type.rawValue), which is not read",
        file: tensor.file, tensor: String(name.prefix(200)), byteOffset: tensor.byteOffset)
    }
    return tensor
  }
}

extension Checkpoint {
  /// Whether two tensors of one shape hold the same values, NaN being the same as itself.
  ///
  /// Holds both in memory while it compares them.
  ///
  /// - Throws: as `readFloat32(_:)`.
  package func haveSameValues(_ first: String, _ second: String) throws(BertError) -> Bool {
    guard let a = self[first], let b = self[second], a.shape == b.shape else { return false }
    let (x, y) = (try readFloat32(first), try readFloat32(second))
    return zip(x, y).allSatisfy { $0.bitPattern == $1.bitPattern }
  }
}
