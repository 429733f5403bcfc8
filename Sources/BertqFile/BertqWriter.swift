import BertErrors
import BertModel
import ByteFiles

/// Writes a `.bertq` file, tensor after tensor in any order, so that no more than one piece of one need
/// be in memory.
///
///     let writer = try BertqWriter(
///       path: "out.bertq", description: model, tensors: plan, producer: "bertq 1.0")
///     for tensor in plan { try writer.append(tensor.name, bytes(of: tensor)) }
///     let fingerprints = try writer.finish()
///
/// The file appears under its name when `finish` returns, whole; before that, and if anything
/// fails, what had the name before stays. A writer that is dropped unfinished leaves nothing.
package final class BertqWriter {
  private let path: String
  private let output: OutputFile
  private let headerLength: Int
  private let fileLength: Int
  private var header: Header
  /// The tensors' places in the plan.
  private let places: [String: Int]
  /// Bytes of each tensor that are written.
  private var done: [Int]

  /// Checks the plan, finds every offset and makes room on the disk.
  ///
  /// - Parameters:
  ///   - path: where the file shall appear.
  ///   - description: all of the model except its tensors.
  ///   - tensors: the tensors in the order in which they will lie in the file.
  ///   - quantizer: what the quantiser was told and chose; empty without int8 weights.
  ///   - drift: makes room for it; its numbers may change until the file is finished.
  ///   - producer: the program and its version.
  /// - Throws: `malformed` or `unsupported` when the model breaks a limit of the format,
  ///   `cannotWrite` when there is no place for the file.
  package convenience init(
    path: String, description: ModelDescription, tensors: [BertqTensor],
    quantizer: [BertqSetting] = [], drift: ConversionDrift? = nil, producer: String
  ) throws(BertError) {
    try self.init(
      path: path, description: description, tensors: tensors, quantizer: quantizer, drift: drift,
      producer: producer
    ) { (size) throws(BertError) in try OutputFile(path: path, size: size) }
  }

  init(
    path: String, description: ModelDescription, tensors: [BertqTensor],
    quantizer: [BertqSetting], drift: ConversionDrift? = nil, producer: String,
    makeOutput: (Int) throws(BertError) -> OutputFile
  ) throws(BertError) {
    self.path = path
    do throws(BertError) {
      var header = Header(
        producer: producer, description: description, quantizer: quantizer, drift: drift,
        hashed: try HashedMessages(description), tensors: [], checksums: [])
      let dataSize = try header.plan(tensors)
      // With checksums and offsets still zero: both have a fixed size in the header.
      headerLength = try header.encoded().count
      let dataStart = (BertqFormat.prologueSize + headerLength + 63) / 64 * 64
      for i in header.tensors.indices { header.tensors[i].offset += dataStart }
      fileLength = dataStart + dataSize
      places = Dictionary(
        uniqueKeysWithValues: header.tensors.enumerated().map {
          ($0.element.tensor.name, $0.offset)
        })
      done = [Int](repeating: 0, count: header.tensors.count)
      self.header = header
    } catch {
      throw error.inFile(path)
    }
    output = try makeOutput(fileLength)
  }

  /// The bytes the file will have.
  package var byteCount: Int { fileLength }

  /// Appends bytes of a tensor: all of it, or a piece that follows its last one.
  ///
  /// - Throws: `usage` when the plan has no such tensor or there are too many bytes, `cannotWrite`
  ///   when the disk does not take them.
  package func append(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(BertError) {
    guard let place = places[name] else {
      throw BertError(.usage, "is not in the plan", file: path, tensor: name)
    }
    let record = header.tensors[place]
    guard bytes.count <= record.byteCount - done[place] else {
      throw BertError(
        .usage,
        "was given \(done[place]) + \(bytes.count) bytes; its shape and layout take "
          + "\(record.byteCount)", file: path, tensor: name)
    }
    do throws(BertError) { try output.put(bytes, at: record.offset + done[place]) } catch {
      discard()
      throw error
    }
    addChecksums(bytes, record, from: done[place])
    done[place] += bytes.count
  }

  /// Continues the checksums of the chunks that `bytes` belong to.
  private func addChecksums(
    _ bytes: UnsafeRawBufferPointer, _ record: TensorRecord, from done: Int
  ) {
    var position = 0
    while position < bytes.count {
      let inTensor = done + position
      let size = BertqFormat.chunkSize
      let end = min(bytes.count, position + size - inTensor % size)
      let piece = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
      let index = record.firstChunk + inTensor / size
      header.checksums[index] = continueChecksum(header.checksums[index], piece)
      position = end
    }
  }

  /// Replaces values of the quantiser's settings by others of as many bytes: what only became known
  /// while the tensors were made.
  ///
  /// - Throws: `usage` when keys or lengths differ from those that were planned.
  package func replaceQuantizer(_ settings: [BertqSetting]) throws(BertError) {
    func fits(_ old: BertqSetting, _ new: BertqSetting) -> Bool {
      old.key == new.key && old.value.utf8.count == new.value.utf8.count
    }
    guard settings.count == header.quantizer.count,
      zip(header.quantizer, settings).allSatisfy(fits)
    else {
      throw BertError(.usage, "settings may only change to others as long", file: path)
    }
    header.quantizer = settings
  }

  /// Writes header and prologue, has the file looked at, syncs it, and gives it its name.
  ///
  /// - Parameters:
  ///   - check: is given a path by which the whole file can be read, before it has its name.
  ///   - measure: likewise; what it finds takes the place of the drift that room was made for.
  /// - Throws: `usage` when tensors are still missing, or there is no room for a drift;
  ///   `cannotWrite` when the disk does not take the file; what `check` and `measure` throw. Then
  ///   there is no file.
  package func finish(
    check: (String) throws(BertError) -> Void = { _ in },
    measure: ((String) throws(BertError) -> ConversionDrift)? = nil
  ) throws(BertError) -> BertqFingerprints {
    try requireAll()
    header.fingerprints = header.computeFingerprints()
    do throws(BertError) {
      try putHeader()
      try check(output.temporaryPath)
      if let measure {
        guard let room = header.drift else {
          throw BertError(.usage, "has no room for a drift", file: path)
        }
        var drift = try measure(output.temporaryPath)
        // The header's length is fixed.
        drift.source = room.source
        header.drift = drift
        try putHeader()
      }
      try output.commit()
    } catch {
      discard()
      throw error
    }
    return header.fingerprints
  }

  /// Writes header and prologue, and gives the whole file to `body` by a path that is good for that long: it never
  /// gets its name, and vanishes when nobody has it open.
  ///
  /// - Throws: as `finish` does.
  package func finishUnnamed<Result>(
    _ body: (String) throws(BertError) -> Result
  ) throws(BertError) -> Result {
    try requireAll()
    header.fingerprints = header.computeFingerprints()
    defer { discard() }
    try putHeader()
    return try body(output.temporaryPath)
  }

  private func requireAll() throws(BertError) {
    if let missing = header.tensors.indices.first(where: {
      done[$0] < header.tensors[$0].byteCount
    }) {
      throw BertError(
        .usage, "was not appended, or not all of it", file: path,
        tensor: header.tensors[missing].tensor.name)
    }
  }

  private func putHeader() throws(BertError) {
    let bytes = try header.encoded()
    guard bytes.count == headerLength else {
      throw BertError(
        .system, "the header has \(bytes.count) bytes; \(headerLength) were planned", file: path)
    }
    let prologue = Prologue(
      headerChecksum: bytes.withUnsafeBytes { checksum($0) }, headerLength: headerLength,
      fileLength: fileLength)
    try put(bytes, at: BertqFormat.prologueSize)
    try put(prologue.bytes, at: 0)
  }

  /// Gives up: nothing is left of the unfinished file.
  package func discard() { output.discard() }

  private func put(_ bytes: [UInt8], at offset: Int) throws(BertError) {
    let result = bytes.withUnsafeBytes { buffer -> Result<Void, BertError> in
      do throws(BertError) { return .success(try output.put(buffer, at: offset)) } catch {
        return .failure(error)
      }
    }
    try result.get()
  }
}

extension Header {
  /// Lays the tensors out from offset 0, with checksums of zero; gives where the last one ends.
  fileprivate mutating func plan(_ plan: [BertqTensor]) throws(BertError) -> Int {
    var names: Set<String> = []
    var (end, chunks) = (0, 0)
    for tensor in plan {
      let byteCount = try tensor.byteCount()
      guard names.insert(tensor.name).inserted else {
        throw BertError(.malformed, "is in the plan twice", tensor: tensor.name)
      }
      // A header at its largest has checksums for no more chunks than this: 2^22 of 64 KiB are 2^38
      // bytes, so the sums below stay far from overflow.
      let (start, count) = ((end + 63) / 64 * 64, BertqFormat.chunkCount(byteCount))
      guard count <= BertqFormat.largestHeader / 4 - chunks else {
        throw BertError(
          .unsupported, "makes the model larger than the 256 GiB that a file can hold",
          tensor: tensor.name)
      }
      tensors.append(
        TensorRecord(tensor: tensor, offset: start, byteCount: byteCount, firstChunk: chunks))
      end = start + byteCount
      chunks += count
    }
    checksums = [UInt32](repeating: 0, count: chunks)
    fingerprints = computeFingerprints()
    return end
  }
}
