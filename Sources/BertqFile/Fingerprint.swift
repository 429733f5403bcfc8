import BertErrors
import BertModel
import CBertqChecksum

/// The names of all that leads from a text to its answer, in each precision.
///
/// Two vectors, or two answers, may be compared only if theirs are equal. Each has 16 hexadecimal
/// digits; it is nil for what the file does not hold.
package struct BertqFingerprints: Equatable, Sendable {
  /// That of float32 vectors.
  package var float: String?
  /// That of int8 vectors.
  package var int8: String?
  /// That of what the heads answer in float32.
  package var floatAnswers: String?
  /// That of what the heads answer in int8.
  package var int8Answers: String?

  /// Names all of them.
  package init(
    float: String? = nil, int8: String? = nil, floatAnswers: String? = nil,
    int8Answers: String? = nil
  ) {
    self.float = float
    self.int8 = int8
    self.floatAnswers = floatAnswers
    self.int8Answers = int8Answers
  }

  /// Each of them, with its name in messages.
  static var kinds: [(name: String, path: KeyPath<BertqFingerprints, String?>)] {
    [
      ("float32 vectors", \.float), ("int8 vectors", \.int8),
      ("float32 answers", \.floatAnswers), ("int8 answers", \.int8Answers),
    ]
  }
}

extension Header {
  /// The fingerprints that the header's contents amount to; `formats/bertq.md` specifies the bytes.
  func computeFingerprints() -> BertqFingerprints {
    let tensors = FingerprintTensors(self)
    func fingerprint(_ precision: String, _ answers: Answers, _ records: [TensorRecord]?) -> String?
    {
      records.map { self.fingerprint(precision, answers, $0) }
    }
    let (float, int8) = (tensors.encoder(.float), tensors.encoder(.int8))
    let vectors = tensors.vectors
    var result = BertqFingerprints(
      float: fingerprint("float", .vectors, float.map { $0 + vectors }),
      int8: fingerprint("int8", .vectors, int8.map { $0 + vectors }))
    if tensors.hasHead {
      result.floatAnswers = fingerprint("float", .head, float.map { $0 + tensors.head(.float) })
      result.int8Answers = fingerprint("int8", .head, int8.map { $0 + tensors.head(.int8) })
    }
    return result
  }

  /// What a fingerprint is of.
  private enum Answers: String { case vectors, head }

  private func fingerprint(
    _ precision: String, _ answers: Answers, _ records: [TensorRecord]
  ) -> String {
    var sha = bq_sha256()
    bq_sha256_begin(&sha)
    func add(_ text: String) {
      var text = text
      text.withUTF8 { bq_sha256_update(&sha, $0.baseAddress, $0.count) }
    }
    func add(_ name: String, _ bytes: [UInt8]) {
      add("\(name) \(bytes.count)\n")
      bq_sha256_update(&sha, bytes, bytes.count)
    }
    add("bertq fingerprint 2\nanswers \(answers.rawValue)\nprecision \(precision)\n")
    add("numeric_version \(numericVersion)\n")
    add("configuration", hashed.configuration)
    if !hashed.tokenizer.isEmpty { add("tokenizer", hashed.tokenizer) }
    switch answers {
    case .vectors: add("embedding", hashed.embedding)
    case .head: if !hashed.head.isEmpty { add("head", hashed.head) }
    }
    if let prompt = description.defaultPromptText { add("prompt", Array(prompt.utf8)) }
    // Names are ASCII, for which Swift's order is that of the bytes.
    let order = records.indices.sorted { records[$0].tensor.name < records[$1].tensor.name }
    // A model is opened once for each process: lines are written into one buffer.
    var line: [UInt8] = []
    for record in order.lazy.map({ records[$0] }) {
      line.removeAll(keepingCapacity: true)
      record.tensor.appendLine(to: &line)
      bq_sha256_update(&sha, line, line.count)
      checksums[record.chunks].withUnsafeBytes {
        bq_sha256_update(&sha, $0.baseAddress, $0.count)
      }
    }
    var digest = [UInt8](repeating: 0, count: 32)
    bq_sha256_end(&sha, &digest)
    return digest.prefix(8).map { hex(UInt32($0)).suffix(2) }.joined()
  }
}

extension BertqTensor {
  /// Appends what a fingerprint says of a tensor beside its checksums.
  fileprivate func appendLine(to line: inout [UInt8]) {
    line += "tensor ".utf8
    line += name.utf8
    for word in [elementType.rawValue, layout.rawValue] {
      line.append(UInt8(ascii: " "))
      line += word.utf8
    }
    // A tensor without dimensions has a space here too.
    if shape.isEmpty { line.append(UInt8(ascii: " ")) }
    for size in shape {
      line.append(UInt8(ascii: " "))
      line += String(size).utf8
    }
    line.append(UInt8(ascii: "\n"))
  }
}

/// Which of a file's tensors each kind of answer is computed from.
private struct FingerprintTensors {
  enum Path { case float, int8 }

  private let configuration: BertConfiguration
  private let modules: [TensorRequirement]
  private let all: [TensorRecord]
  private let byName: [String: TensorRecord]

  init(_ header: Header) {
    configuration = header.description.configuration
    modules = header.description.embedding.tensors(hiddenSize: configuration.hiddenSize)
    all = header.tensors
    byName = Dictionary(header.tensors.map { ($0.tensor.name, $0) }) { first, _ in first }
  }

  /// The tokenizer's tables, the embeddings, the norms, the linears of all layers, and the pooler
  /// where it is there; nil when the file does not hold the path.
  func encoder(_ path: Path) -> [TensorRecord]? {
    // The int8 path's own word embeddings are among what `linears` finds.
    let ownWords = path == .int8 && byName[CanonicalName.int8Words] != nil
    let names = configuration.sharedTensors.map(\.name).filter {
      !(ownWords && $0 == CanonicalName.wordEmbeddings)
    }
    let shared = names.compactMap { byName[$0] }
    guard shared.count == names.count, let linears = linears(path) else { return nil }
    let tables = all.filter { $0.tensor.name.hasPrefix("tokenizer.") }
    return shared + linears + tables + configuration.poolerTensors.compactMap { byName[$0.name] }
  }

  /// What vectors are made with behind the encoder.
  var vectors: [TensorRecord] { modules.compactMap { byName[$0.name] } }

  /// Whether there is a head.
  var hasHead: Bool { all.contains { $0.tensor.name.hasPrefix(CanonicalName.headPrefix) } }

  /// All tensors of all heads that a path uses.
  func head(_ path: Path) -> [TensorRecord] {
    all.filter { record in
      let name = record.tensor.name
      guard name.hasPrefix(CanonicalName.headPrefix) else { return false }
      if path == .float { return !name.isInt8Part }
      return name.isInt8Part || byName[name.linear + QuantizedPart.weight] == nil
    }
  }

  private func linears(_ path: Path) -> [TensorRecord]? {
    let float = configuration.floatLinearTensors
    if path == .float {
      let found = float.compactMap { byName[$0.name] }
      return found.count == float.count ? found : nil
    }
    // All int8 tensors of embeddings and layers, and the float ones of linears without int8 weights.
    var list = all.filter {
      $0.tensor.name.isInt8Part && !$0.tensor.name.hasPrefix(CanonicalName.headPrefix)
    }
    if list.isEmpty { return nil }
    for requirement in float
    where byName[requirement.name.linear + QuantizedPart.weight] == nil {
      guard let record = byName[requirement.name] else { return nil }
      list.append(record)
    }
    return list
  }
}

extension String {
  /// Whether a tensor of this name belongs to the int8 path alone.
  fileprivate var isInt8Part: Bool {
    let part = Array(QuantizedPart.prefix.utf8)
    var name = self
    return name.withUTF8 { bytes in
      guard bytes.count >= part.count else { return false }
      for start in 0...bytes.count - part.count {
        var length = 0
        while length < part.count, bytes[start + length] == part[length] { length += 1 }
        if length == part.count { return true }
      }
      return false
    }
  }

  /// The name of the linear whose float weight or bias this is.
  fileprivate var linear: String {
    for part in [FloatPart.weight, FloatPart.bias] where hasSuffix(part) {
      return String(dropLast(part.count))
    }
    return self
  }
}
