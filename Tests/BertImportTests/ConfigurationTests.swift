import BertErrors
import BertImport
import BertModel
import Fixtures
import JSONText
import Testing

@Suite struct ConfigurationTests {
  static let unsupported: [(String, JSON, [String])] = [
    ("model_type", "roformer", ["model_type", "'roformer'", "roberta"]),
    ("model_type", "xlm-roberta-xl", ["'xlm-roberta-xl'"]),
    ("position_embedding_type", "relative_key", ["position_embedding_type", "relative_key"]),
    ("is_decoder", true, ["is_decoder", "true"]),
    ("add_cross_attention", true, ["add_cross_attention"]),
    ("hidden_act", "silu", ["hidden_act", "\"silu\""]),
    ("pruned_heads", ["0": [1]], ["pruned_heads"]),
    ("quantization_config", ["bits": 8], ["quantization_config"]),
    ("embedding_size", 2, ["embedding_size"]),
    ("architectures", ["BertLMHeadModel"], ["BertLMHeadModel"]),
    ("word_tokenizer_type", "mecab", ["word_tokenizer_type", "mecab"]),
    ("tokenizer_class", "BertJapaneseTokenizer", ["BertJapaneseTokenizer"]),
  ]

  @Test(arguments: unsupported)
  func namesTheFeatureThatIsNotSupported(key: String, value: JSON, words: [String]) throws {
    var model = try SmallModel()
    model.config[key] = value
    try model.expectError(.unsupported, words + ["config.json"])
  }

  static let malformed: [(String, JSON?, [String])] = [
    ("hidden_size", nil, ["hidden_size is missing"]), ("vocab_size", "5", ["vocab_size", "\"5\""]),
    ("hidden_size", 0, ["hidden_size is 0"]), ("num_attention_heads", 3, ["multiple"]),
    ("hidden_size", 4.0, ["hidden_size", "4.0"]), ("layer_norm_eps", "x", ["layer_norm_eps"]),
    ("layer_norm_eps", -1, ["layer_norm_eps"]), ("num_hidden_layers", -1, ["num_hidden_layers"]),
    ("is_decoder", 1, ["is_decoder is an integer"]), ("model_type", 5, ["model_type"]),
    ("model_type", .null, ["model_type is null"]),
    ("add_cross_attention", "x", ["add_cross_attention"]),
    ("architectures", "x", ["architectures"]),
  ]

  @Test(arguments: malformed)
  func saysWhatIsWrongWithAValue(key: String, value: JSON?, words: [String]) throws {
    var model = try SmallModel()
    model.config[key] = value
    try model.expectError(.malformed, words + ["config.json"])
  }

  @Test func refusesAProblemThatIsNotKnown() throws {
    var model = try SmallModel()
    for type in ["foo", ""] {
      model.config["problem_type"] = .string(type)
      try model.expectError(
        .unsupported, ["config.json", "problem_type is '\(type)'", "regression"])
    }
    for type: JSON in ["regression", "single_label_classification", nil] {
      model.config["problem_type"] = type
      _ = try model.read()
    }
  }

  @Test func refusesOtherFamiliesEvenWithoutAModelType() throws {
    var model = try SmallModel()
    model.config["model_type"] = nil
    model.config["architectures"] = ["DebertaModel"]
    try model.expectError(.unsupported, ["DebertaModel"])
  }

  @Test func takesTheNumberOfHeadsFromWhoConvertsWhereNoFileSaysIt() throws {
    var model = try SmallModel()
    let expected = try model.read()
    #expect(
      try ModelImport.read(input: model.folder.path, heads: 2).description == expected.description)
    let other = #expect(throws: BertError.self) {
      try ModelImport.read(input: model.folder.path, heads: 4)
    }
    #expect(other?.code == .usage && other?.message.contains("num_attention_heads is 2") == true)
    model.config["num_attention_heads"] = nil
    try model.expectError(.malformed, ["num_attention_heads is missing"])
    let found = try ModelImport.read(input: model.folder.path, heads: 2)
    #expect(found.description == expected.description)
    let heads = try found.settings().first { $0.name == "num_attention_heads" }
    #expect(heads?.value == 2 && heads?.json["from"] == "asked for")
  }

  @Test(arguments: ["", "bert.", "model.bert."])
  func takesSizesFromTensorsWhereThereIsNoConfigurationAtAll(prefix: String) throws {
    let model = try SmallModel(prefix: prefix)
    let expected = try model.read()
    let folder = try TemporaryFolder()
    try folder.write("vocab.txt", model.vocabulary)
    let path = try folder.write("model.safetensors", safetensors(model.tensors))
    let absent = #expect(throws: BertError.self) { try ModelImport.read(input: folder.path) }
    #expect(absent?.code == .notFound && absent?.remedy == .nameConfiguration)
    for input in [folder.path, path] {
      let found = try ModelImport.read(input: input, heads: 2)
      #expect(found.description.configuration == expected.description.configuration)
      #expect(found.tensors == expected.tensors && found.vocabulary.count == 5)
      #expect(found.report.notices.contains { $0.contains("gelu and layer_norm_eps 1e-12") })
    }
    let uneven = #expect(throws: BertError.self) {
      try ModelImport.read(input: folder.path, heads: 3)
    }
    #expect(uneven?.code == .malformed && uneven?.message.contains("multiple") == true)
  }

  @Test func assumesNothingOfARelativeWithoutAConfiguration() throws {
    let folder = try TemporaryFolder()
    func expectRefusal(_ model: SmallModel, _ word: String) throws {
      let path = try folder.write("model.safetensors", safetensors(model.tensors))
      let error = #expect(throws: BertError.self) { try ModelImport.read(input: path, heads: 2) }
      #expect(error?.code == .notFound && error?.message.contains(word) == true)
    }
    try expectRefusal(try SmallModel(prefix: "roberta."), "a relative")
    var model = try SmallModel()
    model.tensors[model.position("embeddings.token_type_embeddings.weight")] = (
      "embeddings.token_type_embeddings.weight", [1, 4], [0, 1, 2, 3]
    )
    try expectRefusal(model, "a relative")
    model.remove("embeddings.token_type_embeddings.weight")
    try expectRefusal(model, "not those of BERT")
    // A layer's number that no count has room for.
    var hostile = try SmallModel()
    hostile.add("encoder.layer.9223372036854775807.output.dense.weight", [4, 6])
    let path = try folder.write("model.safetensors", safetensors(hostile.tensors))
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: path, heads: 2) }
    #expect(error?.code == .malformed && error?.message.contains("9223372036854775807") == true)
  }

  @Test(arguments: [
    ("gelu", Activation.gelu), ("gelu_new", .geluTanh), ("gelu_pytorch_tanh", .geluTanh),
    ("relu", .relu),
  ])
  func knowsTheNonlinearities(name: String, activation: Activation) throws {
    var model = try SmallModel()
    model.config["hidden_act"] = .string(name)
    #expect(try model.read().description.configuration.activation == activation)
  }

  @Test func mentionsKeysItDoesNotKnow() throws {
    var model = try SmallModel()
    model.config["window_size"] = 3
    #expect(try model.read().report.notices.contains { $0.contains("window_size") })
  }

  @Test func findsTheConfigurationWhereTheUserSays() throws {
    let model = try SmallModel()
    let folder = try TemporaryFolder()
    let checkpoint = try folder.write("deep/below/m.safetensors", safetensors(model.tensors))
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: checkpoint) }
    #expect(error?.code == .notFound && error?.remedy == .nameConfiguration)
    let config = try folder.write("c.json", JSON.object(model.config).text())
    let bare = try ModelImport.read(input: checkpoint, config: config)
    #expect(bare.vocabulary.isEmpty && bare.description.tokenizer == nil)
    let words = try folder.write("words.txt", model.vocabulary)
    let full = try ModelImport.read(input: checkpoint, config: config, vocabulary: words)
    #expect(full.vocabulary.count == 5)
    let absent = #expect(throws: BertError.self) {
      try ModelImport.read(input: checkpoint, config: folder.path + "/none.json")
    }
    #expect(absent?.code == .notFound)
  }

  static let poolings: [(JSON, [Pooling])] = [
    (["pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false], [.mean]),
    (["pooling_mode_mean_tokens": false, "pooling_mode_cls_token": true], [.cls]),
    (["pooling_mode": "cls"], [.cls]), (["pooling_mode_max_tokens": true], [.max]),
    (["pooling_mode_mean_sqrt_len_tokens": true], [.meanSqrtLength]),
    (["pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true], [.max, .mean]),
    (["pooling_mode": ["cls", "mean"]], [.cls, .mean]),
    (["pooling_mode_of_tomorrow": true], []), (["pooling_mode": "of_tomorrow"], []),
  ]

  @Test(arguments: poolings)
  func readsThePublishedPooling(file: JSON, pooling: [Pooling]) throws {
    let model = try SmallModel()
    try model.folder.write("pool/config.json", file.text())
    let modules: JSON = [
      ["idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"],
      ["idx": 1, "path": "pool", "type": "sentence_transformers.models.Pooling"],
      ["idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"],
    ]
    try model.folder.write("modules.json", modules.text())
    if !pooling.isEmpty {
      let description = try model.read().description
      #expect(description.embedding.poolings == pooling && description.embedding.normalizes)
      #expect(description.embeddingIsPublished && description.task == .embedding)
    } else {
      try model.expectError(.unsupported, ["of_tomorrow", "pool/config.json"])
    }
  }

  @Test(arguments: [
    ("LSTM", "3_LSTM", "LSTM", BertError.Code.unsupported),
    ("Dense", "3_Dense", "no such file", .notFound),
    ("Pooling", "../x", "leaves the folder", .malformed),
    ("Pooling", "absent", "no such file", .notFound),
  ])
  func refusesOtherModules(type: String, path: String, word: String, code: BertError.Code) throws {
    let model = try SmallModel()
    let modules: JSON = [
      ["path": "", "type": "x.Transformer"], ["path": .string(path), "type": .string("x." + type)],
    ]
    try model.folder.write("modules.json", modules.text())
    try model.expectError(code, [word])
  }

  @Test func findsATransformerInAFolderOfItsOwn() throws {
    let model = try SmallModel()
    let folder = try TemporaryFolder()
    let modules: JSON = [
      ["path": "0_Transformer", "type": "x.Transformer"], ["path": "1_P", "type": "x.Pooling"],
    ]
    try folder.write("modules.json", modules.text())
    try folder.write("1_P/config.json", "{\"pooling_mode_cls_token\":true}")
    try folder.write("0_Transformer/model.safetensors", safetensors(model.tensors))
    try folder.write("0_Transformer/config.json", JSON.object(model.config).text())
    for input in [folder.path, folder.path + "/0_Transformer"] {
      #expect(try ModelImport.read(input: input).description.embedding.poolings == [.cls])
    }
  }
}
