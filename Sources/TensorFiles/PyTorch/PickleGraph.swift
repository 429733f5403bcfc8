/// What a pickle says, as far as it is about tensors: nothing in it can do anything.
///
/// Containers lie in one list and are named by number. A pickle that nests, shares or contains
/// itself therefore costs no recursion, neither here nor when it is freed.
struct PickleGraph {
  /// A value; whatever has parts is a number into one of the lists.
  enum Value {
    case none
    case bool(Bool)
    case integer(Int)
    /// An integer of more than 64 bits, as it was written.
    case wideInteger([UInt8])
    case real(Double)
    case text(String)
    case bytes
    case container(Int)
    case storage(Int)
    case tensor(Int)
    case global(PickleGlobal)
    /// Something that is allowed but of no use here, such as a device.
    case other
  }

  enum ContainerKind { case list, tuple, dictionary }

  /// A list, a tuple, or a dictionary, whose items are key, value, key, value ...
  struct Container {
    var kind: ContainerKind
    var items: [Value] = []
  }

  /// A run of elements that tensors share.
  struct Storage {
    /// What its elements are; bytes when the file does not say.
    var type: StoredType
    /// Which run of the file it is.
    var key: String
    /// Elements of the whole run.
    var count: Int
    /// The part of the run that it is, for views of storages in old files.
    var view: Range<Int>
  }

  /// A view of a storage, in elements.
  struct Tensor {
    var storage: Int
    var type: StoredType
    var offset: Int
    var shape: [Int]
    var strides: [Int]
  }

  var root = Value.none
  var containers: [Container] = []
  var storages: [Storage] = []
  var tensors: [Tensor] = []

  /// The items of a list or tuple, nil for anything else.
  func sequence(_ value: Value) -> [Value]? {
    guard case .container(let place) = value, containers[place].kind != .dictionary else {
      return nil
    }
    return containers[place].items
  }

  /// The items of a list or tuple of few whole numbers from 0 on.
  func sizes(_ value: Value) -> [Int]? {
    guard let items = sequence(value), items.count <= FileLimits.rank else { return nil }
    var sizes: [Int] = []
    for item in items {
      guard case .integer(let size) = item, size >= 0 else { return nil }
      sizes.append(size)
    }
    return sizes
  }
}

/// The names from Python's modules that a checkpoint may use; all others are refused.
enum PickleGlobal: Equatable {
  case orderedDictionary
  case rebuildTensor
  case rebuildTypedTensor
  case rebuildParameter
  case size
  case device
  case storage(StoredType)
  case elementType(StoredType)

  /// The meaning of a name, nil when it is not allowed.
  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"):
      self = .rebuildTensor
    case ("torch._utils", "_rebuild_tensor_v3"): self = .rebuildTypedTensor
    case ("torch._utils", "_rebuild_parameter"),
      ("torch._utils", "_rebuild_parameter_with_state"), ("torch.nn.parameter", "Parameter"):
      self = .rebuildParameter
    case ("torch", "Size"): self = .size
    case ("torch", "device"): self = .device
    case ("torch", "UntypedStorage"), ("torch.storage", "UntypedStorage"): self = .storage(.uint8)
    case ("torch", _), ("torch.cuda", _):
      if let type = Self.storages[name] {
        self = .storage(type)
      } else if module == "torch", let type = Self.elementTypes[name] {
        self = .elementType(type)
      } else {
        return nil
      }
    default: return nil
    }
  }

  private static let storages: [String: StoredType] = [
    "DoubleStorage": .float64, "FloatStorage": .float32, "HalfStorage": .float16,
    "BFloat16Storage": .bfloat16, "LongStorage": .int64, "IntStorage": .int32,
    "ShortStorage": .int16, "CharStorage": .int8, "ByteStorage": .uint8, "BoolStorage": .bool,
    "ComplexFloatStorage": .complex64,
  ]

  private static let elementTypes: [String: StoredType] = [
    "float64": .float64, "float32": .float32, "float16": .float16, "bfloat16": .bfloat16,
    "int64": .int64, "int32": .int32, "int16": .int16, "int8": .int8, "uint64": .uint64,
    "uint32": .uint32, "uint16": .uint16, "uint8": .uint8, "bool": .bool, "complex64": .complex64,
    "float8_e5m2": .float8E5M2, "float8_e4m3fn": .float8E4M3, "float8_e8m0fnu": .float8E8M0,
    "float8_e4m3fnuz": .float8E4M3FNUZ, "float8_e5m2fnuz": .float8E5M2FNUZ,
  ]
}
