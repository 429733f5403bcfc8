import BertErrors
import BertImport
import BertModel
import Fixtures
import JSONText
import Testing

@Suite struct TensorProblemTests {
  @Test(arguments: ["", "bert.", "model.", "module.bert.", "0.auto_model.", "model.bert."])
  func findsTheEncoderUnderAnyPrefix(prefix: String) throws {
    let model = try SmallModel(prefix: prefix).read()
    #expect(model.report.unknown.isEmpty)
    #expect(
      try model.readTensor("embeddings.norm.bias") == [4, 4.015625, 4.03125, 4.046875])
    let stacked = try model.readTensor("layer.0.attention.qkv.weight")
    #expect(stacked.count == 48 && stacked[0] == 5 && stacked[16] == 7 && stacked[32] == 9)
  }

  @Test func ignoresPositionNumbersAndKeepsTheirReason() throws {
    var model = try SmallModel()
    model.add("embeddings.position_ids", [1, 8])
    #expect(try model.read().report.ignored.map(\.name) == ["embeddings.position_ids"])
  }

  @Test func tellsAllProblemsAtOnce() throws {
    var model = try SmallModel(prefix: "bert.")
    model.remove("bert.encoder.layer.0.attention.self.key.bias")
    model.remove("bert.embeddings.LayerNorm.weight")
    model.add("bert.encoder.layer.1.output.dense.bias", [4])
    model.add("distance_embedding.weight", [3, 3])
    model.tensors[model.position("bert.encoder.layer.0.intermediate.dense.bias")].shape = [2, 3]
    try model.expectError(
      .malformed,
      [
        "5 problems", "'bert.encoder.layer.0.attention.self.key.bias' is missing",
        "'bert.embeddings.LayerNorm.weight' is missing", "layer 1, but num_hidden_layers = 1",
        "'distance_embedding.weight' is not a tensor of a BERT", "[2, 3]", "intermediate_size = 6",
      ])
    var report = ImportReport()
    #expect(throws: BertError.self) {
      try ModelImport.read(input: model.folder.path) { report = $0 }
    }
    #expect(report.missing.count == 2 && report.unknown.count == 2 && report.problems.count == 5)
    #expect(report.json["missing"]?.arrayValue?.count == 2)
    #expect(
      report.json.objectValue?.keys
        == ["source", "mapped", "ignored", "unknown", "missing", "problems", "notices"])
  }

  @Test(arguments: [
    ("vocab_size", 6, ["[5, 4]", "[6, 4]", "vocab_size = 6"]),
    ("hidden_size", 6, ["hidden_size = 6", "[5, 4]", "[5, 6]"]),
    ("max_position_embeddings", 512, ["[8, 4]", "max_position_embeddings = 512"]),
    ("num_hidden_layers", 2, ["encoder.layer.1.attention.self.query.weight", "missing"]),
    ("type_vocab_size", 1, ["type_vocab_size = 1"]),
    ("intermediate_size", 8, ["intermediate_size = 8", "[6, 4]", "[8, 4]"]),
  ])
  func saysBothSidesOfAContradiction(key: String, value: Int, words: [String]) throws {
    var model = try SmallModel()
    model.config[key] = .integer(value)
    try model.expectError(.malformed, words)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func rejectsAWeightThatIsNotFinite(value: Float) throws {
    var model = try SmallModel()
    model.tensors[model.position("encoder.layer.0.attention.self.value.weight")].values[3] = value
    let imported = try model.read()
    let error = #expect(throws: BertError.self) {
      try imported.readTensor("layer.0.attention.qkv.weight")
    }
    #expect(error?.code == .malformed)
    #expect(error?.tensor == "encoder.layer.0.attention.self.value.weight")
    #expect(error?.file?.hasSuffix("model.safetensors") == true)
    let offset = try #require(error?.byteOffset)
    let bytes = safetensors(model.tensors)[offset..<(offset + 4)]
    #expect(bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) } == value.bitPattern)
    _ = try imported.readTensor("layer.0.attention.output.weight")
  }

  @Test func rejectsOneTensorUnderTwoNames() throws {
    var model = try SmallModel()
    model.add("embeddings.LayerNorm.gamma", [4])
    try model.expectError(.malformed, ["embeddings.LayerNorm.gamma", "same tensor"])
  }

  @Test func rejectsTwoEncoders() throws {
    var model = try SmallModel(prefix: "bert.")
    model.tensors += try SmallModel(prefix: "other.").tensors
    try model.expectError(.malformed, ["2 encoders", "'bert.', 'other.'"])
  }

  @Test func dropsATiedDecoderOnlyWhenItIsTheWordEmbeddings() throws {
    var model = try SmallModel(prefix: "bert.")
    model.config["architectures"] = ["BertForMaskedLM"]
    model.addMaskedWords()
    #expect(try model.read().tensors.contains { $0.name == "head.mlm.decoder.bias" })

    let words = model.tensors[0].values
    model.add("cls.predictions.decoder.weight", [5, 4], words)
    let tied = try model.read()
    #expect(!tied.tensors.contains { $0.name == "head.mlm.decoder.weight" })
    #expect(tied.report.ignored.map(\.name) == ["cls.predictions.decoder.weight"])

    model.tensors[model.tensors.count - 1].values[7] += 1
    let untied = try model.read()
    #expect(try untied.readTensor("head.mlm.decoder.weight")[7] == words[7] + 1)
    #expect(untied.report.notices.contains { $0.contains("differs from the word embeddings") })

    model.remove("cls.predictions.decoder.weight")
    model.config["tie_word_embeddings"] = false
    try model.expectError(.malformed, ["'cls.predictions.decoder.weight'", "is missing"])
  }

  @Test func demandsTheHeadThatTheClassNames() throws {
    var model = try SmallModel(prefix: "bert.")
    model.config["architectures"] = ["BertForSequenceClassification"]
    try model.expectError(
      .malformed, ["classifier.weight", "bert.pooler.dense.weight", "4 problems"])
    model.addLinear("bert.pooler.dense", 4, 4)
    model.addLinear("classifier", 3, 4)
    #expect(try model.read().description.labels == ["LABEL_0", "LABEL_1", "LABEL_2"])
    model.config["id2label"] = ["0": "no", "1": "yes"]
    try model.expectError(.malformed, ["[3, 4]", "labels in id2label = 2"])
  }

  @Test func takesTheTaskFromTheTensorsWhenNoClassIsNamed() throws {
    var model = try SmallModel(prefix: "bert.")
    model.config["architectures"] = nil
    model.config["model_type"] = nil
    model.addLinear("qa_outputs", 2, 4)
    let imported = try model.read()
    #expect(imported.description.task == .answer && imported.heads == [.answer])
  }

  @Test func refusesACheckpointOfAnotherArchitecture() throws {
    var model = try SmallModel()
    model.tensors = [("h.0.attn.bias", [1], [0]), ("wte.weight", [2, 2], [0, 0, 0, 0])]
    try model.expectError(
      .malformed, ["h.0.attn.bias", "wte.weight", "embeddings.word_embeddings.weight' is missing"])
  }
}
