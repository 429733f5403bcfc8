import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import Fixtures
import FoundationEssentials
import Testing

/// Files of every version, read and computed for ever as when they were made.
///
/// `tools/make/golden` made them, and another implementation the answers that lie beside them.
struct GoldenFileTests {
  static let folder = SharedData.packageRoot + "/formats/golden/"
  static let names = [
    "format2-numeric4", "mpnet-numeric4", "albert-numeric4", "gte-numeric4", "alibi-numeric4",
    "modernbert-numeric4", "relative-numeric4",
  ]

  struct Record: Decodable {
    struct Text: Decodable {
      let texts: [String]
      let ids: [Int32]
      let types: [UInt8]
      let float: Answers
      let int8: Answers
    }
    struct Answers: Decodable {
      let states: String
      let embedding: String
      /// Nil where the model has no pooler.
      let pooled: String?
      let logits: String
    }
    let format_version: UInt32
    let numeric_version: UInt32
    let float_vectors: String
    let int8_vectors: String
    let float_answers: String
    let int8_answers: String
    let labels: [String]
    let texts: [Text]
  }

  private func open(_ name: String) throws -> (ServedModel, Record) {
    let record = try Data(contentsOf: URL(filePath: Self.folder + name + ".json"))
    return (
      try ServedModel(path: Self.folder + name + ".bertq"),
      try JSONDecoder().decode(Record.self, from: record)
    )
  }

  /// The hexadecimal digits of the values' bytes.
  private func digits(_ values: [Float]) -> String {
    values.map { value in
      (0..<4).map { byte in
        let text = String(value.bitPattern >> (8 * UInt32(byte)) & 0xFF, radix: 16)
        return text.utf8.count == 1 ? "0" + text : text
      }.joined()
    }.joined()
  }

  @Test(arguments: names)
  func theFileReadsAsRecorded(_ name: String) throws {
    let (model, record) = try open(name)
    try model.file.verifyAll()
    #expect(model.file.formatVersion == record.format_version)
    #expect(model.file.numericVersion == record.numeric_version)
    #expect(model.file.fingerprints.float == record.float_vectors)
    #expect(model.file.fingerprints.int8 == record.int8_vectors)
    #expect(model.file.fingerprints.floatAnswers == record.float_answers)
    #expect(model.file.fingerprints.int8Answers == record.int8_answers)
    #expect(model.description.labels == record.labels)
    #expect(model.description.task == .classify)
  }

  @Test(arguments: names)
  func textsBecomeTheRecordedTokens(_ name: String) throws {
    let (model, record) = try open(name)
    for text in record.texts {
      var batch = TokenBatch()
      let pair = text.texts.count > 1 ? Array(text.texts[1].utf8) : nil
      try model.append(
        TextInput(text: Array(text.texts[0].utf8), pair: pair), to: &batch, truncates: false)
      #expect(batch.ids == text.ids && batch.types == text.types, "\(text.texts)")
    }
  }

  @Test(arguments: names, KernelSet.available.map(\.name))
  func answersHaveTheRecordedBits(_ name: String, _ kernels: String) throws {
    let (model, record) = try open(name)
    let set = try #require(KernelSet.available.first { $0.name == kernels })
    let width = model.description.configuration.hiddenSize
    let embedder = try Pooler(model.description.embedding, source: model.file, kernels: set)
    let hasPooler = model.file.find(CanonicalName.pooler + FloatPart.weight) != nil
    let pooler = try hasPooler ? Pooler(.pooler, source: model.file, kernels: set) : nil
    for precision in Precision.allCases {
      let team = ThreadTeam(count: 2)
      let encoder = try model.encoder(precision, kernels: set, team: team)
      let head = try #require(
        try HeadSource(model.file, precision: precision, kernels: set, team: team).headOfTask())
      var batch = TokenBatch()
      for text in record.texts {
        try batch.append(ids: text.ids, types: text.types, for: model.description.configuration)
      }
      try encoder.encode(batch) { states throws(BertError) in
        for text in states.texts {
          let tokens = batch.range(text)
          let expected = precision == .int8 ? record.texts[text].int8 : record.texts[text].float
          let rows = tokens.flatMap { UnsafeBufferPointer(start: states.row($0), count: width) }
          let embedding = try embedder.vector(states, tokens: tokens)
          let pooled = try pooler?.vector(states, tokens: tokens)
          var scores = HeadScores(width: head.width)
          try head.append([HeadText(batch, text)], of: states, to: &scores)
          let logits = scores.values
          #expect(digits(rows) == expected.states, "\(precision), text \(text)")
          #expect(digits(embedding) == expected.embedding, "\(precision), text \(text)")
          #expect(pooled.map(digits) == expected.pooled, "\(precision), text \(text)")
          #expect(digits(logits) == expected.logits, "\(precision), text \(text)")
        }
      }
    }
  }
}
