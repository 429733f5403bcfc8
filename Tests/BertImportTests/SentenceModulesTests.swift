import BertErrors
import BertImport
import BertModel
import Fixtures
import FoundationEssentials
import JSONText
import Testing

/// What lies beside a sentence model, as its library writes it.
struct SentenceModulesTests {
  static func modules(_ list: [(type: String, path: String)]) -> JSON {
    .array(
      list.enumerated().map { index, module in
        [
          "idx": .integer(index), "name": .string("\(index)"), "path": .string(module.path),
          "type": .string("sentence_transformers.models." + module.type),
        ]
      })
  }

  static func model(
    _ list: [(type: String, path: String)], pooling: JSON = ["pooling_mode_mean_tokens": true]
  ) throws -> SmallModel {
    let model = try SmallModel()
    try model.folder.write("modules.json", modules(list).text())
    try model.folder.write("1_Pooling/config.json", pooling.text())
    return model
  }

  static let transformer = (type: "Transformer", path: "")
  static let pooling = (type: "Pooling", path: "1_Pooling")

  static let poolings: [(JSON, [Pooling])] = [
    (["pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true], [.cls, .mean]),
    (["pooling_mode": ["mean", "cls"], "embedding_dimension": 4], [.mean, .cls]),
    (["pooling_mode": "lasttoken", "pooling_mode_mean_tokens": true], [.lastToken]),
    (
      [
        "pooling_mode_lasttoken": true, "pooling_mode_weightedmean_tokens": true,
        "pooling_mode_mean_sqrt_len_tokens": true, "pooling_mode_max_tokens": true,
      ], [.max, .meanSqrtLength, .weightedMean, .lastToken]
    ), (["word_embedding_dimension": 4], [.mean]),
  ]

  @Test(arguments: poolings)
  func readsEveryWayToNamePoolings(file: JSON, poolings: [Pooling]) throws {
    let model = try Self.model([Self.transformer, Self.pooling], pooling: file)
    let recipe = try model.read().description.embedding
    #expect(recipe.poolings == poolings)
    #expect(recipe.width(hiddenSize: 4) == 4 * poolings.count)
  }

  static let wrong: [(JSON, BertError.Code, String)] = [
    (["pooling_mode_cls_token": 1], .malformed, "pooling_mode_cls_token is an integer"),
    (["word_embedding_dimension": "x"], .malformed, "word_embedding_dimension"),
    (["pooling_mode": ["median"]], .unsupported, "median"),
    (["pooling_mode_median_tokens": true], .unsupported, "pooling_mode_median_tokens"),
    (["include_prompt": "no"], .malformed, "include_prompt"),
  ]

  @Test(arguments: wrong)
  func refusesPoolingsThatItDoesNotKnow(file: JSON, code: BertError.Code, word: String) throws {
    let model = try Self.model([Self.transformer, Self.pooling], pooling: file)
    try model.expectError(code, [word, "1_Pooling/config.json"])
  }

  /// all-mpnet-base-v2 names the class that it was trained from, without that class's head.
  @Test func modulesNeedNoHeadThatTheClassNames() throws {
    for name in ["BertForMaskedLM", "BertForSequenceClassification"] {
      var model = try Self.model([Self.transformer, Self.pooling])
      model.config["architectures"] = [.string(name)]
      let imported = try model.read()
      #expect(imported.description.task == .embedding && imported.heads.isEmpty)
      #expect(imported.report.notices.contains { $0.contains(name) && $0.contains("no head") })
      try FileManager.default.removeItem(atPath: model.folder.path + "/modules.json")
      try model.expectError(.malformed, ["is missing"])
    }
  }

  @Test func readsDenseModulesAndPassesDropoutOver() throws {
    let model = try Self.model([
      Self.transformer, (type: "Pooling", path: "1_Pooling/"), (type: "Dropout", path: "2_Dropout"),
      (type: "Dense", path: "3_Dense"), (type: "Normalize", path: "4_Normalize"),
    ])
    let config: JSON = [
      "in_features": 4, "out_features": 3, "bias": false,
      "activation_function": "torch.nn.modules.activation.Tanh",
    ]
    let values = (0..<12).map { Float($0) }
    try model.folder.write("3_Dense/config.json", config.text())
    try model.folder.write(
      "3_Dense/model.safetensors", safetensors([("linear.weight", [3, 4], values)]))
    let imported = try model.read()
    #expect(
      imported.description.embedding.modules == [.dense(outputs: 3, .tanh), .normalize])
    #expect(try imported.readTensor("module.0.weight") == values)
    #expect(try imported.readTensor("module.0.bias") == [0, 0, 0])
    #expect(imported.files.contains { $0.hasSuffix("3_Dense/model.safetensors") })
  }

  @Test func readsDenseModulesOfPyTorch() throws {
    let model = try Self.model([
      Self.transformer, Self.pooling, (type: "Dense", path: "2_Dense"),
    ])
    let (weight, bias) = ((0..<12).map { Float($0) / 8 }, [1, 2, 3] as [Float])
    let pickle = PickleAssembler().raw("}")
      .text("linear.weight").tensor("0", count: 12, [3, 4], [4, 1]).raw("s")
      .text("linear.bias").tensor("1", count: 3, [3], [1]).raw("s.")
    try model.folder.write("2_Dense/config.json", "{\"in_features\":4,\"out_features\":3}")
    try model.folder.write(
      "2_Dense/pytorch_model.bin", torchArchive(pickle.bytes, [("0", weight), ("1", bias)]))
    let imported = try model.read()
    #expect(imported.description.embedding.modules == [.dense(outputs: 3, .tanh)])
    #expect(try imported.readTensor("module.0.weight") == weight)
    #expect(try imported.readTensor("module.0.bias") == bias)
  }

  @Test func readsPromptsAndDimensions() throws {
    let model = try Self.model([Self.transformer, Self.pooling])
    let file: JSON = [
      "prompts": ["query": "query: ", "document": ""], "default_prompt_name": "query",
      "truncate_dim": 2, "similarity_fn_name": "cosine",
    ]
    try model.folder.write("config_sentence_transformers.json", file.text())
    let imported = try model.read()
    #expect(imported.description.defaultPromptText == "query: ")
    #expect(imported.description.prompts.map(\.name) == ["query", "document"])
    #expect(imported.description.embedding.dimensions == 2)
    #expect(imported.report.notices.contains { $0.contains("\"query: \"") })
  }

  @Test(arguments: [
    ("{\"prompts\":{},\"default_prompt_name\":\"x\"}", "default_prompt_name"),
    ("{\"truncate_dim\":0}", "truncate_dim"), ("{\"prompts\":[]}", "prompts"),
    ("{\"truncate_dim\":9}", "config_sentence_transformers.json"),
  ])
  func refusesSettingsThatMakeNoSense(file: String, word: String) throws {
    let model = try Self.model([Self.transformer, Self.pooling])
    try model.folder.write("config_sentence_transformers.json", file)
    try model.expectError(.malformed, [word])
  }

  @Test func refusesAMostNumberOfWeights() throws {
    let model = try Self.model([Self.transformer, Self.pooling])
    try model.folder.write("config_sentence_transformers.json", #"{"max_active_dims":null}"#)
    _ = try model.read()
    try model.folder.write("config_sentence_transformers.json", #"{"max_active_dims":5}"#)
    try model.expectError(.unsupported, ["max_active_dims is 5"])
  }

  /// Another first module has no checkpoint, so that it is named before one is looked for.
  @Test(arguments: ["Router", "StaticEmbedding", "BoW", "CLIPModel"])
  func namesAFirstModuleThatIsNoTransformer(_ name: String) throws {
    let folder = try TemporaryFolder()
    let module: JSON = [
      "idx": 0, "name": "0", "path": "", "type": .string("sentence_transformers.models." + name),
    ]
    try folder.write("modules.json", JSON.array([module]).text())
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: folder.path) }
    #expect(error?.code == .unsupported && error?.message.contains(name) == true)
    #expect(error?.file?.hasSuffix("modules.json") == true)
  }

  @Test(arguments: [
    ("torch.nn.modules.linear.Identity", OutputActivation.identity),
    ("torch.nn.modules.activation.Sigmoid", .sigmoid),
  ])
  func keepsTheActivationOfACrossEncoder(name: String, activation: OutputActivation) throws {
    var model = try SmallModel(prefix: "bert.")
    model.addLinear("bert.pooler.dense", 4, 4)
    model.addLinear("classifier", 1, 4)
    model.config["architectures"] = ["BertForSequenceClassification"]
    model.config["id2label"] = ["0": "LABEL_0"]
    model.config["sentence_transformers"] = ["activation_fn": .string(name)]
    try model.folder.write("modules.json", Self.modules([Self.transformer]).text())
    let description = try model.read().description
    #expect(description.task == .classify && description.labels == ["LABEL_0"])
    #expect(description.head?.scoreActivation == activation)
  }

  @Test func refusesAListWithoutAModule() throws {
    let model = try Self.model([])
    try model.expectError(.malformed, ["modules.json", "no module"])
  }

  static let splades: [(JSON, SparseWeight, Bool)] = [
    ([:], .log1pRelu, false),
    (["pooling_strategy": "max", "activation_function": "relu"], .log1pRelu, false),
    (
      [
        "pooling_strategy": "sum", "activation_function": "log1p_relu", "embedding_dimension": nil,
      ], .log1pLog1pRelu, true
    ),
  ]

  /// A model with a masked-word head whose logits become weights of words.
  private func sparse(_ file: JSON, _ first: String = "MLMTransformer") throws -> SmallModel {
    var model = try SmallModel(prefix: "bert.")
    model.addMaskedWords()
    model.config["architectures"] = ["BertForMaskedLM"]
    let list = [(type: first, path: ""), (type: "SpladePooling", path: "1_SpladePooling")]
    try model.folder.write("modules.json", Self.modules(list).text())
    try model.folder.write("1_SpladePooling/config.json", file.text())
    return model
  }

  @Test(arguments: splades)
  func readsHowAModelWeighsWords(file: JSON, weight: SparseWeight, sums: Bool) throws {
    for first in ["MLMTransformer", "Transformer"] {
      let description = try sparse(file, first).read().description
      #expect(description.task == .sparse)
      #expect(description.head?.sparseWeight == weight)
      #expect(description.head?.sumsSparseWeights == sums)
    }
  }

  @Test func refusesWaysToWeighThatItDoesNotKnow() throws {
    try sparse(["pooling_strategy": "mean"]).expectError(
      .unsupported, ["pooling_strategy", "mean"])
    try sparse(["activation_function": "elu"]).expectError(.unsupported, ["elu"])
    let headless = try Self.model([
      Self.transformer, (type: "SpladePooling", path: "1_SpladePooling"),
    ])
    try headless.folder.write("1_SpladePooling/config.json", "{}")
    try headless.expectError(.unsupported, ["no head"])
    // Logits are no vectors to be pooled.
    let pooled = try Self.model([(type: "MLMTransformer", path: ""), Self.pooling])
    try pooled.expectError(.unsupported, ["Pooling"])
  }
}
