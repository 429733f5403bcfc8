import BertErrors
import BertModel
import CBertqChecksum

/// The names of what a path computes with: two vectors may be compared only if theirs are equal.
package struct BertqFingerprints: Equatable, Sendable {
  /// That of the float32 path, 16 hexadecimal digits; nil when the file does not hold it.
  package let float: String?
  /// That of the int8 path, likewise.
  package let int8: String?

  /// Names both paths.
  package init(float: String?, int8: String?) {
    self.float = float
    self.int8 = int8
  }
}

extension Header {
  /// The fingerprints that the header's contents amount to; `formats/bertq.md` specifies the bytes.
  func computeFingerprints() -> BertqFingerprints {
    let configuration = description.configuration
    var records: [String: TensorRecord] = [:]
    for record in tensors { records[record.tensor.name] = record }
    let pooler = configuration.poolerTensors.compactMap { records[$0.name] }
    func all(_ required: [TensorRequirement]) -> [TensorRecord]? {
      let found = required.compactMap { records[$0.name] }
      return found.count == required.count ? found : nil
    }
    guard let shared = all(configuration.sharedTensors) else {
      return BertqFingerprints(float: nil, int8: nil)
    }
    let linears = all(configuration.floatLinearTensors)
    let int8 = int8Linears(records)
    return BertqFingerprints(
      float: linears.map { fingerprint(path: "float", shared + $0 + pooler) },
      int8: int8.map { fingerprint(path: "int8", shared + $0 + pooler) })
  }

  /// What the int8 path computes its linears with.
  ///
  /// All int8 tensors, and the float ones of linears without int8 weights; nil when there are no
  /// int8 tensors or a linear has neither form.
  private func int8Linears(_ records: [String: TensorRecord]) -> [TensorRecord]? {
    var list = tensors.filter { $0.tensor.name.isInt8Part }
    if list.isEmpty { return nil }
    for layer in 0..<description.configuration.layerCount {
      for site in LinearSite.allCases {
        let name = CanonicalName.linear(layer, site)
        if records[name + QuantizedPart.weight] != nil { continue }
        guard let weight = records[name + FloatPart.weight],
          let bias = records[name + FloatPart.bias]
        else {
          return nil
        }
        list += [weight, bias]
      }
    }
    return list
  }

  private func fingerprint(path: String, _ records: [TensorRecord]) -> String {
    var sha = bq_sha256()
    bq_sha256_begin(&sha)
    func add(_ text: String) {
      var text = text
      text.withUTF8 { bq_sha256_update(&sha, $0.baseAddress, $0.count) }
    }
    let c = description.configuration
    add(
      """
      bertq fingerprint 1
      path \(path)
      numeric_version \(numericVersion)
      vocabulary_size \(c.vocabularySize)
      hidden_size \(c.hiddenSize)
      layer_count \(c.layerCount)
      head_count \(c.headCount)
      intermediate_size \(c.intermediateSize)
      maximum_positions \(c.maximumPositions)
      token_type_count \(c.tokenTypeCount)
      layer_norm_epsilon \(hex(c.layerNormEpsilon.bitPattern))
      activation \(c.activation.rawValue)
      pooling \(description.pooling.rawValue)
      normalizes \(description.normalizes)

      """)
    // Names are ASCII, for which Swift's order is that of the bytes.
    for record in records.sorted(by: { $0.tensor.name < $1.tensor.name }) {
      let tensor = record.tensor
      let shape = tensor.shape.map(String.init).joined(separator: " ")
      let kind = "\(tensor.elementType.rawValue) \(tensor.layout.rawValue)"
      add("tensor \(tensor.name) \(kind) \(shape)\n")
      checksums[record.chunks].withUnsafeBytes {
        bq_sha256_update(&sha, $0.baseAddress, $0.count)
      }
    }
    var digest = [UInt8](repeating: 0, count: 32)
    bq_sha256_end(&sha, &digest)
    return digest.prefix(8).map { hex(UInt32($0)).suffix(2) }.joined()
  }
}

extension String {
  /// Whether a tensor of this name belongs to the int8 path alone.
  fileprivate var isInt8Part: Bool {
    let part = Array(QuantizedPart.prefix.utf8)
    let bytes = Array(utf8)
    guard bytes.count >= part.count else { return false }
    return (0...bytes.count - part.count).contains { bytes[$0...].starts(with: part) }
  }
}
