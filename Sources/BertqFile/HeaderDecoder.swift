import BertErrors
import BertModel
import CBertqHeader

extension Header {
  /// Reads a header and checks all that can be checked without the tensors' bytes.
  ///
  /// - Throws: `malformed`, or `unsupported` when it asks for something this version lacks.
  init(_ bytes: UnsafeRawBufferPointer, prologue: Prologue) throws(BertError) {
    do throws(BertError) {
      let message = try HeaderMessage(bytes)
      // Safety: nothing of the message outlives this call; strings and numbers are copied.
      self = try withExtendedLifetime(message) { () throws(BertError) in
        try Header(message.header, prologue: prologue)
      }
    } catch {
      var error = error
      if error.byteOffset == nil { error.byteOffset = BertqFormat.prologueSize }
      throw error
    }
  }

  private init(_ header: Bertq__Header, prologue: Prologue) throws(BertError) {
    let named = try Self.checkFeatures(
      try texts(header.required_features, header.n_required_features, "a feature"))
    numericVersion = header.numeric_version
    if !(1...NumericContract.version).contains(numericVersion) {
      throw BertError(
        .unsupported,
        "was made for version \(numericVersion) of the numeric contract; this program computes "
          + "version \(NumericContract.version): use a newer one, or convert the checkpoint again"
      )
    }
    producer = try text(header.producer, "the producer")
    description = try Self.description(header)
    quantizer = []
    for setting in try pointers(header.quantizer, header.n_quantizer, "settings") {
      quantizer.append(
        BertqSetting(
          try text(setting.pointee.key, "a setting's key"),
          try text(setting.pointee.value, "a setting's value")))
    }
    drift = try header.drift.map { (drift) throws(BertError) in try Self.drift(drift.pointee) }
    fingerprints = BertqFingerprints(
      float: try optionalText(header.float_vectors, "a fingerprint"),
      int8: try optionalText(header.int8_vectors, "a fingerprint"),
      floatAnswers: try optionalText(header.float_answers, "a fingerprint"),
      int8Answers: try optionalText(header.int8_answers, "a fingerprint"))
    hashed = HashedMessages(header)
    tensors = []
    checksums = []
    tensors.reserveCapacity(header.n_tensors)
    var end = prologue.dataStart
    for tensor in try pointers(header.tensors, header.n_tensors, "tensors") {
      end = try append(tensor.pointee, at: end, fileLength: prologue.fileLength)
    }
    if end != prologue.fileLength {
      throw BertError(
        .malformed,
        "the last tensor ends at byte \(end ?? 0), the file at \(prologue.fileLength)",
        byteOffset: end)
    }
    try checkLimits()
    try checkUsed(named)
  }

  /// Adds a tensor that must start at `expected` rounded up, and gives its end.
  private mutating func append(
    _ stored: Bertq__Tensor, at expected: Int?, fileLength: Int
  ) throws(BertError) -> Int? {
    let name = try text(stored.name, "a tensor's name")
    do throws(BertError) {
      var shape: [Int] = []
      for dimension in UnsafeBufferPointer(start: stored.shape, count: stored.n_shape).prefix(8) {
        shape.append(Int(clamping: dimension))
      }
      let tensor = BertqTensor(
        name, try ElementType.decode(stored.element_type.rawValue),
        try TensorLayout.decode(stored.layout.rawValue), shape)
      let byteCount = try tensor.byteCount()
      let offset = Int(clamping: stored.offset)
      guard stored.byte_length == UInt64(byteCount) else {
        throw BertError(
          .malformed,
          "has \(stored.byte_length) bytes; \(tensor.elementType.rawValue) "
            + "\(tensor.layout.rawValue) \(shape) takes \(byteCount)")
      }
      guard let start = expected.flatMap(BertqFormat.aligned), offset == start else {
        throw BertError(
          .malformed,
          "starts at byte \(stored.offset); expected \(expected.flatMap(BertqFormat.aligned) ?? 0), "
            + "the next multiple of \(BertqFormat.alignment)")
      }
      let (end, overflow) = offset.addingReportingOverflow(byteCount)
      guard !overflow, end <= fileLength else {
        throw BertError(
          .malformed,
          "has \(byteCount) bytes from byte \(offset); the file ends at \(fileLength)")
      }
      guard stored.n_checksums == BertqFormat.chunkCount(byteCount) else {
        throw BertError(
          .malformed,
          "has \(stored.n_checksums) checksums; \(byteCount) bytes take "
            + "\(BertqFormat.chunkCount(byteCount))")
      }
      tensors.append(
        TensorRecord(
          tensor: tensor, offset: offset, byteCount: byteCount, firstChunk: checksums.count))
      checksums.append(
        contentsOf: UnsafeBufferPointer(start: stored.checksums, count: stored.n_checksums))
      return end
    } catch {
      var error = error
      if error.tensor == nil { error.tensor = printableName(name) }
      throw error
    }
  }
}

/// A name for the place of an error: as it is when it is harmless.
private func printableName(_ name: String) -> String {
  name.utf8.count <= BertqFormat.longestName && name.utf8.allSatisfy { (33...126).contains($0) }
    ? name : printable(name)
}

/// The elements of a repeated message field.
///
/// - Throws: `malformed` when there are more than a file holds of anything.
func pointers<T>(
  _ start: UnsafeMutablePointer<UnsafeMutablePointer<T>?>?, _ count: Int, _ what: String
) throws(BertError) -> some Sequence<UnsafeMutablePointer<T>> {
  if count > BertqFormat.mostTensors {
    throw BertError(
      .malformed, "has \(count) \(what); a file holds at most \(BertqFormat.mostTensors)")
  }
  return UnsafeBufferPointer(start: start, count: count).lazy.compactMap { $0 }
}

/// A string field: valid UTF-8 of a bounded length.
func text(_ field: UnsafeMutablePointer<CChar>?, _ what: String) throws(BertError) -> String {
  guard let field, let text = String(validatingCString: field) else {
    throw BertError(.malformed, "\(what) is not valid UTF-8")
  }
  if text.utf8.count > BertqFormat.longestString {
    throw BertError(
      .malformed,
      "\(what) has \(text.utf8.count) bytes; at most \(BertqFormat.longestString) are allowed")
  }
  return text
}

/// A string field that may be absent.
func optionalText(
  _ field: UnsafeMutablePointer<CChar>?, _ what: String
) throws(BertError) -> String? {
  field == nil ? nil : try text(field, what)
}

/// A repeated string field.
func texts(
  _ start: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int, _ what: String
) throws(BertError) -> [String] {
  if count > BertqFormat.mostStrings {
    throw BertError(
      .malformed, "\(what) is given \(count) times; at most \(BertqFormat.mostStrings) are allowed")
  }
  var list: [String] = []
  for field in UnsafeBufferPointer(start: start, count: count) {
    list.append(try text(field, what))
  }
  return list
}
