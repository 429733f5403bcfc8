import BertErrors
import BertModel
import Testing

/// Sizes of a model: what is possible, and the tensors that follow from them.
struct ConfigurationTests {
  static let usual = BertConfiguration(
    vocabularySize: 30_522, hiddenSize: 384, layerCount: 6, headCount: 12, intermediateSize: 1536,
    maximumPositions: 512, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)

  static let changes:
    [(what: String, code: BertError.Code?, change: @Sendable (inout BertConfiguration) -> Void)] = [
      ("nothing", nil, { _ in }),
      ("vocab_size", .malformed, { $0.vocabularySize = 0 }),
      ("vocab_size", .malformed, { $0.vocabularySize = .min }),
      ("vocab_size", .unsupported, { $0.vocabularySize = .max }),
      ("vocab_size", nil, { $0.vocabularySize = 1 << 24 }),
      ("hidden_size", .malformed, { $0.hiddenSize = -384 }),
      ("hidden_size", .unsupported, { $0.hiddenSize = 32_769 }),
      ("hidden_size", nil, { $0.hiddenSize = 32_760 }),
      ("hidden_size", .malformed, { $0.hiddenSize = 385 }),
      ("num_hidden_layers", .malformed, { $0.layerCount = 0 }),
      ("num_hidden_layers", .unsupported, { $0.layerCount = 513 }),
      ("num_attention_heads", .malformed, { $0.headCount = 0 }),
      ("num_attention_heads", .malformed, { $0.headCount = 5 }),
      ("num_attention_heads", .unsupported, { $0.headCount = 385 }),
      ("num_attention_heads", nil, { $0.headCount = 384 }),
      ("intermediate_size", .malformed, { $0.intermediateSize = 0 }),
      ("intermediate_size", .unsupported, { $0.intermediateSize = 1 << 40 }),
      ("max_position_embeddings", .malformed, { $0.maximumPositions = 0 }),
      ("max_position_embeddings", .unsupported, { $0.maximumPositions = 1 << 25 }),
      ("type_vocab_size", .malformed, { $0.tokenTypeCount = 0 }),
      ("type_vocab_size", .unsupported, { $0.tokenTypeCount = 257 }),
      ("layer_norm_eps", .malformed, { $0.layerNormEpsilon = .nan }),
      ("layer_norm_eps", .malformed, { $0.layerNormEpsilon = -1e-12 }),
      ("layer_norm_eps", .malformed, { $0.layerNormEpsilon = 1 }),
      ("layer_norm_eps", nil, { $0.layerNormEpsilon = 0 }),
    ]

  @Test(arguments: changes.indices)
  func impossibleSizesAreNamed(_ index: Int) {
    let (what, code, change) = Self.changes[index]
    var configuration = Self.usual
    change(&configuration)
    do throws(BertError) {
      try configuration.validate()
      #expect(code == nil, "\(what)")
    } catch {
      #expect(error.code == code)
      #expect(error.message.contains(what))
    }
  }

  @Test func linearsHaveTheShapesOfTheArchitecture() {
    let shapes = LinearSite.allCases.map { [$0.outputs(Self.usual), $0.inputs(Self.usual)] }
    #expect(shapes == [[1152, 384], [384, 384], [1536, 384], [384, 1536]])
    #expect(Self.usual.headSize == 32)
  }

  /// all-MiniLM-L6-v2 holds 22 713 216 parameters, its pooler counted.
  @Test func parametersAreAsManyAsPublished() {
    let all =
      Self.usual.sharedTensors + Self.usual.floatLinearTensors + Self.usual.poolerTensors
    #expect(all.reduce(0) { $0 + $1.shape.reduce(1, *) } == 22_713_216)
    #expect(Set(all.map(\.name)).count == all.count)
  }

  static let heads: [(HeadKind, labels: Int, ties: Bool, names: [String])] = [
    (
      .maskedWords, 0, true,
      [
        "head.mlm.transform.weight", "head.mlm.transform.bias", "head.mlm.norm.weight",
        "head.mlm.norm.bias", "head.mlm.decoder.bias",
      ]
    ),
    (
      .maskedWords, 0, false,
      [
        "head.mlm.transform.weight", "head.mlm.transform.bias", "head.mlm.norm.weight",
        "head.mlm.norm.bias", "head.mlm.decoder.weight", "head.mlm.decoder.bias",
      ]
    ),
    (.nextSentence, 0, true, ["head.nsp.weight", "head.nsp.bias"]),
    (.classifier, 5, true, ["head.classifier.weight", "head.classifier.bias"]),
    (.answer, 0, true, ["head.answer.weight", "head.answer.bias"]),
  ]

  @Test(arguments: heads.indices)
  func headsHaveTheTensorsOfTheTable(_ index: Int) {
    let (head, labels, ties, names) = Self.heads[index]
    let tensors = Self.usual.tensors(of: head, labels: labels, tiesDecoder: ties)
    #expect(tensors.map(\.name) == names)
    if head == .classifier { #expect(tensors.map(\.shape) == [[5, 384], [5]]) }
    #expect(tensors.allSatisfy { ($0.layout == .floatPanels) == ($0.shape.count == 2) })
    if head == .nextSentence { #expect(tensors.map(\.shape) == [[2, 384], [2]]) }
  }
}
