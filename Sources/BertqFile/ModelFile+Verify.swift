import BertErrors
import BertModel

extension ModelFile {
  /// Checks the chunks that hold `bytes` of a tensor, unless that was done before.
  ///
  /// `bytes` counts from the tensor's start. A chunk is 64 KiB: looking up a row verifies little
  /// more than the row.
  ///
  /// - Throws: `malformed` with tensor and offset when a checksum does not match, `usage` when the
  ///   view is not one of this file or the range is not inside it.
  package func verify(_ tensor: TensorView, bytes: Range<Int>) throws(BertError) {
    guard let record = record(of: tensor) else {
      throw BertError(.usage, "is not a tensor of this file", file: path, tensor: tensor.name)
    }
    guard bytes.lowerBound >= 0, bytes.upperBound <= record.byteCount else {
      throw BertError(
        .usage, "has \(record.byteCount) bytes; asked to verify \(bytes)", file: path,
        tensor: tensor.name)
    }
    if bytes.isEmpty { return }
    let size = BertqFormat.chunkSize
    for chunk in bytes.lowerBound / size...(bytes.upperBound - 1) / size
    where !verified.contains(record.firstChunk + chunk) {
      try verify(chunk, of: record)
      verified.insert(record.firstChunk + chunk)
    }
  }

  /// Computes the checksum of one chunk, whether or not that was done before.
  private func verify(_ chunk: Int, of record: TensorRecord) throws(BertError) {
    let start = chunk * BertqFormat.chunkSize
    let end = min(start + BertqFormat.chunkSize, record.byteCount)
    // Safety: the header's check has the tensor inside the file, and the chunk is inside the
    // tensor.
    let computed = checksum(mapping.bytes[record.offset + start..<record.offset + end])
    let stored = checksums[record.firstChunk + chunk]
    if computed != stored {
      throw BertError(
        .malformed,
        "the checksum of its bytes \(start)..<\(end) is \(hex(stored)), they give "
          + "\(hex(computed)): the file is damaged; " + BertqFormat.getAgain,
        file: path, tensor: record.tensor.name, byteOffset: record.offset + start)
    }
  }

  /// Checks every byte of the file anew: header, padding, and every tensor.
  ///
  /// `progress` is told the bytes done so far and their total.
  ///
  /// - Throws: `malformed` at the first byte range that is not as it was written.
  package func verifyAll(progress: (Int, Int) -> Void = { _, _ in }) throws(BertError) {
    let headerEnd = BertqFormat.prologueSize + prologue.headerLength
    do throws(BertError) {
      _ = try Prologue(mapping.bytes)
      let header = checksum(mapping.bytes[BertqFormat.prologueSize..<headerEnd])
      if header != prologue.headerChecksum {
        throw BertError(
          .malformed, "the header has changed since it was opened",
          byteOffset: BertqFormat.prologueSize)
      }
      var end = headerEnd
      for record in records {
        try verifyPadding(end..<record.offset)
        for chunk in 0..<record.chunkCount {
          try verify(chunk, of: record)
          verified.insert(record.firstChunk + chunk)
        }
        end = record.offset + record.byteCount
        progress(end, prologue.fileLength)
      }
      try verifyPadding(end..<prologue.fileLength)
    } catch {
      throw error.inFile(path)
    }
  }

  private func verifyPadding(_ range: Range<Int>) throws(BertError) {
    if let nonzero = mapping.bytes[range].firstIndex(where: { $0 != 0 }) {
      throw BertError(
        .malformed, "the padding holds \(mapping.bytes[nonzero]); expected 0",
        byteOffset: nonzero)
    }
  }
}
