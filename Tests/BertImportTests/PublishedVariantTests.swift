import BertErrors
import BertImport
import BertModel
import Fixtures
import JSONText
import Testing

/// The published values of a safetensors file, read without the package's own readers of it.
struct RawSafetensors {
  let header: JSON
  let bytes: [UInt8]
  let dataStart: Int

  init(_ part: String) throws {
    bytes = try SharedData.bytes(part)
    let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    header = try JSON.parse(Array(bytes[8..<(8 + length)]))
    dataStart = 8 + length
  }

  func floats(_ name: String) -> [Float]? {
    guard let entry = header[name] ?? header["bert." + name],
      let offsets = entry["data_offsets"]?.arrayValue?.compactMap(\.integerValue)
    else { return nil }
    return stride(from: dataStart + offsets[0], to: dataStart + offsets[1], by: 4).map { at in
      Float(bitPattern: bytes[at..<(at + 4)].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }

  /// What a canonical tensor should be, from the published names in the order they are joined.
  func canonical(_ name: String) -> [Float]? {
    let suffix = name.hasSuffix(".weight") ? ".weight" : name.hasSuffix(".bias") ? ".bias" : ""
    let stem = String(name.dropLast(suffix.count))
    let parts = stem.split(separator: ".")
    let names: [String]
    if parts[0] == "layer" {
      let layer = "encoder.layer.\(parts[1])."
      names =
        [
          "attention.qkv": ["query", "key", "value"].map { "attention.self." + $0 },
          "attention.output": ["attention.output.dense"],
          "attention.norm": ["attention.output.LayerNorm"],
          "feed_forward.up": ["intermediate.dense"], "feed_forward.down": ["output.dense"],
          "feed_forward.norm": ["output.LayerNorm"],
        ][parts[2...].joined(separator: ".")]?.map { layer + $0 + suffix } ?? []
    } else {
      names =
        [
          "embeddings.word": ["embeddings.word_embeddings.weight"],
          "embeddings.position": ["embeddings.position_embeddings.weight"],
          "embeddings.token_type": ["embeddings.token_type_embeddings.weight"],
          "embeddings.norm": ["embeddings.LayerNorm" + suffix], "pooler": ["pooler.dense" + suffix],
          "head.mlm.transform": ["cls.predictions.transform.dense" + suffix],
          "head.mlm.norm": ["cls.predictions.transform.LayerNorm" + suffix],
          "head.mlm.decoder": [
            header["cls.predictions.decoder" + suffix] == nil
              ? "cls.predictions" + suffix : "cls.predictions.decoder" + suffix
          ],
          "head.nsp": ["cls.seq_relationship" + suffix], "head.classifier": ["classifier" + suffix],
          "head.answer": ["qa_outputs" + suffix],
        ][stem] ?? []
    }
    let values = names.compactMap { floats($0) }
    return values.count == names.count && !names.isEmpty ? Array(values.joined()) : nil
  }
}

@Suite(.enabled(if: SharedData.isPresent("tiny"), "needs the shared data"))
struct PublishedVariantTests {
  static let models = [
    "model", "model_nopool", "model64", "pretraining", "maskedlm", "maskedlm_untied", "nsp",
    "seqcls1", "seqcls2", "seqcls5", "tokencls", "qa", "multiplechoice",
  ]
  static let exactVariants = [
    "model.safetensors", "sharded", "sharded/model.safetensors.index.json", "gamma_beta",
    "model.npz", "model_compressed.npz", "tf_names.npz", "pytorch_model.bin", "legacy",
  ]

  /// Whether a model is there in a container; `model.safetensors` always is.
  private static func holds(_ model: String, _ variant: String) -> Bool {
    variant == "model.safetensors" || exists(SharedData.path("tiny/\(model)/\(variant)"))
  }

  @Test(arguments: models)
  func givesTheSameTensorsFromEveryContainerAndNaming(model: String) throws {
    let raw = try RawSafetensors("tiny/\(model)/model.safetensors")
    let reference = try ModelImport.read(input: SharedData.path("tiny/\(model)"))
    #expect(reference.report.unknown.isEmpty && reference.report.missing.isEmpty)
    for variant in Self.exactVariants where Self.holds(model, variant) {
      let imported = try ModelImport.read(input: SharedData.path("tiny/\(model)/\(variant)"))
      #expect(imported.tensors == reference.tensors, "\(variant)")
      #expect(imported.vocabulary == reference.vocabulary && imported.vocabulary.count == 195)
      var description = imported.description
      description.provenance.source = reference.description.provenance.source
      #expect(description == reference.description, "\(variant)")
      for tensor in imported.tensors {
        let values = try imported.readTensor(tensor.name)
        #expect(values.count == tensor.shape.reduce(1, *), "\(variant) \(tensor.name)")
        let expected = raw.canonical(tensor.name)
        #expect(
          values.map(\.bitPattern) == expected?.map(\.bitPattern), "\(variant) \(tensor.name)")
      }
    }
  }

  @Test(arguments: models)
  func accountsForEveryPublishedTensor(model: String) throws {
    for variant in Self.exactVariants where Self.holds(model, variant) {
      let report = try ModelImport.read(input: SharedData.path("tiny/\(model)/\(variant)")).report
      let names = report.mapped.flatMap(\.published) + report.ignored.map(\.name)
      #expect(Set(names).count == names.count)
      if variant == "model.safetensors" {
        let raw = try RawSafetensors("tiny/\(model)/\(variant)")
        let keys = raw.header.objectValue?.keys.filter { $0 != "__metadata__" } ?? []
        #expect(Set(names) == Set(keys))
      }
    }
  }

  @Test(arguments: models, [("fp16", Float(0x1p-11)), ("bf16", 0x1p-8)])
  func keepsHalfPrecisionExactly(model: String, variant: (name: String, step: Float)) throws {
    let exact = try ModelImport.read(input: SharedData.path("tiny/\(model)"))
    let rounded = try ModelImport.read(input: SharedData.path("tiny/\(model)/\(variant.name)"))
    #expect(rounded.tensors == exact.tensors)
    #expect(rounded.description.provenance.elementType == (variant.name == "fp16" ? "F16" : "BF16"))
    for tensor in exact.tensors {
      let pairs = zip(try exact.readTensor(tensor.name), try rounded.readTensor(tensor.name))
      #expect(
        pairs.allSatisfy { abs($0 - $1) <= abs($0) * variant.step + 0x1p-25 }, "\(tensor.name)")
    }
  }

  static let tasks: [(String, ModelTask, [HeadKind], Bool, [String])] = [
    ("model", .embedding, [], true, []), ("model_nopool", .embedding, [], false, []),
    ("pretraining", .fillMask, [.maskedWords, .nextSentence], true, []),
    ("maskedlm", .fillMask, [.maskedWords], false, []),
    ("maskedlm_untied", .fillMask, [.maskedWords], false, []),
    ("nsp", .nextSentence, [.nextSentence], true, []),
    ("seqcls1", .classify, [.classifier], true, ["LABEL_0"]),
    ("seqcls2", .classify, [.classifier], true, ["NEGATIVE", "POSITIVE"]),
    (
      "seqcls5", .classify, [.classifier], true,
      ["very bad", "bad", "neutral", "good", "very good"]
    ),
    ("tokencls", .tag, [.classifier], false, ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]),
    ("qa", .answer, [.answer], false, []), ("multiplechoice", .choose, [.classifier], true, []),
  ]

  @Test(arguments: tasks)
  func knowsTaskHeadsAndLabels(
    model: String, task: ModelTask, heads: [HeadKind], hasPooler: Bool, labels: [String]
  ) throws {
    let imported = try ModelImport.read(input: SharedData.path("tiny/\(model)"))
    #expect(imported.description.task == task && imported.heads == heads)
    #expect(imported.hasPooler == hasPooler && imported.description.labels == labels)
    #expect(imported.description.embedding == EmbeddingRecipe())
    #expect(!imported.description.embeddingIsPublished)
    #expect(imported.description.tokenizer?.wordPiece?.lowercase == true)
    #expect(imported.description.tokenizer?.maximumTokens == 48)
    #expect(
      imported.description.configuration.layerNormEpsilon
        == (model == "model_nopool" ? 1e-5 : 1e-12))
  }

  @Test func keepsAnUntiedDecoderAndItsOwnBias() throws {
    let imported = try ModelImport.read(input: SharedData.path("tiny/maskedlm_untied"))
    #expect(imported.tensors.contains { $0.name == "head.mlm.decoder.weight" })
    #expect(
      imported.report.ignored.map(\.name) == ["cls.predictions.bias"]
        && imported.report.ignored[0].reason == "the decoder has its own bias")
  }

  @Test func ignoresTrainingStateOfTensorFlow() throws {
    let report = try ModelImport.read(input: SharedData.path("tiny/model/tf_names.npz")).report
    #expect(
      Set(report.ignored.map(\.reason)) == ["optimiser state", "training counter"]
        && report.ignored.count == 3)
    #expect(report.mapped.filter(\.isTransposed).count == 2 * 4 + 1)
  }
}
