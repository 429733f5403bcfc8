import BertErrors
import BertImport
import BertModel
import Fixtures
import JSONText
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

  static let refused: [(JSONObject, [String])] = [
    (
      ["model_type": "mpnet", "relative_attention_num_buckets": 16],
      ["relative_attention_num_buckets is 16"]
    ),
    (["model_type": "electra", "embedding_size": 2], ["embedding_size is 2"]),
    (["model_type": "electra"], ["embedding_size is 128"]),
    (["model_type": "ernie", "use_task_id": true], ["use_task_id is true"]),
    (["model_type": "dpr", "projection_dim": 8], ["projection_dim is 8"]),
    (["model_type": "roberta", "architectures": ["RobertaForCausalLM"]], ["decoder"]),
    (["model_type": "albert"], ["'albert'", "xlm-roberta"]),
  ]

  @Test(arguments: refused.indices)
  func whatAFamilyDoesNotComputeIsRefusedByName(_ index: Int) throws {
    let (config, words) = Self.refused[index]
    try model(config, { $0 }).expectError(.unsupported, words + ["config.json"])
  }
}
