import BertModel
import BertqFile
import Fixtures
import Testing

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

  @Test func originVocabularyAndOrderDoNotCount() throws {
    let plain = try Self.fingerprints()
    let other = try Self.fingerprints {
      $0.tensors.reverse()
      $0.tensors.insert(BertqTensor("tokenizer.vocabulary", .uint8, .rowMajor, [99]), at: 3)
      $0.description.provenance.source = "model.npz"
      $0.description.provenance.elementType = "F16"
      $0.description.tokenizer = TokenizerSettings()
      $0.description.labels = ["a"]
      $0.description.task = .classify
      $0.description.poolingIsPublished = true
      $0.quantizer = [BertqSetting("a", "b")]
    }
    #expect(other == plain)
  }

  @Test func whateverChangesAVectorCounts() throws {
    let plain = try Self.fingerprints()
    let changes: [(inout TinyModel) -> Void] = [
      { $0.description.pooling = .cls },
      { $0.description.normalizes = true },
      { $0.description.configuration.activation = .relu },
      { $0.description.configuration.layerNormEpsilon = 1e-5 },
      { $0.description.configuration.headCount = 4 },
      { $0.tensors[0] = BertqTensor($0.tensors[0].name, .float32, .rowMajor, [8, 70]) },
    ]
    for change in changes {
      let changed = try Self.fingerprints(.both, change)
      #expect(changed.float != nil && changed.float != plain.float)
      #expect(changed.int8 != nil && changed.int8 != plain.int8)
    }
    let pooler = try Self.fingerprints(hasPooler: true)
    #expect(pooler.float != plain.float && pooler.int8 != plain.int8)
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
