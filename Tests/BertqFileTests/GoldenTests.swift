import BertErrors
import BertModel
import BertqFile
import Fixtures
import FoundationEssentials
import Testing

/// Files of earlier versions, which every later version reads as the first did.
///
/// Beside each lies what `tools/bertq-list --json --values` found in it. They are never written
/// again; `BERTQ_WRITE_GOLDEN=FOLDER swift test --filter GoldenTests` makes those of this version.
@Suite struct GoldenTests {
  static let folder = SharedData.packageRoot + "/formats/golden/v1"
  static let models: [(name: String, model: TinyModel)] = [
    ("both", .full), ("float", TinyModel(.float)), ("int8", TinyModel(.int8)),
  ]

  struct Listing: Decodable {
    struct Configuration: Decodable, Equatable {
      let vocabulary_size, hidden_size, layer_count, head_count, intermediate_size: Int
      let maximum_positions, token_type_count: Int
      let layer_norm_epsilon: Double
      let activation: String
    }
    struct Tokenizer: Decodable {
      let lowercase, space_chinese: Bool
      let strip_accents: Bool?
      let maximum_word_length: Int
      let continuation_prefix, unknown_token, class_token, separator_token: String
      let pad_token, mask_token: String
      let maximum_tokens: Int?
    }
    struct Provenance: Decodable {
      let source, published_name, element_type: String
      let architectures: [String]
    }
    struct Setting: Decodable { let key, value: String }
    struct Tensor: Decodable {
      let name, element_type, layout: String
      let shape: [Int]
      let values: [Double]
    }
    let format_version, numeric_version: Int
    let producer, pooling, task, problem_type: String
    let pooling_is_published, normalizes: Bool
    let labels: [String]
    let configuration: Configuration
    let tokenizer: Tokenizer?
    let provenance: Provenance
    let quantizer: [Setting]
    let float_fingerprint, int8_fingerprint: String?
    let tensors: [Tensor]
  }

  @Test(arguments: ["both", "float", "int8"])
  func goldenFilesReadAsWrittenDown(_ name: String) throws {
    let file = try ModelFile.open("\(Self.folder)/\(name).bertq")
    try file.verifyAll()
    let data = try Data(contentsOf: URL(filePath: "\(Self.folder)/\(name).json"))
    let expected = try JSONDecoder().decode(Listing.self, from: data)
    #expect(Int(file.formatVersion) == expected.format_version)
    #expect(Int(file.numericVersion) == expected.numeric_version)
    #expect(file.producer == expected.producer)
    #expect(file.fingerprints.float == expected.float_fingerprint)
    #expect(file.fingerprints.int8 == expected.int8_fingerprint)
    #expect(file.quantizer.map(\.key) == expected.quantizer.map(\.key))
    #expect(file.quantizer.map(\.value) == expected.quantizer.map(\.value))
    try expectDescription(file.model, expected)
    #expect(file.tensors.count == expected.tensors.count)
    for (view, tensor) in zip(file.tensors, expected.tensors) {
      #expect(view.name == tensor.name)
      #expect(view.elementType.rawValue == tensor.element_type)
      #expect(view.layout.rawValue == tensor.layout)
      #expect(view.shape == tensor.shape)
      #expect(values(view) == tensor.values, "\(tensor.name)")
    }
  }

  private func expectDescription(_ found: ModelDescription, _ expected: Listing) throws {
    let c = found.configuration
    #expect(
      expected.configuration
        == Listing.Configuration(
          vocabulary_size: c.vocabularySize, hidden_size: c.hiddenSize, layer_count: c.layerCount,
          head_count: c.headCount, intermediate_size: c.intermediateSize,
          maximum_positions: c.maximumPositions, token_type_count: c.tokenTypeCount,
          layer_norm_epsilon: Double(c.layerNormEpsilon), activation: c.activation.rawValue))
    #expect(found.pooling.rawValue == expected.pooling)
    #expect(found.poolingIsPublished == expected.pooling_is_published)
    #expect(found.normalizes == expected.normalizes)
    #expect(found.task.rawValue == expected.task)
    #expect(found.labels == expected.labels)
    #expect(found.problemType == expected.problem_type)
    #expect(found.provenance.source == expected.provenance.source)
    #expect(found.provenance.publishedName == expected.provenance.published_name)
    #expect(found.provenance.architectures == expected.provenance.architectures)
    #expect(found.provenance.elementType == expected.provenance.element_type)
    #expect((found.tokenizer == nil) == (expected.tokenizer == nil))
    guard let tokenizer = found.tokenizer, let listed = expected.tokenizer else { return }
    #expect(tokenizer.lowercase == listed.lowercase)
    #expect(tokenizer.stripAccents == listed.strip_accents)
    #expect(tokenizer.spaceChinese == listed.space_chinese)
    #expect(tokenizer.maximumWordLength == listed.maximum_word_length)
    #expect(tokenizer.continuationPrefix == listed.continuation_prefix)
    #expect(tokenizer.unknownToken == listed.unknown_token)
    #expect(tokenizer.classToken == listed.class_token)
    #expect(tokenizer.separatorToken == listed.separator_token)
    #expect(tokenizer.padToken == listed.pad_token)
    #expect(tokenizer.maskToken == listed.mask_token)
    #expect(tokenizer.maximumTokens == listed.maximum_tokens)
  }

  /// The elements of a tensor in C order.
  private func values(_ view: TensorView) -> [Double] {
    (0..<view.shape.reduce(1, *)).map { index in
      let at = TinyModel.position(view.layout, view.shape, index) * view.elementType.size
      switch view.elementType {
      case .float32: return Double(view.bytes.loadUnaligned(fromByteOffset: at, as: Float.self))
      case .int32: return Double(view.bytes.loadUnaligned(fromByteOffset: at, as: Int32.self))
      case .int8: return Double(Int8(bitPattern: view.bytes[at]))
      case .uint8: return Double(view.bytes[at])
      }
    }
  }

  @Test(.enabled(if: ProcessInfo.processInfo.environment["BERTQ_WRITE_GOLDEN"] != nil))
  func writesTheGoldenFilesOfThisVersion() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["BERTQ_WRITE_GOLDEN"])
    for (name, model) in Self.models { try model.write(to: "\(folder)/\(name).bertq") }
  }
}
