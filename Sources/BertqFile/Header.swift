import BertErrors
import BertModel

/// What a file's header says, checked.
struct Header {
  var producer: String
  var numericVersion = NumericContract.version
  var description: ModelDescription
  var quantizer: [BertqSetting]
  var floatFingerprint: String?
  var int8Fingerprint: String?
  var tensors: [TensorRecord]
  /// Those of all tensors, in order.
  var checksums: [UInt32]
}

/// A tensor's kind and place.
struct TensorRecord {
  var tensor: BertqTensor
  /// From the start of the file.
  var offset: Int
  var byteCount: Int
  /// The index of its first chunk among those of all tensors.
  var firstChunk: Int

  var chunkCount: Int { BertqFormat.chunkCount(byteCount) }
  var chunks: Range<Int> { firstChunk..<firstChunk + chunkCount }
}

extension Header {
  /// Refuses what the format's limits exclude: in a header that was read, and in one to be written.
  ///
  /// - Throws: `malformed`, or `unsupported` for a configuration beyond the limits.
  func checkLimits() throws(BertError) {
    try description.configuration.validate()
    if tensors.count > BertqFormat.mostTensors {
      throw BertError(
        .malformed,
        "has \(tensors.count) tensors; a file holds at most \(BertqFormat.mostTensors)")
    }
    let lists = [
      ("labels", description.labels.count), ("quantiser settings", quantizer.count),
      ("architectures", description.provenance.architectures.count),
    ]
    for (name, count) in lists where count > BertqFormat.mostStrings {
      throw BertError(
        .malformed, "has \(count) \(name); a file holds at most \(BertqFormat.mostStrings)")
    }
  }
}
