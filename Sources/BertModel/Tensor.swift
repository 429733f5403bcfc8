import BertErrors

/// What an element of a stored tensor is.
package enum ElementType: String, Sendable, CaseIterable {
  /// IEEE binary32, little-endian.
  case float32 = "F32"
  /// Two's complement, 8 bits.
  case int8 = "I8"
  /// Two's complement, 32 bits, little-endian.
  case int32 = "I32"
  /// Raw bytes: text and tables.
  case uint8 = "U8"
  /// IEEE binary16, little-endian.
  case float16 = "F16"

  /// Bytes of one element.
  package var size: Int {
    switch self {
    case .float32, .int32: 4
    case .float16: 2
    case .int8, .uint8: 1
    }
  }
}

/// How a tensor's elements lie in memory.
package enum TensorLayout: String, Sendable, CaseIterable {
  /// C order.
  case rowMajor = "row-major"
  /// A linear's weight `[N, K]` in panels of 32 outputs: `[⌈N/32⌉][K][32]`, missing outputs zero.
  case floatPanels = "panels-32x1"
  /// A linear's int8 weight `[N, K]` in panels of 32 outputs and groups of 4 inputs:
  /// `[⌈N/32⌉][⌈K/4⌉][32][4]`, missing outputs and inputs zero.
  case int8Panels = "panels-32x4"

  /// Outputs of a panel.
  package static let panelWidth = 32
  /// Inputs that an int8 panel keeps side by side.
  package static let panelDepth = 4

  /// Panels of a linear with so many outputs.
  package static func panelCount(outputs: Int) -> Int {
    ceilingQuotient(outputs, panelWidth)
  }

  private static func ceilingQuotient(_ n: Int, _ step: Int) -> Int {
    n / step + (n % step == 0 ? 0 : 1)
  }

  /// Bytes of a tensor of `shape`, nil when that overflows or the layout does not fit the shape.
  package func byteCount(shape: [Int], elementType: ElementType) -> Int? {
    func product(_ factors: [Int]) -> Int? {
      var total = elementType.size
      for factor in factors {
        guard factor >= 0 else { return nil }
        let (next, overflow) = total.multipliedReportingOverflow(by: factor)
        if overflow { return nil }
        total = next
      }
      return total
    }
    switch self {
    case .rowMajor:
      return product(shape)
    case .floatPanels:
      guard shape.count == 2, elementType == .float32, shape[0] >= 0 else { return nil }
      return product([Self.panelCount(outputs: shape[0]), shape[1], Self.panelWidth])
    case .int8Panels:
      guard shape.count == 2, elementType == .int8, shape[0] >= 0, shape[1] >= 0 else {
        return nil
      }
      let groups = Self.ceilingQuotient(shape[1], Self.panelDepth)
      return product([
        Self.panelCount(outputs: shape[0]), groups, Self.panelWidth * Self.panelDepth,
      ])
    }
  }
}

/// A tensor in memory that somebody else owns.
///
/// Safety: `bytes` stays valid while the `WeightSource` that gave it lives.
package struct TensorView: @unchecked Sendable {
  /// Its canonical name.
  package let name: String
  /// What its elements are.
  package let elementType: ElementType
  /// How they lie.
  package let layout: TensorLayout
  /// Logical sizes, outermost first.
  package let shape: [Int]
  /// The elements, starting at a multiple of 64 bytes.
  package let bytes: UnsafeRawBufferPointer

  /// Makes a view; the byte count must be that of shape, layout and element type.
  package init(
    name: String, elementType: ElementType, layout: TensorLayout, shape: [Int],
    bytes: UnsafeRawBufferPointer
  ) {
    self.name = name
    self.elementType = elementType
    self.layout = layout
    self.shape = shape
    self.bytes = bytes
  }
}

/// Whatever holds a model's tensors by canonical name: a mapped file, or memory during conversion.
package protocol WeightSource: AnyObject, Sendable {
  /// All of the model except its tensors.
  var model: ModelDescription { get }

  /// The tensor's place, without looking at its bytes; nil when the model does not have it.
  func find(_ name: String) -> TensorView?

  /// Checks bytes of a tensor before they are used; what was checked once is not checked again.
  ///
  /// - Throws: `malformed` with file, tensor and offset when a checksum does not match.
  func verify(_ tensor: TensorView, bytes: Range<Int>) throws(BertError)
}

extension WeightSource {
  /// The tensor with all its bytes checked, of the given element type, layout and shape.
  ///
  /// - Throws: `malformed` when it is absent, of another kind, or damaged.
  package func require(
    _ name: String, _ elementType: ElementType, _ shape: [Int], _ layout: TensorLayout = .rowMajor,
    verifying: Bool = true
  ) throws(BertError) -> TensorView {
    guard let view = find(name) else {
      throw BertError(.malformed, "is missing; the model needs it", tensor: name)
    }
    guard view.elementType == elementType, view.layout == layout, view.shape == shape else {
      throw BertError(
        .malformed,
        "is \(view.elementType.rawValue) \(view.layout.rawValue) \(view.shape); "
          + "expected \(elementType.rawValue) \(layout.rawValue) \(shape)", tensor: name)
    }
    if verifying { try verify(view, bytes: 0..<view.bytes.count) }
    return view
  }
}
