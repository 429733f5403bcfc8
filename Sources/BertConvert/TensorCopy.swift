import BertErrors
import BertImport
import BertKernels
import BertModel
import BertqFile

/// Reads a model's tensors, and writes each into the file when it is first read: whoever quantises it, no tensor is
/// read, unpacked or packed twice.
final class TensorCopy {
  private let model: ImportedModel
  private let tensors: [TensorRequirement]
  private let writer: BertqWriter
  private let stores: (TensorRequirement) -> Bool
  private let watch: ConversionWatch
  private let also: (String, UnsafeBufferPointer<Float>) throws(BertError) -> Void
  /// Those that are not written yet.
  private var left: [String: TensorRequirement]

  /// Prepares to read these tensors; others may be read too.
  ///
  /// - Parameters:
  ///   - stores: whether one of them goes into the file as float32.
  ///   - also: what else is done with a tensor's rows, when it is first read; they may come in pieces.
  init(
    model: ImportedModel, tensors: [TensorRequirement], writer: BertqWriter,
    stores: @escaping (TensorRequirement) -> Bool, watch: @escaping ConversionWatch,
    also: @escaping (String, UnsafeBufferPointer<Float>) throws(BertError) -> Void
  ) {
    self.model = model
    self.tensors = tensors
    self.writer = writer
    self.stores = stores
    self.watch = watch
    self.also = also
    left = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
  }

  /// A tensor's values, which are in the file then.
  ///
  /// - Parameter isPackedLater: whether a tensor in panels comes back by `write(_:packed:)`, so that it need not be
  ///   packed here.
  func read(_ name: String, isPackedLater: Bool = false) throws(BertError) -> [Float] {
    let values = try model.readTensor(name)
    guard let tensor = left[name] else { return values }
    if isPackedLater && tensor.layout == .floatPanels { return values }
    if stores(tensor) {
      try withStoredBytes(values, tensor) { (bytes) throws(BertError) in
        try writer.append(name, bytes)
      }
    }
    try withFloats(values) { (values) throws(BertError) in try also(name, values) }
    left[name] = nil
    return values
  }

  /// Hands out a row-major tensor's rows in pieces that follow each other; all are in the file then.
  func readRows(_ name: String, _ body: ImportedModel.TakeRows = { _ in }) throws(BertError) {
    let tensor = left[name]
    try model.readRows(name) { (rows) throws(BertError) in
      if let tensor {
        if stores(tensor) { try writer.append(name, UnsafeRawBufferPointer(rows)) }
        try also(name, rows)
      }
      try body(rows)
    }
    left[name] = nil
  }

  /// Some rows of a table of `width` columns, end to end.
  ///
  /// - Parameter ids: which, in ascending order.
  func readRows(_ name: String, _ ids: [Int32], width: Int) throws(BertError) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(ids.count * width)
    var (first, next) = (0, 0)
    try readRows(name) { (rows) throws(BertError) in
      let end = first + rows.count / width
      while next < ids.count, Int(ids[next]) < end {
        let start = (Int(ids[next]) - first) * width
        values += rows[start..<start + width]
        next += 1
      }
      first = end
    }
    return values
  }

  /// Writes a tensor that was read and is in the file's layout now.
  func write(_ name: String, packed bytes: UnsafeRawBufferPointer) throws(BertError) {
    guard left[name] != nil else { return }
    try writer.append(name, bytes)
    left[name] = nil
  }

  /// Reads and writes what is left and wanted, in the order of the file.
  func writeRest(_ isWanted: (String) -> Bool = { _ in true }) throws(BertError) {
    for tensor in tensors where left[tensor.name] != nil && isWanted(tensor.name) {
      if tensor.layout == .rowMajor { try readRows(tensor.name) } else { _ = try read(tensor.name) }
      watch(
        .progress(stage: .converting, done: tensors.count - left.count, of: tensors.count))
    }
  }

  /// A tensor's values in the layout of the file.
  private func withStoredBytes(
    _ values: [Float], _ tensor: TensorRequirement,
    _ body: (UnsafeRawBufferPointer) throws(BertError) -> Void
  ) throws(BertError) {
    guard tensor.layout == .floatPanels else {
      return try withBytes(values, body)
    }
    let panels = try AlignedBuffer(
      checkedFloats: roundUp(tensor.shape[0], to: TensorLayout.panelWidth) * tensor.shape[1],
      for: "the rows of \(tensor.name)", advice: "close other programs")
    values.withUnsafeBufferPointer {
      bk_pack_f32($0.baseAddress, tensor.shape[0], tensor.shape[1], panels.floats)
    }
    try body(UnsafeRawBufferPointer(start: panels.base, count: panels.count))
  }
}

/// An array's numbers.
func withFloats(
  _ values: [Float], _ body: (UnsafeBufferPointer<Float>) throws(BertError) -> Void
) throws(BertError) {
  try values.withUnsafeBufferPointer { (buffer) throws(BertError) in try body(buffer) }
}

/// An array's bytes; `withUnsafeBytes` does not yet pass typed errors on.
func withBytes<Element: BitwiseCopyable>(
  _ elements: [Element], _ body: (UnsafeRawBufferPointer) throws(BertError) -> Void
) throws(BertError) {
  try elements.withUnsafeBufferPointer { (buffer) throws(BertError) in
    try body(UnsafeRawBufferPointer(buffer))
  }
}
