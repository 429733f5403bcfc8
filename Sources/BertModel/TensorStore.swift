import BertErrors

/// A model's tensors in memory: what conversion and tests work on.
///
/// Safety: filled by one thread before it is shared; afterwards only read.
package final class TensorStore: WeightSource, @unchecked Sendable {
  /// All of the model except its tensors.
  package let model: ModelDescription
  private var views: [String: TensorView] = [:]

  /// An empty store.
  package init(model: ModelDescription) { self.model = model }

  deinit {
    for view in views.values { view.bytes.deallocate() }
  }

  /// Adds a tensor, or replaces it, with bytes that `fill` writes; they are zero before.
  package func add(
    _ name: String, _ elementType: ElementType, _ shape: [Int], _ layout: TensorLayout = .rowMajor,
    fill: (UnsafeMutableRawBufferPointer) throws(BertError) -> Void
  ) throws(BertError) {
    guard let count = layout.byteCount(shape: shape, elementType: elementType) else {
      throw BertError(.malformed, "has an impossible shape \(shape)", tensor: name)
    }
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 64), alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    let used = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
    do throws(BertError) { try fill(used) } catch {
      bytes.deallocate()
      throw error
    }
    remove(name)
    views[name] = TensorView(
      name: name, elementType: elementType, layout: layout, shape: shape,
      bytes: UnsafeRawBufferPointer(used))
  }

  /// Adds a tensor in C order with these elements.
  package func add<Element: BitwiseCopyable>(
    _ name: String, _ elementType: ElementType, _ shape: [Int], _ elements: [Element]
  ) throws(BertError) {
    try add(name, elementType, shape, .rowMajor) { bytes throws(BertError) in
      guard elements.count * MemoryLayout<Element>.stride == bytes.count else {
        throw BertError(
          .malformed, "has \(elements.count) elements for shape \(shape)", tensor: name)
      }
      elements.withUnsafeBytes { bytes.copyMemory(from: $0) }
    }
  }

  /// Forgets a tensor and frees its memory.
  package func remove(_ name: String) {
    views.removeValue(forKey: name)?.bytes.deallocate()
  }

  /// The tensors' names, sorted.
  package var names: [String] { views.keys.sorted() }

  /// The tensor, if it was added.
  package func find(_ name: String) -> TensorView? { views[name] }

  /// Memory needs no checking.
  package func verify(_ tensor: TensorView, bytes: Range<Int>) throws(BertError) {}
}
