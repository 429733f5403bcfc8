import BertErrors
import BertImport
import BertKernels
import BertModel
import BertRuntime
import BertTokenize
import BertqFile

extension ImportedModel {
  /// The model of a `.bertq` file that holds float32 weights, as a checkpoint: to bring it to the
  /// newest quantiser.
  ///
  /// - Throws: `unsupported` when the file has int8 weights alone; `malformed` when it is damaged.
  package convenience init(stored file: ModelFile) throws(BertError) {
    do throws(BertError) {
      let tensors = try Self.floatTensors(file)
      var report = ImportReport()
      report.source = file.model.provenance.source
      report.files = [file.path]
      self.init(
        description: file.model, tables: try Self.tables(file), tensors: tensors, report: report,
        read: { (name) throws(BertError) in try file.readFloat32(name) },
        readInPieces: { (name, body) throws(BertError) in
          if let rows = try file.rows(name) { return try body(rows) }
          try withFloats(try file.readFloat32(name), body)
        })
    } catch {
      throw error.inFile(file.path)
    }
  }

  /// The float32 tensors of the file, which must be a whole model.
  private static func floatTensors(_ file: ModelFile) throws(BertError) -> [TensorRequirement] {
    let c = file.model.configuration
    if let missing = c.floatLinearTensors.first(where: { file.find($0.name) == nil }) {
      throw BertError(
        .unsupported,
        "holds int8 weights alone, which cannot be quantised anew; convert the checkpoint itself",
        tensor: missing.name)
    }
    return file.tensors.compactMap { view in
      if view.elementType == .uint8 || view.name.contains(QuantizedPart.prefix) { return nil }
      return TensorRequirement(view.name, view.shape, view.layout)
    }
  }

  /// The tokenizer's tables as they are.
  private static func tables(
    _ file: ModelFile
  ) throws(BertError) -> [(name: String, bytes: [UInt8])] {
    guard let settings = file.model.tokenizer else { return [] }
    var tables: [(name: String, bytes: [UInt8])] = []
    for name in TokenizerTables.names(settings) {
      guard let view = file.find(name) else { continue }
      try file.verify(view, bytes: 0..<view.bytes.count)
      tables.append((name, Array(view.bytes)))
    }
    return tables
  }
}

extension ModelFile {
  /// A float tensor's values where they lie, verified; nil for one in panels.
  fileprivate func rows(_ name: String) throws(BertError) -> UnsafeBufferPointer<Float>? {
    guard let view = find(name), view.layout == .rowMajor else { return nil }
    return try require(name, .float32, view.shape).bytes.bindMemory(to: Float.self)
  }

  /// A float tensor's values as float32, row-major, verified.
  fileprivate func readFloat32(_ name: String) throws(BertError) -> [Float] {
    guard let view = find(name) else {
      throw BertError(.notFound, "the model has no such tensor", tensor: name)
    }
    _ = try require(name, .float32, view.shape, view.layout)
    let stored = view.bytes.bindMemory(to: Float.self)
    guard view.layout == .floatPanels else { return Array(stored) }
    let (outputs, inputs) = (view.shape[0], view.shape[1])
    let width = TensorLayout.panelWidth
    return [Float](unsafeUninitializedCapacity: outputs * inputs) { values, count in
      for n in 0..<outputs {
        let panel = n / width * inputs * width + n % width
        for k in 0..<inputs { values[n * inputs + k] = stored[panel + k * width] }
      }
      count = outputs * inputs
    }
  }
}
