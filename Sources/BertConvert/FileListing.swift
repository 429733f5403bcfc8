import BertErrors
import BertModel
import BertqFile
import ByteFiles
import JSONText
import TensorFiles

/// What any file of tensors holds, BERT or not: a published checkpoint or a `.bertq` file.
///
///     for tensor in try FileListing(path: "model.onnx").tensors { print(tensor.name, tensor.shape) }
///
/// Every value is read, so that damage anywhere is an error.
public struct FileListing: Sendable {
  /// A tensor; equal values have equal sums, whatever file and type hold them.
  public struct Tensor: Sendable, Equatable {
    /// Its name in the file.
    public let name: String
    /// What its elements are, as safetensors names it: "F32".
    public let elementType: String
    /// Its sizes, outermost first.
    public let shape: [Int]
    /// SHA-256 of its values as little-endian float32 in C order, in hexadecimal; nil for elements
    /// that have no meaning as float32.
    public let sha256: String?
  }

  /// The tensors, in the file's order.
  public let tensors: [Tensor]

  /// Reads a file, or the checkpoint in a folder, whole.
  ///
  /// - Throws: `notFound`, `malformed` or `unsupported`.
  public init(path: String) throws(BertError) {
    let list =
      try Self.isBertq(path) ? Self.bertq(path) : TensorListing.read(path)
    tensors = list.map {
      Tensor(name: $0.name, elementType: $0.elementType, shape: $0.shape, sha256: $0.sha256)
    }
  }

  /// A list of objects with `name`, `dtype`, `shape` and `sha256_f32le`.
  public var json: JSON {
    .array(
      tensors.map { tensor in
        [
          "name": .string(tensor.name), "dtype": .string(tensor.elementType),
          "shape": .array(tensor.shape.map { .integer($0) }),
          "sha256_f32le": tensor.sha256.map { .string($0) } ?? .null,
        ]
      })
  }

  /// A tensor a line: sum, type, shape and name.
  public var text: String {
    tensors.map { tensor in
      let sum = tensor.sha256 ?? String(repeating: "-", count: 64)
      return "\(sum) \(tensor.elementType) \(tensor.shape) \(tensor.name)\n"
    }.joined()
  }

  private static func isBertq(_ path: String) throws(BertError) -> Bool {
    if Folder.isFolder(path) || !Folder.isFile(path) { return false }
    let file = try InputFile(path)
    return try file.bytes(0..<min(8, file.size)).elementsEqual(BertqFormat.magic)
  }

  private static func bertq(_ path: String) throws(BertError) -> [ListedTensor] {
    let file = try ModelFile.open(path)
    try file.verifyAll()
    return file.tensors.map { view in
      ListedTensor(
        name: view.name, elementType: view.elementType.rawValue, shape: view.shape,
        values: values(view))
    }
  }

  /// The elements in C order, panels taken apart.
  private static func values(_ view: TensorView) -> [Float] {
    let count = view.shape.reduce(1, *)
    return (0..<count).map { place in
      value(view, at: position(view, place))
    }
  }

  /// Where an element of a place in C order lies.
  private static func position(_ view: TensorView, _ place: Int) -> Int {
    if view.layout == .rowMajor { return place }
    let inputs = view.shape[1]
    let (output, input) = (place / inputs, place % inputs)
    let width = TensorLayout.panelWidth
    let depth = view.layout == .int8Panels ? TensorLayout.panelDepth : 1
    let groups = (inputs + depth - 1) / depth
    return ((output / width * groups + input / depth) * width + output % width) * depth
      + input % depth
  }

  private static func value(_ view: TensorView, at position: Int) -> Float {
    let offset = position * view.elementType.size
    switch view.elementType {
    case .float32:
      let bits = view.bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      return Float(bitPattern: UInt32(littleEndian: bits))
    case .int32:
      return Float(
        Int32(littleEndian: view.bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
    case .int8: return Float(Int8(bitPattern: view.bytes[offset]))
    case .uint8: return Float(view.bytes[offset])
    case .float16:
      let bits = view.bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
      return Float(half: UInt16(littleEndian: bits))
    }
  }
}
