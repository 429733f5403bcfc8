import BertErrors
import BertImport
import BertModel
import Fixtures
import JSONText
import SystemLibrary
import Testing

/// What families have otherwise than BERT is settled while a checkpoint is read.
@Suite struct FamilyTests {
  /// The small model under a family's names; `rename` is asked for each of BERT's.
  private func model(
    _ config: JSONObject, _ rename: (String) -> String, drops: [String] = []
  ) throws -> SmallModel {
    var model = try SmallModel()
    for (key, value) in config { model.config[key] = value }
    for name in drops { model.remove(name) }
    for place in model.tensors.indices {
      model.tensors[place].name = rename(model.tensors[place].name)
    }
    return model
  }

  @Test func robertaLosesTheRowsOfPositionsBeforeItsFirst() throws {
    var model = try model(
      [
        "model_type": "roberta", "architectures": ["RobertaForSequenceClassification"],
        "pad_token_id": 1, "layer_norm_eps": 1e-5, "id2label": ["0": "no", "1": "yes"],
      ], { "roberta." + $0 })
    model.addLinear("classifier.dense", 4, 4)
    model.addLinear("classifier.out_proj", 2, 4)
    let rows = model.tensors[model.position("roberta.embeddings.position_embeddings.weight")].values
    model.vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
    let path = try model.write()
    let imported = try ModelImport.read(input: path, idsOnly: true)
    #expect(imported.description.configuration.maximumPositions == 6)
    #expect(try imported.readTensor("embeddings.position") == Array(rows.dropFirst(8)))
    #expect(imported.description.head?.denseActivation == .tanh)
    #expect(imported.description.head?.input == .cls && imported.description.task == .classify)
    #expect(imported.description.labels == ["no", "yes"])
    let names = imported.tensors.map(\.name)
    #expect(
      names.contains("head.classifier.dense.weight") && names.contains("head.classifier.bias"))
    // A vocab.txt alone says nothing of how such a model finds words.
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: path) }
    #expect(error?.code == .unsupported && error?.remedy == .convertForIDs)
  }

  private static let distilNames = [
    ("encoder.layer", "transformer.layer"), ("attention.self.query", "attention.q_lin"),
    ("attention.self.key", "attention.k_lin"), ("attention.self.value", "attention.v_lin"),
    ("attention.output.dense", "attention.out_lin"),
    ("attention.output.LayerNorm", "sa_layer_norm"), ("intermediate.dense", "ffn.lin1"),
    ("output.dense", "ffn.lin2"), ("output.LayerNorm", "output_layer_norm"),
  ]

  @Test func distilBertHasNoTokenTypesAndPairsOfOneType() throws {
    let model = try model(
      [
        "model_type": "distilbert", "architectures": ["DistilBertModel"], "dim": 4, "n_layers": 1,
        "n_heads": 2, "hidden_dim": 6, "activation": "relu",
      ],
      { name in
        for (bert, _) in Self.distilNames where name.contains(bert) {
          return Self.distilNames.reduce(name) { $0.replacing($1.0, with: $1.1) }
        }
        return name
      }, drops: ["embeddings.token_type_embeddings.weight"])
    let imported = try model.read()
    #expect(imported.description.configuration.tokenTypeCount == 1)
    #expect(imported.description.configuration.activation == .relu)
    #expect(try imported.readTensor("embeddings.token_type") == [0, 0, 0, 0])
    #expect(imported.description.tokenizer?.pair.map(\.tokenType) == [0, 0, 0, 0, 0])
    #expect(imported.report.unknown.isEmpty && imported.report.missing.isEmpty)
  }

  /// The reference's bucket.
  ///
  /// Of one distance up to 7, then eight up to 128 by its logarithm; keys behind the query
  /// have another 16. In integers: n ≥ 8 · 16^(k / 8) where n² ≥ 64 · 2^k.
  private func bucket(_ distance: Int) -> Int {
    let n = abs(distance)
    let near = n < 8 ? n : 8 + (1...7).count { n * n >= 64 << $0 }
    return distance > 0 ? near + 16 : near
  }

  @Test func mpnetsBucketsBecomeABiasForEveryDistance() throws {
    var model = try model(
      [
        "model_type": "mpnet", "architectures": ["MPNetModel"], "pad_token_id": 7,
        "relative_attention_num_buckets": 32,
      ],
      { name in
        let names = [
          ("attention.self.query", "attention.attn.q"), ("attention.self.key", "attention.attn.k"),
          ("attention.self.value", "attention.attn.v"),
          ("attention.output.dense", "attention.attn.o"),
          ("attention.output.LayerNorm", "attention.LayerNorm"),
        ]
        return "mpnet." + names.reduce(name) { $0.replacing($1.0, with: $1.1) }
      }, drops: ["embeddings.token_type_embeddings.weight"])
    model.add(
      "mpnet.encoder.relative_attention_bias.weight", [32, 2], (0..<64).map { Float($0) })
    let imported = try ModelImport.read(input: try model.write(), idsOnly: true)
    let c = imported.description.configuration
    // Positions begin at 2 whatever the padding's id.
    #expect(c.maximumPositions == 6 && c.tokenTypeCount == 1)
    let span = try #require(c.biasSpan)
    let table = try imported.readTensor("attention.bias")
    #expect(table.count == 2 * (2 * span + 1))
    for head in 0..<2 {
      for distance in -200...200 {
        let place = head * (2 * span + 1) + min(max(distance, -span), span) + span
        #expect(table[place] == Float(2 * bucket(distance) + head), "\(distance)")
      }
    }
    let bias = imported.tensors.first { $0.name == "attention.bias" }
    #expect(bias?.shape == [2, 2 * span + 1])
    #expect(imported.report.unknown.isEmpty && imported.report.missing.isEmpty)
    // Without its table it is not the model that was published.
    model.remove("mpnet.encoder.relative_attention_bias.weight")
    let path = try model.write()
    let error = #expect(throws: BertError.self) {
      try ModelImport.read(input: path, idsOnly: true)
    }
    #expect(error?.code == .malformed)
    #expect(error?.description.contains("relative_attention_bias.weight") == true)
  }

  /// Neither linear of Nomic's masked-word head has a bias; where one has, so has the other.
  @Test func nomicsMaskedWordsMayLackBiases() throws {
    var model = try SmallModel()
    model.tensors = []
    let layer = "bert.encoder.layers.0."
    for (name, shape) in [
      ("bert.embeddings.word_embeddings", [5, 4]),
      ("bert.embeddings.token_type_embeddings", [2, 4]),
      (layer + "attn.Wqkv", [12, 4]), (layer + "attn.out_proj", [4, 4]),
      (layer + "mlp.fc11", [6, 4]), (layer + "mlp.fc12", [6, 4]), (layer + "mlp.fc2", [4, 6]),
      ("cls.predictions.transform.dense", [4, 4]),
    ] {
      model.add(name + ".weight", shape)
    }
    for name in [
      "bert.emb_ln", layer + "norm1", layer + "norm2", "cls.predictions.transform.layer_norm",
    ] {
      model.add(name + ".weight", [4])
      model.add(name + ".bias", [4])
    }
    model.config = [
      "model_type": "nomic_bert", "architectures": ["NomicBertForPreTraining"], "vocab_size": 5,
      "n_embd": 4, "n_layer": 1, "n_head": 2, "n_inner": 6, "n_positions": 8, "type_vocab_size": 2,
      "activation_function": "swiglu", "layer_norm_epsilon": 1e-12,
    ]
    let imported = try model.read()
    #expect(imported.heads == [.maskedWords] && imported.description.task == .fillMask)
    #expect(try imported.readTensor("head.mlm.transform.bias") == [0, 0, 0, 0])
    #expect(try imported.readTensor("head.mlm.decoder.bias") == [0, 0, 0, 0, 0])
    model.add("cls.predictions.decoder.bias", [5])
    try model.expectError(.malformed, ["cls.predictions.transform.dense.bias"])
  }

  @Test func albertsLayersNameOneLayersTensors() throws {
    var model = try SmallModel()
    for name in [
      "word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight",
    ] {
      let place = model.position("embeddings." + name)
      let rows = model.tensors[place].shape[0]
      model.tensors[place] = (
        "embeddings." + name, [rows, 3], (0..<3 * rows).map { Float($0) }
      )
    }
    for part in ["weight", "bias"] {
      let name = "embeddings.LayerNorm." + part
      model.tensors[model.position(name)] = (name, [3], [1, 2, 3])
    }
    model.addLinear("encoder.embedding_hidden_mapping_in", 4, 3)
    model.addLinear("pooler", 4, 4)
    let names = [
      ("layer.0.attention.self", "layer.0.attention"), ("attention.output", "attention"),
      ("intermediate.dense", "ffn"), ("0.output.dense", "0.ffn_output"),
      ("0.output.LayerNorm", "0.full_layer_layer_norm"),
      ("layer.0", "albert_layer_groups.0.albert_layers.0"),
    ]
    for place in model.tensors.indices {
      let name = names.reduce(model.tensors[place].name) { $0.replacing($1.0, with: $1.1) }
      model.tensors[place].name = "albert." + name
    }
    for (key, value): (String, JSON) in [
      ("model_type", "albert"), ("architectures", ["AlbertModel"]), ("embedding_size", 3),
      ("num_hidden_layers", 5), ("num_hidden_groups", 1), ("inner_group_num", 1),
    ] { model.config[key] = value }
    let imported = try ModelImport.read(input: model.write(), idsOnly: true)
    let c = imported.description.configuration
    #expect(c.layerCount == 5 && c.storedLayers == 1 && c.embeddingSize == 3)
    #expect(imported.report.unknown.isEmpty && imported.report.missing.isEmpty)
    let stored = imported.tensors.map(\.name)
    #expect(stored.contains("layer.0.feed_forward.down.bias"))
    #expect(!stored.contains { $0.hasPrefix("layer.1.") })
    let projection = imported.tensors.first { $0.name == "embeddings.projection.weight" }
    #expect(projection?.shape == [4, 3] && imported.hasPooler)
  }

  /// The small model without positions, its first linear of the feed-forward block twice as high.
  private func gated(_ config: JSONObject, _ rename: (String) -> String) throws -> SmallModel {
    var model = try model(config, { $0 }, drops: ["embeddings.position_embeddings.weight"])
    let stem = "encoder.layer.0.intermediate.dense."
    model.remove(stem + "bias")
    model.tensors[model.position(stem + "weight")] = (
      stem + "weight", [12, 4], (0..<48).map { Float($0) }
    )
    for place in model.tensors.indices {
      model.tensors[place].name = rename(model.tensors[place].name)
    }
    return model
  }

  @Test func slopesBecomeABiasForEveryDistance() throws {
    let model = try gated(
      [
        "model_type": "bert", "architectures": ["JinaBertModel"],
        "position_embedding_type": "alibi", "feed_forward_type": "geglu",
      ],
      {
        $0.replacing("intermediate.dense", with: "mlp.gated_layers").replacing(
          "0.output.dense", with: "0.mlp.wo"
        ).replacing("0.output.LayerNorm", with: "0.mlp.layernorm")
      })
    let imported = try model.read()
    let c = imported.description.configuration
    #expect(c.lacksPositions && c.gatesFeedForward && c.biasSpan == 7 && c.rotarySize == nil)
    let table = try imported.readTensor("attention.bias")
    // Two heads: 1/16 and 1/256.
    #expect(table.count == 30 && table[7] == 0 && table[5] == -2 / 16.0 && table[14] == -7 / 16.0)
    #expect(table[22] == 0 && table[15] == -7 / 256.0)
    #expect(try imported.readTensor("layer.0.feed_forward.up.bias").allSatisfy { $0 == 0 })
    #expect(
      try imported.readTensor("layer.0.feed_forward.up.weight") == (0..<48).map { Float($0) })
    #expect(imported.report.unknown.isEmpty && imported.report.missing.isEmpty)
  }

  @Test func theHalvesOfAGateAreInOneOrderAndAnglesAreTables() throws {
    var model = try gated(
      [
        "model_type": "new", "architectures": ["NewModel"], "rope_theta": 100,
        "position_embedding_type": "rope", "type_vocab_size": 0,
        "rope_scaling": ["type": "ntk", "factor": 4.0],
      ],
      { name in
        [
          ("attention.output.dense", "attention.o_proj"),
          ("attention.output.LayerNorm", "attn_ln"), ("0.output.dense", "0.mlp.down_proj"),
          ("0.output.LayerNorm", "0.mlp_ln"), ("intermediate.dense", "mlp.up_gate_proj"),
        ].reduce(name) { $0.replacing($1.0, with: $1.1) }
      })
    model.config["num_attention_heads"] = 1
    model.remove("embeddings.token_type_embeddings.weight")
    for part in ["query", "key", "value"] {
      for end in [".weight", ".bias"] {
        model.remove("encoder.layer.0.attention.self." + part + end)
      }
    }
    model.addLinear("encoder.layer.0.attention.qkv_proj", 12, 4)
    let imported = try ModelImport.read(input: model.write(), idsOnly: true)
    let c = imported.description.configuration
    #expect(c.lacksPositions && c.gatesFeedForward && c.rotarySize == 4 && c.tokenTypeCount == 1)
    #expect(
      try imported.readTensor("layer.0.feed_forward.up.weight")
        == (24..<48).map { Float($0) } + (0..<24).map { Float($0) })
    #expect(try imported.readTensor("embeddings.token_type") == [0, 0, 0, 0])
    // 1 and 1 / √400, both through 4 to the power of 2 / 4.
    let (cosines, sines) = (
      try imported.readTensor("attention.rotary.cos"),
      try imported.readTensor("attention.rotary.sin")
    )
    #expect(cosines.count == 16 && cosines[0] == 1 && sines[1] == 0)
    for position in 0..<8 {
      for (pair, step) in [0.5, 0.025].enumerated() {
        let (x, y) = (cosines[2 * position + pair], sines[2 * position + pair])
        #expect(abs(Double(x) - cos(Double(position) * step)) < 1e-6)
        #expect(abs(Double(y) - sin(Double(position) * step)) < 1e-6)
      }
    }
    #expect(imported.report.unknown.isEmpty && imported.report.missing.isEmpty)
  }

  /// Two layers of a ModernBERT with what it has before a head.
  private func modern(_ config: JSONObject, head: String) throws -> SmallModel {
    var model = try SmallModel()
    model.tensors = []
    model.add("model.embeddings.tok_embeddings.weight", [5, 4])
    model.add("model.embeddings.norm.weight", [4])
    for layer in ["model.layers.0.", "model.layers.1."] {
      if layer == "model.layers.1." { model.add(layer + "attn_norm.weight", [4]) }
      model.add(layer + "attn.Wqkv.weight", [12, 4])
      model.add(layer + "attn.Wo.weight", [4, 4])
      model.add(layer + "mlp_norm.weight", [4])
      model.add(layer + "mlp.Wi.weight", [12, 4])
      model.add(layer + "mlp.Wo.weight", [4, 6])
    }
    model.add("model.final_norm.weight", [4])
    model.add("head.dense.weight", [4, 4])
    model.add("head.norm.weight", [4])
    if head == "ForMaskedLM" {
      model.add("decoder.bias", [5])
    } else {
      model.addLinear("classifier", 2, 4)
    }
    model.config = [
      "model_type": "modernbert", "architectures": [.string("ModernBert" + head)], "vocab_size": 5,
      "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 1, "intermediate_size": 6,
      "max_position_embeddings": 8, "norm_eps": 1e-3, "hidden_activation": "gelu",
      "local_attention": 5,
    ]
    for (key, value) in config { model.config[key] = value }
    return model
  }

  private func read(_ model: SmallModel) throws -> ImportedModel {
    try withExtendedLifetime(model.folder) {
      try ModelImport.read(input: model.write(), idsOnly: true)
    }
  }

  @Test func modernBertsNormsAreBiaslessAndItsWindowsHaveAnglesOfTheirOwn() throws {
    let old: JSONObject = [
      "global_attn_every_n_layers": 3, "global_rope_theta": 100.0, "local_rope_theta": 25,
      "position_embedding_type": "absolute", "layer_norm_eps": 0.5,
    ]
    let new: JSONObject = [
      "layer_types": ["full_attention", "sliding_attention"],
      "rope_parameters": [
        "full_attention": ["rope_type": "default", "rope_theta": 100],
        "sliding_attention": ["rope_type": "default", "rope_theta": 25.0],
      ],
    ]
    var found: [BertConfiguration] = []
    for config in [old, new] {
      let model = try modern(config, head: "ForSequenceClassification")
      let imported = try read(model)
      #expect(imported.report.unknown.isEmpty && imported.report.missing.isEmpty)
      let c = imported.description.configuration
      found.append(c)
      #expect(c.window == AttentionWindow(reach: 2, wholeEvery: 2) && c.normalizesFirst)
      #expect(c.lacksPositions && c.gatesFeedForward && c.rotarySize == 4 && c.tokenTypeCount == 1)
      #expect(c.layerNormEpsilon == 1e-3)
      let names = imported.tensors.map(\.name)
      #expect(!names.contains("layer.0.attention.norm.weight"))
      for name in ["norm", "layer.1.attention.norm", "embeddings.norm", "head.classifier.norm"] {
        #expect(names.contains(name + ".weight"))
        #expect(try imported.readTensor(name + ".bias") == [0, 0, 0, 0], "\(name)")
      }
      for name in ["layer.0.attention.qkv", "layer.1.feed_forward.up"] {
        #expect(try imported.readTensor(name + ".bias") == [Float](repeating: 0, count: 12))
      }
      #expect(try imported.readTensor("head.classifier.dense.bias") == [0, 0, 0, 0])
      for (name, step) in [("cos", 0.1), ("window.cos", 0.2)] {
        let table = try imported.readTensor("attention.rotary." + name)
        #expect(table.count == 16)
        for position in 0..<8 {
          #expect(abs(Double(table[2 * position + 1]) - cos(Double(position) * step)) < 1e-6)
        }
      }
      let head = imported.description.head
      #expect(head?.denseActivation == .gelu && head?.input == .cls)
    }
    #expect(found[0] == found[1])
  }

  @Test func modernBertsHeadIsThatOfItsClass() throws {
    let words = try read(modern([:], head: "ForMaskedLM"))
    #expect(words.report.unknown.isEmpty && words.heads == [.maskedWords])
    #expect(words.description.head?.transformActivation == nil)
    #expect(try words.readTensor("head.mlm.transform.bias") == [0, 0, 0, 0])
    let names = words.tensors.map(\.name)
    #expect(names.contains("head.mlm.norm.weight") && names.contains("head.mlm.decoder.bias"))
    #expect(!names.contains { $0.hasPrefix("head.classifier") })
    let mean = try read(
      modern(["classifier_pooling": "mean"], head: "ForSequenceClassification"))
    #expect(mean.description.head?.input == .mean)
    let tags = try read(modern([:], head: "ForTokenClassification"))
    #expect(tags.description.task == .tag && tags.description.head?.denseActivation == .gelu)
    let answers = try read(modern([:], head: "ForQuestionAnswering"))
    #expect(answers.description.task == .answer && answers.heads == [.answer])
    #expect(answers.description.head?.denseActivation == .gelu)
    #expect(answers.tensors.contains { $0.name == "head.classifier.norm.weight" })
    let whole = try read(modern(["global_attn_every_n_layers": 1], head: "ForMaskedLM"))
    #expect(whole.description.configuration.window == nil)
    #expect(!whole.tensors.contains { $0.name.contains("window") })
    for (key, value): (String, JSON) in [
      ("decoder_bias", false), ("classifier_activation", "silu"), ("classifier_bias", true),
    ] {
      let model = try modern([key: value], head: "ForMaskedLM")
      let error = #expect(throws: BertError.self) { try read(model) }
      #expect(error?.code == .unsupported && error?.description.contains(key) == true)
      // They say nothing of a model without a head.
      var bare = model
      bare.config["architectures"] = ["ModernBertModel"]
      bare.tensors.removeAll { !$0.name.hasPrefix("model.") }
      #expect(try read(bare).heads.isEmpty)
    }
    for config: JSONObject in [
      [
        "global_attn_every_n_layers": 1,
        "layer_types": ["full_attention", "sliding_attention"],
      ],
      ["local_attention": 1], ["local_rope_theta": "far"], ["layer_types": ["full_attention"]],
      ["global_attn_every_n_layers": 0],
    ] {
      let model = try modern(config, head: "ForMaskedLM")
      let error = #expect(throws: BertError.self) { try read(model) }
      #expect(error?.code == .malformed, "\(config)")
    }
  }

  static let refused: [(JSONObject, [String])] = [
    (
      ["model_type": "modernbert", "layer_types": ["sliding_attention"]],
      ["layer_types is", "sliding"]
    ),
    (
      [
        "model_type": "modernbert", "num_hidden_layers": 4,
        "layer_types": [
          "full_attention", "sliding_attention", "full_attention", "full_attention",
        ],
      ], ["layer_types is"]
    ),
    (["model_type": "modernbert", "layer_types": ["chunked_attention"]], ["layer_types is"]),
    (["model_type": "modernbert", "norm_bias": true], ["norm_bias is true"]),
    (["model_type": "modernbert", "attention_bias": true], ["attention_bias is true"]),
    (["model_type": "modernbert", "mlp_bias": true], ["mlp_bias is true"]),
    (["model_type": "modernbert", "classifier_pooling": "max"], ["classifier_pooling is", "max"]),
    (["model_type": "modernbert", "sliding_window": 64], ["sliding_window is 64"]),
    (
      ["model_type": "modernbert", "rope_scaling": ["rope_type": "linear", "factor": 2]],
      ["rope_scaling is"]
    ),
    (
      ["model_type": "modernbert", "rope_parameters": ["rope_theta": 10000]],
      ["rope_parameters has", "rope_theta"]
    ),
    (
      [
        "model_type": "modernbert",
        "rope_parameters": ["full_attention": ["rope_type": "yarn", "rope_theta": 10]],
      ], ["rope_type is", "yarn"]
    ),
    (
      [
        "model_type": "modernbert",
        "rope_parameters": ["full_attention": ["rope_theta": 10, "factor": 2]],
      ], ["rope_parameters has", "factor"]
    ),
    (
      ["model_type": "mpnet", "relative_attention_num_buckets": 16],
      ["relative_attention_num_buckets is 16"]
    ),
    (["model_type": "bert", "embedding_size": 2], ["embedding_size is 2"]),
    (["model_type": "albert", "num_hidden_groups": 2], ["num_hidden_groups is 2"]),
    (["model_type": "albert", "inner_group_num": 2], ["inner_group_num is 2"]),
    (["model_type": "nomic_bert", "prenorm": true], ["prenorm is true"]),
    (["model_type": "nomic_bert", "rotary_scaling_factor": 2], ["rotary_scaling_factor is 2"]),
    (["model_type": "nomic_bert", "rotary_emb_fraction": 0.5], ["rotary_emb_fraction is 0.5"]),
    (["model_type": "nomic_bert", "moe_every_n_layers": 2], ["moe_every_n_layers is 2"]),
    (["model_type": "nomic_bert", "hidden_act": "swoosh"], ["hidden_act is"]),
    (
      ["model_type": "new", "rope_scaling": ["type": "dynamic", "factor": 2.0]],
      ["rope_scaling is", "dynamic"]
    ),
    (
      ["model_type": "new", "rope_scaling": ["type": "ntk", "factor": 2.0, "mixed_b": 0.5]],
      ["rope_scaling is", "mixed_b"]
    ),
    (["model_type": "new", "position_embedding_type": "absolute"], ["position_embedding_type is"]),
    (["model_type": "new", "logn_attention_scale": true], ["logn_attention_scale is true"]),
    (["model_type": "gte", "rope_parameters": ["rope_type": "yarn"]], ["rope_type is", "yarn"]),
    (
      [
        "model_type": "bert", "position_embedding_type": "alibi", "feed_forward_type": "reglu",
      ], ["feed_forward_type is", "reglu"]
    ),
    (["model_type": "bert", "position_embedding_type": "rope"], ["position_embedding_type is"]),
    (["model_type": "ernie", "use_task_id": true], ["use_task_id is true"]),
    (["model_type": "dpr", "projection_dim": 8], ["projection_dim is 8"]),
    (["model_type": "roberta", "architectures": ["RobertaForCausalLM"]], ["decoder"]),
    (["model_type": "deberta"], ["'deberta'", "xlm-roberta"]),
  ]

  @Test(arguments: refused.indices)
  func whatAFamilyDoesNotComputeIsRefusedByName(_ index: Int) throws {
    let (config, words) = Self.refused[index]
    try model(config, { $0 }).expectError(.unsupported, words + ["config.json"])
  }
}
