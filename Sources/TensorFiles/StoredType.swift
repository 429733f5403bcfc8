/// What the elements of a published tensor are; raw values are the names safetensors uses.
package enum StoredType: String, Sendable, CaseIterable {
  case float64 = "F64"
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int64 = "I64"
  case int32 = "I32"
  case int16 = "I16"
  case int8 = "I8"
  case uint64 = "U64"
  case uint32 = "U32"
  case uint16 = "U16"
  case uint8 = "U8"
  case bool = "BOOL"
  // Listed so that a file that holds them can be opened; their values are not read.
  case complex64 = "C64"
  case float8E5M2 = "F8_E5M2"
  case float8E4M3 = "F8_E4M3"
  case float8E8M0 = "F8_E8M0"
  case float8E4M3FNUZ = "F8_E4M3FNUZ"
  case float8E5M2FNUZ = "F8_E5M2FNUZ"
  case float6E2M3 = "F6_E2M3"
  case float6E3M2 = "F6_E3M2"
  case float4 = "F4"

  /// Bits of one element.
  package var bits: Int {
    switch self {
    case .float64, .int64, .uint64, .complex64: 64
    case .float32, .int32, .uint32: 32
    case .float16, .bfloat16, .int16, .uint16: 16
    case .int8, .uint8, .bool, .float8E5M2, .float8E4M3, .float8E8M0, .float8E4M3FNUZ,
      .float8E5M2FNUZ:
      8
    case .float6E2M3, .float6E3M2: 6
    case .float4: 4
    }
  }

  /// Whether it is one of the floating-point types whose values are read.
  package var isFloat: Bool {
    switch self {
    case .float64, .float32, .float16, .bfloat16: true
    default: false
    }
  }

  /// Whether `Checkpoint.readFloat32` converts it.
  package var isReadable: Bool {
    switch self {
    case .complex64, .float8E5M2, .float8E4M3, .float8E8M0, .float8E4M3FNUZ, .float8E5M2FNUZ,
      .float6E2M3, .float6E3M2, .float4:
      false
    default: true
    }
  }

  /// Elements of `shape` and their bytes; nil when that overflows or ends inside a byte.
  package func extent(of shape: [Int]) -> (elements: Int, bytes: Int)? {
    var elements = 1
    for size in shape {
      guard size >= 0 else { return nil }
      let (product, overflow) = elements.multipliedReportingOverflow(by: size)
      if overflow { return nil }
      elements = product
    }
    let (total, overflow) = elements.multipliedReportingOverflow(by: bits)
    return overflow || total % 8 != 0 ? nil : (elements, total / 8)
  }
}

/// A tensor of a checkpoint, as its container lists it.
package struct TensorInfo: Sendable, Equatable {
  /// Its published name.
  package let name: String
  /// What its elements are.
  package let type: StoredType
  /// Its sizes, outermost first; none for a scalar.
  package let shape: [Int]
  /// The file that holds it.
  package let file: String
  /// Where its elements begin in that file; of a deflated member, where its compressed data does.
  package let byteOffset: Int
  /// Whether the elements lie there in C order, uncompressed.
  package let isPlain: Bool
  /// The product of `shape`, which the container has checked.
  package let elementCount: Int

  /// Where the element at a position in C order lies in the file, as exactly as can be told.
  package func byteOffset(ofElement position: Int) -> Int {
    isPlain ? byteOffset + position * type.bits / 8 : byteOffset
  }
}

/// A tensor or member of a container that is passed over.
package struct IgnoredEntry: Sendable, Equatable {
  /// Its name.
  package let name: String
  /// Why.
  package let reason: String
  /// The file that holds it.
  package let file: String
}
