import BertErrors

/// How a tensor is made from others of a checkpoint, when a graph says what they are.
package struct TensorDerivation: Sendable, Equatable {
  /// The tensor that holds its elements.
  package var source: String
  /// Whether it is that matrix with rows and columns exchanged.
  package var isTransposed = false
  /// Factors of integers: one, or one for each index of an axis.
  package var scale: String?
  /// What is subtracted before; of the scale's shape.
  package var zeroPoint: String?
  /// The source's axis along which scales differ.
  package var axis = 0

  /// The source as it is.
  package init(source: String) { self.source = source }
}

extension Checkpoint {
  /// The same checkpoint with tensors under other names, turned or dequantised.
  ///
  /// - Parameters:
  ///   - derivations: the new tensors by name, in order.
  ///   - used: tensors that they are made of, which are not listed any more.
  ///   - ignored: tensors that are of no use, each with the reason.
  /// - Throws: `malformed` or `unsupported` when a scale does not fit.
  package func deriving(
    _ derivations: [(name: String, derivation: TensorDerivation)], used: Set<String>,
    ignored: [String: String]
  ) throws(BertError) -> Checkpoint {
    Checkpoint(
      path, notices: notices,
      container: try DerivedTensors(self, derivations, used: used, ignored: ignored))
  }
}

/// Tensors made from those of another container.
final class DerivedTensors: TensorContainer {
  let tensors: [TensorInfo]
  let ignored: [IgnoredEntry]
  private let base: Checkpoint
  private let derivations: [TensorDerivation]

  init(
    _ base: Checkpoint, _ derivations: [(name: String, derivation: TensorDerivation)],
    used: Set<String>, ignored: [String: String]
  ) throws(BertError) {
    self.base = base
    var all: [TensorDerivation] = []
    var tensors: [TensorInfo] = []
    for (name, derivation) in derivations {
      guard let source = base[derivation.source] else { continue }
      try Self.check(derivation, source, base)
      all.append(derivation)
      tensors.append(Self.info(name, derivation, source))
    }
    for tensor in base.tensors where !used.contains(tensor.name) && ignored[tensor.name] == nil {
      all.append(TensorDerivation(source: tensor.name))
      tensors.append(tensor)
    }
    self.derivations = all
    self.tensors = tensors
    self.ignored =
      base.ignored
      + base.tensors.compactMap { tensor in
        ignored[tensor.name].map { .init(name: tensor.name, reason: $0, file: tensor.file) }
      }
  }

  private static func info(
    _ name: String, _ derivation: TensorDerivation, _ source: TensorInfo
  ) -> TensorInfo {
    TensorInfo(
      name: name, type: derivation.scale == nil ? source.type : .float32,
      shape: derivation.isTransposed ? source.shape.reversed() : source.shape, file: source.file,
      byteOffset: source.byteOffset,
      isPlain: source.isPlain && !derivation.isTransposed && derivation.scale == nil,
      elementCount: source.elementCount)
  }

  private static func check(
    _ derivation: TensorDerivation, _ source: TensorInfo, _ base: Checkpoint
  ) throws(BertError) {
    func failure(_ message: String) -> BertError {
      BertError(
        .unsupported, message, file: source.file, tensor: String(source.name.prefix(200)),
        byteOffset: source.byteOffset)
    }
    if derivation.isTransposed && source.shape.count != 2 {
      throw failure("has shape \(source.shape); a matrix was expected")
    }
    guard let scale = derivation.scale else { return }
    let isInteger = [StoredType.int8, .uint8, .int16, .uint16].contains(source.type)
    guard isInteger, source.shape.indices.contains(derivation.axis) else {
      throw failure("holds \(source.type.rawValue) \(source.shape), which is not dequantised")
    }
    for name in [scale, derivation.zeroPoint].compactMap({ $0 }) {
      guard let factors = base[name],
        factors.elementCount == 1 || factors.elementCount == source.shape[derivation.axis]
      else {
        throw failure(
          "its scale or zero point '\(name.prefix(200))' has \(base[name]?.shape ?? []) values; one, "
            + "or one for each of \(source.shape[derivation.axis]), was expected")
      }
    }
  }

  func stream(_ position: Int) throws(BertError) -> TensorStream {
    let derivation = derivations[position]
    var stream = try base.stream(derivation.source)
    if let scale = derivation.scale, let source = base[derivation.source] {
      let zeros = try derivation.zeroPoint.map { name throws(BertError) in
        try base.readFloat32(name)
      }
      let run = source.shape.dropFirst(derivation.axis + 1).reduce(1, *)
      stream = TensorStream(
        bytes: DequantizedStream(
          stream, source.type, scales: try base.readFloat32(scale), zeros: zeros ?? [0], run: run),
        isBigEndian: 1.littleEndian != 1, strides: stream.strides)
    }
    if derivation.isTransposed, let shape = base[derivation.source]?.shape {
      // Elements of the source lie row by row; a column of it is a row here.
      let strides = stream.strides ?? [shape[1], 1]
      stream.strides = strides.reversed()
    }
    return stream
  }
}

/// Integers as `scale · (q − zero)`: the difference is exact, the product rounded once.
private final class DequantizedStream: ByteStream {
  private let inner: TensorStream
  private let type: StoredType
  private let scales: [Float]
  private let zeros: [Float]
  /// Neighbours that have one scale.
  private let run: Int
  private var done = 0

  init(_ inner: TensorStream, _ type: StoredType, scales: [Float], zeros: [Float], run: Int) {
    self.inner = inner
    self.type = type
    self.scales = scales
    self.zeros = zeros
    self.run = max(run, 1)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(BertError) {
    // Readers ask for whole elements, in memory that is aligned for them.
    let values = buffer.bindMemory(to: Float.self)
    try FloatConversion.read(inner, type: type, into: values)
    for place in values.indices {
      let group = (done + place) / run
      let zero = zeros.count == 1 ? zeros[0] : zeros[group % zeros.count]
      let scale = scales.count == 1 ? scales[0] : scales[group % scales.count]
      values[place] = (values[place] - zero) * scale
    }
    done += values.count
  }

  func finish() throws(BertError) { try inner.bytes.finish() }
}
