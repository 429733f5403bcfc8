import BertErrors
import BertModel
import ByteFiles

/// An opened `.bertq` file: mapped, its header checked, its tensors' bytes checked when they are
/// first needed.
///
///     let file = try ModelFile.open("model.bertq")
///     let table = try file.require("embeddings.word", .float32, shape, verifying: false)
///     try file.verify(table, bytes: row * width..<(row + 1) * width)
///
/// Views of its tensors are valid while the file lives. Any number of threads may use it at once.
package final class ModelFile: WeightSource {
  /// The path it was opened by.
  package let path: String
  /// All of the model except its tensors.
  package let model: ModelDescription
  /// The program that wrote the file.
  package let producer: String
  /// The version of its byte layout.
  package let formatVersion: UInt32
  /// The version of the numeric contract its weights were made for.
  package let numericVersion: UInt32
  /// What the quantiser was told and chose, in its order; empty without int8 weights.
  package let quantizer: [BertqSetting]
  /// How far int8 lies from float32, measured when the file was made; nil where it was not.
  package let drift: ConversionDrift?
  /// What vectors and answers of each precision may be compared by.
  package let fingerprints: BertqFingerprints
  /// The tensors, in the order of the file.
  package let tensors: [TensorView]

  let mapping: FileMapping
  let prologue: Prologue
  let records: [TensorRecord]
  let checksums: [UInt32]
  let verified: VerifiedChunks
  private let indexByName: [String: Int]

  /// Whether a file begins as `.bertq` files do; false for what cannot be read.
  package static func isOne(_ path: String) -> Bool {
    guard let file = try? InputFile(path), file.size >= BertqFormat.magic.count else {
      return false
    }
    return (try? file.bytes(0..<BertqFormat.magic.count)) == BertqFormat.magic
  }

  /// Opens a file and checks its prologue, its header and every limit; the work does not grow with
  /// the weights.
  ///
  /// - Throws: `notFound` when it cannot be opened, `malformed` when it is damaged, `unsupported`
  ///   when it asks for what this version does not have.
  package static func open(_ path: String) throws(BertError) -> ModelFile {
    let mapping = try FileMapping(path: path)
    do throws(BertError) {
      return try ModelFile(path: path, mapping: mapping)
    } catch {
      throw error.inFile(path)
    }
  }

  private init(path: String, mapping: FileMapping) throws(BertError) {
    guard 1.littleEndian == 1 else {
      throw BertError(.unsupported, "big-endian machines cannot map .bertq files")
    }
    let prologue = try Prologue(mapping.bytes)
    let header = try Self.readHeader(mapping.bytes, prologue)
    var index: [String: Int] = [:]
    index.reserveCapacity(header.tensors.count)
    var views: [TensorView] = []
    views.reserveCapacity(header.tensors.count)
    for (i, record) in header.tensors.enumerated() {
      let tensor = record.tensor
      if index.updateValue(i, forKey: tensor.name) != nil {
        throw BertError(
          .malformed, "is there twice", tensor: tensor.name, byteOffset: record.offset)
      }
      // Safety: the header's check has the range inside the file; the mapping lives as long as
      // `self`.
      let bytes = mapping.bytes[record.offset..<record.offset + record.byteCount]
      views.append(
        TensorView(
          name: tensor.name, elementType: tensor.elementType, layout: tensor.layout,
          shape: tensor.shape, bytes: UnsafeRawBufferPointer(rebasing: bytes)))
    }
    try Self.checkFingerprints(header)

    self.path = path
    self.mapping = mapping
    self.prologue = prologue
    model = header.description
    producer = header.producer
    formatVersion = prologue.version
    numericVersion = header.numericVersion
    quantizer = header.quantizer
    drift = header.drift
    fingerprints = header.fingerprints
    tensors = views
    records = header.tensors
    checksums = header.checksums
    verified = VerifiedChunks(chunks: header.checksums.count)
    indexByName = index
  }

  private static func readHeader(
    _ file: UnsafeRawBufferPointer, _ prologue: Prologue
  ) throws(BertError) -> Header {
    let start = BertqFormat.prologueSize
    let bytes = UnsafeRawBufferPointer(rebasing: file[start..<start + prologue.headerLength])
    let computed = checksum(bytes)
    guard computed == prologue.headerChecksum else {
      throw BertError(
        .malformed,
        "the header's checksum is \(hex(prologue.headerChecksum)), its bytes give "
          + "\(hex(computed)): the file is damaged; " + BertqFormat.getAgain, byteOffset: start)
    }
    return try Header(bytes, prologue: prologue)
  }

  private static func checkFingerprints(_ header: Header) throws(BertError) {
    let (stored, computed) = (header.fingerprints, header.computeFingerprints())
    for kind in BertqFingerprints.kinds
    where stored[keyPath: kind.path] != computed[keyPath: kind.path] {
      throw BertError(
        .malformed,
        "the fingerprint of \(kind.name) is "
          + (stored[keyPath: kind.path].map(printable) ?? "absent") + "; the contents give "
          + (computed[keyPath: kind.path] ?? "none"), byteOffset: BertqFormat.prologueSize)
    }
  }

  /// The tensor's place, without looking at its bytes; nil when the file does not have it.
  package func find(_ name: String) -> TensorView? {
    indexByName[name].map { tensors[$0] }
  }

  /// What is known of the tensor that a view shows; nil when it is not one of this file.
  ///
  /// By its place rather than its name: a lookup of one row of a table must cost next to nothing.
  func record(of view: TensorView) -> TensorRecord? {
    guard let base = mapping.bytes.baseAddress, let start = view.bytes.baseAddress else {
      return nil
    }
    let offset = start - base
    var (low, high) = (0, records.count)
    while low < high {
      let middle = (low + high) / 2
      if records[middle].offset < offset { low = middle + 1 } else { high = middle }
    }
    guard low < records.count, records[low].offset == offset,
      records[low].byteCount == view.bytes.count
    else { return nil }
    return records[low]
  }
}
