import BertErrors
import BertModel

/// What a file's header says, checked.
struct Header {
  var producer: String
  var numericVersion = NumericContract.version
  var description: ModelDescription
  var quantizer: [BertqSetting]
  /// How far int8 lies from float32, measured at conversion; nil where it was not.
  var drift: ConversionDrift?
  var fingerprints = BertqFingerprints()
  /// The description's parts that fingerprints hash, as bytes.
  var hashed: HashedMessages
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
    try description.validate()
    let lists = [
      ("tensors", tensors.count), ("labels", description.labels.count),
      ("quantiser settings", quantizer.count), ("prompts", description.prompts.count),
      ("architectures", description.provenance.architectures.count),
    ]
    for (name, count) in lists where count > BertqFormat.mostStrings {
      throw BertError(
        .malformed, "has \(count) \(name); a file holds at most \(BertqFormat.mostStrings)")
    }
    if let drift {
      let numbers = [drift.sqnr, drift.meanCosine, drift.worstCosine]
      if drift.texts < 1 || drift.tokens < 1 || numbers.contains(where: \.isNaN) {
        throw BertError(.malformed, "the drift is of no text, or no number")
      }
    }
  }
}
