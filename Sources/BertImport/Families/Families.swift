import BertModel
import JSONText

/// The tables: what each family calls what BERT has, and what it has otherwise.
///
/// [Adding a family](../../../docs/adding-a-family.md) says how a table is found and checked.
extension Family {
  static let all: [Family] = [
    bert, distilBert, roberta, xlmRoberta, camembert, data2vecText, electra, ernie, dpr,
    bertGeneration, splinter, mpnet,
  ]

  static let bert = Family(type: "bert", classPrefix: "Bert", encoderNames: ["bert"])

  /// No token types; its classifier's first linear has ReLU.
  static let distilBert = Family(
    type: "distilbert", classPrefix: "DistilBert", encoderNames: ["distilbert"],
    settings: [
      Setting("dim", "hidden_size"), Setting("n_layers", "num_hidden_layers"),
      Setting("n_heads", "num_attention_heads"), Setting("hidden_dim", "intermediate_size"),
      Setting("activation", "hidden_act"),
    ],
    defaults: [
      ("vocab_size", 30522), ("hidden_size", 768), ("num_hidden_layers", 6),
      ("num_attention_heads", 12), ("intermediate_size", 3072), ("max_position_embeddings", 512),
    ],
    fixed: [("type_vocab_size", 1), ("layer_norm_eps", 1e-12)],
    silentKeys: [
      "dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout",
      // Sines are stored as any table is.
      "sinusoidal_pos_embds", "tie_weights_",
    ],
    names: [
      NameRule("transformer.layer", "encoder.layer"),
      NameRule("attention.q_lin", "attention.self.query"),
      NameRule("attention.k_lin", "attention.self.key"),
      NameRule("attention.v_lin", "attention.self.value"),
      NameRule("attention.out_lin", "attention.output.dense"),
      NameRule("sa_layer_norm", "attention.output.LayerNorm"),
      NameRule("ffn.lin1", "intermediate.dense"), NameRule("ffn.lin2", "output.dense"),
      NameRule("output_layer_norm", "output.LayerNorm"),
      NameRule("vocab_transform", "cls.predictions.transform.dense"),
      NameRule("vocab_layer_norm", "cls.predictions.transform.LayerNorm"),
      NameRule("vocab_projector", "cls.predictions.decoder"),
      NameRule("pre_classifier", "classifier.dense"),
    ],
    hasTokenTypes: false, classifier: .dense(.relu))

  static let roberta = robertaLike("roberta", "Roberta", ["roberta"], tokenizer: .roberta)
  static let xlmRoberta = robertaLike("xlm-roberta", "XLMRoberta", ["roberta", "xlm_roberta"])
  static let camembert = robertaLike("camembert", "Camembert", ["roberta", "camembert"])
  static let data2vecText = robertaLike(
    "data2vec-text", "Data2VecText", ["data2vec_text"], tokenizer: .roberta)

  /// Positions from 2 on, one token type, heads of another form.
  private static func robertaLike(
    _ type: String, _ classPrefix: String, _ encoderNames: [String],
    tokenizer: DefaultTokenizer = .pipeline
  ) -> Family {
    Family(
      type: type, classPrefix: classPrefix, encoderNames: encoderNames, names: robertaHeads,
      countsPositionsBehindPadding: true, classifier: .dense(.tanh), transformActivation: .gelu,
      tokenizer: tokenizer, architectures: robertaClasses)
  }

  private static let robertaHeads = [
    NameRule("lm_head.dense", "cls.predictions.transform.dense"),
    NameRule("lm_head.layer_norm", "cls.predictions.transform.LayerNorm"),
    NameRule("lm_head.decoder", "cls.predictions.decoder"),
    NameRule("lm_head.bias", "cls.predictions.bias"),
    NameRule("classifier.out_proj", "classifier"),
  ]
  /// Choices are read by the pooler and a linear, as BERT's are.
  private static let robertaClasses = [
    "ForMultipleChoice": Architecture(
      task: .choose, heads: [.classifier], needsPooler: true, hasOneLogit: true)
  ]

  /// RoBERTa's positions and heads, no token types, and biases on scores by distance: buckets of one distance up to
  /// 7, then by its logarithm up to 128, of which the last begins at 91.
  static let mpnet = Family(
    type: "mpnet", classPrefix: "MPNet", encoderNames: ["mpnet"],
    // Positions begin at 2 whatever padding the configuration names.
    fixed: [("type_vocab_size", 1), ("pad_token_id", 1)],
    required: [("relative_attention_num_buckets", 32)],
    silentKeys: ["relative_attention_num_buckets"],
    names: robertaHeads + [
      NameRule("attention.attn.q", "attention.self.query"),
      NameRule("attention.attn.k", "attention.self.key"),
      NameRule("attention.attn.v", "attention.self.value"),
      NameRule("attention.attn.o", "attention.output.dense"),
      NameRule("attention.LayerNorm", "attention.output.LayerNorm"),
    ],
    countsPositionsBehindPadding: true, hasTokenTypes: false,
    distanceBias: DistanceBias(
      name: "encoder.relative_attention_bias.weight",
      starts: [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91]),
    classifier: .dense(.tanh), transformActivation: .gelu, tokenizer: .pipeline,
    architectures: robertaClasses)

  /// Two models: a generator with a masked-word head, and a discriminator that tells which tokens were put in.
  static let electra = Family(
    type: "electra", classPrefix: "Electra", encoderNames: ["electra"],
    defaults: [("embedding_size", 128)],
    silentKeys: [
      "summary_type", "summary_use_proj", "summary_activation", "summary_last_dropout",
      "generator_size",
    ],
    names: [
      NameRule("generator_predictions.dense_prediction", "cls.predictions.decoder"),
      NameRule("generator_predictions.dense", "cls.predictions.transform.dense"),
      NameRule("generator_predictions.LayerNorm", "cls.predictions.transform.LayerNorm"),
      NameRule("generator_predictions.output_bias", "cls.predictions.bias"),
      NameRule("generator_lm_head", "cls.predictions.decoder"),
      NameRule("discriminator_predictions.dense_prediction", "classifier"),
      NameRule("discriminator_predictions.dense_1", "classifier"),
      NameRule("discriminator_predictions.dense", "classifier.dense"),
      NameRule("sequence_summary.summary", "classifier.dense"),
      NameRule("classifier.out_proj", "classifier"),
    ],
    classifier: .dense(.gelu), transformActivation: .gelu,
    architectures: [
      "ForPreTraining": Architecture(
        task: .tag, heads: [.classifier], classifiesTexts: true, hasOneLogit: true,
        denseActivation: .encoders, labels: ["replaced"], hasIndependentLabels: true)
    ])

  static let ernie = Family(
    type: "ernie", classPrefix: "Ernie", encoderNames: ["ernie"],
    required: [("use_task_id", false)], silentKeys: ["task_type_vocab_size", "use_task_id"])

  /// The first token's vector is the text's.
  static let dpr = Family(
    type: "dpr", classPrefix: "DPR", encoderNames: [],
    required: [("projection_dim", 0)], silentKeys: ["projection_dim"],
    recipe: EmbeddingRecipe(.cls),
    architectures: [
      "QuestionEncoder": Architecture(task: .embedding),
      "ContextEncoder": Architecture(task: .embedding),
    ])

  /// No token types, no pooler.
  static let bertGeneration = Family(
    type: "bert-generation", classPrefix: "BertGeneration", encoderNames: ["bert"],
    fixed: [("type_vocab_size", 1)], hasTokenTypes: false, tokenizer: .pipeline,
    architectures: ["Encoder": Architecture(task: .embedding)])

  /// Its encoder alone: its head has another arithmetic.
  static let splinter = Family(
    type: "splinter", classPrefix: "Splinter", encoderNames: ["splinter"],
    silentKeys: ["question_token_id"])
}
