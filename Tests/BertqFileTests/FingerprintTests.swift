import BertModel
import Fixtures
import Testing

@testable import BertqFile

@Suite struct FingerprintTests {
  static func fingerprints(
    _ weights: TinyModel.Weights = .both, hasPooler: Bool = false,
    _ change: (inout TinyModel) -> Void = { _ in }
  ) throws -> BertqFingerprints {
    let folder = try TemporaryFolder()
    var model = TinyModel(weights, hasPooler: hasPooler)
    change(&model)
    return try model.write(to: folder / "a.bertq")
  }

  @Test func aFileOfOnePathHasTheFingerprintOfTheFileOfBoth() throws {
    let both = try Self.fingerprints(.both)
    #expect(both.float?.utf8.count == 16 && both.int8?.utf8.count == 16)
    #expect(both.float != both.int8)
    #expect(try Self.fingerprints(.float) == BertqFingerprints(float: both.float, int8: nil))
    #expect(try Self.fingerprints(.int8) == BertqFingerprints(float: nil, int8: both.int8))
  }

  /// A model that has one of everything that fingerprints look at.
  static func whole() -> TinyModel {
    var model = TinyModel(.both, hasPooler: true)
    model.description.tokenizer = TokenizerSettings()
    model.description.embedding.modules = [.dense(outputs: 5, .tanh), .normalize]
    model.description.head = HeadSettings(labels: ["a", "b"])
    model.description.prompts = [Prompt("query", "query: "), Prompt("other", "x")]
    model.description.defaultPrompt = "query"
    model.tensors += [
      BertqTensor("tokenizer.vocabulary", .uint8, .rowMajor, [99]),
      BertqTensor("module.0.weight", .float32, .floatPanels, [5, 8]),
      BertqTensor("module.0.bias", .float32, .rowMajor, [5]),
      BertqTensor("head.classifier.weight", .float32, .floatPanels, [2, 8]),
      BertqTensor("head.classifier.bias", .float32, .rowMajor, [2]),
      BertqTensor("head.nsp.weight", .float32, .floatPanels, [2, 8]),
      BertqTensor("head.nsp.bias", .float32, .rowMajor, [2]),
      BertqTensor("head.classifier.int8.weight", .int8, .int8Panels, [2, 8]),
    ]
    return model
  }

  /// Which of the four fingerprints differ: float and int8 vectors, float and int8 answers.
  static func differing(_ change: (inout TinyModel) -> Void) throws -> [Bool] {
    let folder = try TemporaryFolder()
    let plain = try whole().write(to: folder / "a.bertq")
    var model = whole()
    change(&model)
    let changed = try model.write(to: folder / "b.bertq")
    return BertqFingerprints.kinds.map { plain[keyPath: $0.path] != changed[keyPath: $0.path] }
  }

  static func replace(_ name: String, _ shape: [Int]) -> @Sendable (inout TinyModel) -> Void {
    { model in
      guard let at = model.tensors.firstIndex(where: { $0.name == name }) else { return }
      let old = model.tensors[at]
      model.tensors[at] = BertqTensor(name, old.elementType, old.layout, shape)
    }
  }

  /// What a change is of, and what it changes.
  enum Reach: CaseIterable {
    case nothing, all, vectors, answers, float, int8, floatAnswers, int8Answers

    var changes: [Bool] {
      switch self {
      case .nothing: [false, false, false, false]
      case .all: [true, true, true, true]
      case .vectors: [true, true, false, false]
      case .answers: [false, false, true, true]
      case .float: [true, false, true, false]
      case .int8: [false, true, false, true]
      case .floatAnswers: [false, false, true, false]
      case .int8Answers: [false, false, false, true]
      }
    }
  }

  static let changes: [(String, Reach, @Sendable (inout TinyModel) -> Void)] = [
    ("nothing", .nothing, { _ in }),
    ("origin", .nothing, { $0.description.provenance.source = "model.npz" }),
    ("element type of the origin", .nothing, { $0.description.provenance.elementType = "F16" }),
    ("order", .nothing, { $0.tensors.reverse() }),
    ("default task", .nothing, { $0.description.task = .classify }),
    ("who said the pooling", .nothing, { $0.description.embeddingIsPublished = true }),
    ("settings of the quantiser", .nothing, { $0.quantizer = [BertqSetting("a", "b")] }),
    ("a prompt that is asked for", .nothing, { $0.description.prompts[1].text = "y" }),
    (
      "drift", .nothing,
      {
        $0.drift = ConversionDrift(
          source: "", texts: 1, tokens: 1, sqnr: 1, meanCosine: 1, worstCosine: 1)
      }
    ),
    ("activation", .all, { $0.description.configuration.activation = .relu }),
    ("epsilon", .all, { $0.description.configuration.layerNormEpsilon = 1e-5 }),
    ("heads of attention", .all, { $0.description.configuration.headCount = 4 }),
    ("word embeddings", .all, replace("embeddings.word", [8, 70])),
    ("a norm", .all, replace("layer.0.attention.norm.bias", [9])),
    ("the pooler", .all, replace("pooler.weight", [9, 8])),
    ("vocabulary", .all, replace("tokenizer.vocabulary", [98])),
    ("lower-casing", .all, { $0.description.tokenizer?.wordPiece?.lowercase = false }),
    ("a special token", .all, { $0.description.tokenizer?.maskToken = "<mask>" }),
    ("truncation", .all, { $0.description.tokenizer?.maximumTokens = 7 }),
    ("the side of truncation", .all, { $0.description.tokenizer?.cutsLeft = true }),
    (
      "an added token", .all,
      { $0.description.tokenizer?.addedTokens = [AddedToken("x", id: 3)] }
    ),
    ("no tokenizer", .all, { $0.description.tokenizer = nil }),
    ("the default prompt", .all, { $0.description.prompts[0].text = "search: " }),
    ("another default prompt", .all, { $0.description.defaultPrompt = "other" }),
    ("no default prompt", .all, { $0.description.defaultPrompt = nil }),
    ("pooling", .vectors, { $0.description.embedding.poolings = [.cls] }),
    ("two poolings", .vectors, { $0.description.embedding.poolings += [.max] }),
    ("pooling of prompts", .vectors, { $0.description.embedding.poolsPrompt = false }),
    (
      "a module's activation", .vectors,
      { $0.description.embedding.modules[0] = .dense(outputs: 5, .relu) }
    ),
    ("no normalisation", .vectors, { $0.description.embedding.modules.removeLast() }),
    ("dimensions", .vectors, { $0.description.embedding.dimensions = 3 }),
    ("a module's weights", .vectors, replace("module.0.weight", [6, 8])),
    ("a module's bias", .vectors, replace("module.0.bias", [6])),
    ("labels", .answers, { $0.description.head?.labels = ["b", "a"] }),
    ("problem type", .answers, { $0.description.head?.problemType = "regression" }),
    ("activation of a score", .answers, { $0.description.head?.scoreActivation = .sigmoid }),
    ("what a head reads", .answers, { $0.description.head?.input = .cls }),
    ("a head in float", .answers, replace("head.nsp.weight", [3, 8])),
    ("a head's float form", .floatAnswers, replace("head.classifier.weight", [3, 8])),
    ("a head's int8 form", .int8Answers, replace("head.classifier.int8.weight", [3, 8])),
    ("a linear's float form", .float, replace("layer.0.feed_forward.up.weight", [13, 8])),
    ("a linear's int8 form", .int8, replace("layer.0.feed_forward.up.int8.scale", [13])),
  ]

  @Test(arguments: changes.indices)
  func aChangeChangesTheFingerprintsOfWhatItReaches(_ index: Int) throws {
    let (name, reach, change) = Self.changes[index]
    #expect(try Self.differing(change) == reach.changes, "\(name)")
  }

  @Test func everyReachOccurs() {
    #expect(Reach.allCases.allSatisfy { reach in Self.changes.contains { $0.1 == reach } })
  }

  @Test func allFourDifferAndAnswersNeedAHead() throws {
    let folder = try TemporaryFolder()
    let all = try Self.whole().write(to: folder / "a.bertq")
    let values = BertqFingerprints.kinds.compactMap { all[keyPath: $0.path] }
    #expect(Set(values).count == 4 && values.allSatisfy { $0.utf8.count == 16 })
    var headless = Self.whole()
    headless.tensors.removeAll { $0.name.hasPrefix("head.") }
    let found = try headless.write(to: folder / "b.bertq")
    #expect(found == BertqFingerprints(float: all.float, int8: all.int8))
  }

  @Test func aPathThatIsNotWholeHasNone() throws {
    let noNorm = try Self.fingerprints {
      $0.tensors.removeAll { $0.name == "embeddings.norm.bias" }
    }
    #expect(noNorm == BertqFingerprints(float: nil, int8: nil))
    let noLinear = try Self.fingerprints {
      $0.tensors.removeAll { $0.name == "layer.0.attention.output.bias" }
    }
    #expect(noLinear.float == nil && noLinear.int8 != nil)
  }

  @Test func linearsThatStayInFloatCountForInt8() throws {
    let linear = "layer.0.feed_forward.down"
    func keepsOne(_ weights: TinyModel.Weights, _ change: (inout TinyModel) -> Void = { _ in })
      throws -> BertqFingerprints
    {
      let linears = Set(TinyModel.configuration.floatLinearTensors.map(\.name))
      return try Self.fingerprints(.both) { model in
        model.tensors.removeAll { tensor in
          guard !tensor.name.hasPrefix(linear) else { return tensor.name.contains(".int8.") }
          return weights == .int8 && linears.contains(tensor.name)
        }
        change(&model)
      }
    }
    let both = try keepsOne(.both)
    let plain = try Self.fingerprints(.both)
    #expect(both.int8 != nil && both.int8 != plain.int8)
    #expect(try keepsOne(.int8) == BertqFingerprints(float: nil, int8: both.int8))
    for part in [".weight", ".bias"] {
      let lacking = try keepsOne(.both) { $0.tensors.removeAll { $0.name == linear + part } }
      #expect(lacking.int8 == nil, "neither form of a linear is whole")
    }
  }
}
