import BertModel
import JSONText

/// The tables: what each family calls what BERT has, and what it has otherwise.
///
/// [Adding a family](../../../docs/adding-a-family.md) says how a table is found and checked.
extension Family {
  static let all: [Family] = [
    bert, distilBert, roberta, xlmRoberta, camembert, data2vecText, electra, ernie, dpr,
    bertGeneration, splinter, mpnet, albert, nomicBert, gteNew, gte, jinaBert, modernBert,
    debertaV2,
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
      NameRule("embeddings_project", "embeddings.projection"),
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
    embeddingProjection: .whereWidthsDiffer, classifier: .dense(.gelu), transformActivation: .gelu,
    architectures: [
      "ForPreTraining": Architecture(
        task: .tag, heads: [.classifier], classifiesTexts: true, hasOneLogit: true,
        denseActivation: .encoders, labels: ["replaced"], hasIndependentLabels: true)
    ])

  /// A linear behind the embeddings, one layer that is computed again and again, BERT's heads.
  static let albert = Family(
    type: "albert", classPrefix: "Albert", encoderNames: ["albert"],
    defaults: [
      ("vocab_size", 30000), ("embedding_size", 128), ("hidden_size", 4096),
      ("num_hidden_layers", 12), ("num_attention_heads", 64), ("intermediate_size", 16384),
      ("hidden_act", "gelu_new"), ("max_position_embeddings", 512),
    ],
    required: [("num_hidden_groups", 1), ("inner_group_num", 1)],
    silentKeys: [
      "num_hidden_groups", "inner_group_num", "classifier_dropout_prob", "down_scale_factor",
      "gap_size", "net_structure_type", "num_memory_blocks",
    ],
    names: [
      NameRule("encoder.embedding_hidden_mapping_in", "embeddings.projection"),
      NameRule("encoder.albert_layer_groups.0.albert_layers.0", "encoder.layer.0"),
      NameRule("attention.query", "attention.self.query"),
      NameRule("attention.key", "attention.self.key"),
      NameRule("attention.value", "attention.self.value"),
      NameRule("attention.dense", "attention.output.dense"),
      NameRule("attention.LayerNorm", "attention.output.LayerNorm"),
      NameRule("ffn", "intermediate.dense"), NameRule("ffn_output", "output.dense"),
      NameRule("full_layer_layer_norm", "output.LayerNorm"),
      NameRule("pooler", "pooler.dense"),
      NameRule("predictions.dense", "cls.predictions.transform.dense"),
      NameRule("predictions.LayerNorm", "cls.predictions.transform.LayerNorm"),
      NameRule("predictions.decoder", "cls.predictions.decoder"),
      NameRule("predictions.bias", "cls.predictions.bias"),
    ],
    embeddingProjection: .always, sharesLayers: true, tokenizer: .pipeline,
    architectures: [
      // Which of two texts comes first is no head of BERT's.
      "ForPreTraining": Architecture(task: .fillMask, heads: [.maskedWords])
    ])

  /// Angles instead of positions, a gate, and linears without bias.
  static let nomicBert = Family(
    type: "nomic_bert", classPrefix: "NomicBert", encoderNames: ["nomic_bert", "bert"],
    settings: [
      Setting("n_embd", "hidden_size"), Setting("n_layer", "num_hidden_layers"),
      Setting("n_head", "num_attention_heads"), Setting("n_inner", "intermediate_size"),
      Setting("n_positions", "max_position_embeddings"),
      Setting("activation_function", "hidden_act"),
      Setting("layer_norm_epsilon", "layer_norm_eps"), Setting("rotary_emb_base", "rope_theta"),
    ],
    defaults: [("hidden_act", "silu")],
    required: [
      ("prenorm", false), ("parallel_block", false), ("parallel_block_tied_norm", false),
      ("use_rms_norm", false), ("causal", false), ("qkv_proj_bias", false),
      ("mlp_fc1_bias", false), ("mlp_fc2_bias", false), ("rotary_emb_fraction", 1.0),
      ("rotary_emb_interleaved", false), ("rotary_emb_scale_base", nil),
      ("rotary_scaling_factor", nil), ("scale_attn_weights", true),
      ("scale_attn_by_inverse_layer_idx", false), ("moe_every_n_layers", 0),
      ("position_embedding_type", "rotary"),
    ],
    silentKeys: [
      "activation_function", "attn_pdrop", "auto_map", "dense_seq_output", "embd_pdrop",
      "fused_bias_fc", "fused_dropout_add_ln", "head_dim", "layer_norm_epsilon",
      "last_layer_subset", "max_trained_positions", "pad_vocab_size_multiple",
      "reorder_and_upcast_attn", "resid_pdrop", "rope_parameters", "rope_theta",
      "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
      "summary_use_proj", "use_flash_attn", "use_xentropy", "prenorm", "parallel_block",
      "parallel_block_tied_norm", "use_rms_norm", "causal", "qkv_proj_bias", "mlp_fc1_bias",
      "mlp_fc2_bias", "rotary_emb_fraction", "rotary_emb_interleaved", "rotary_emb_scale_base",
      "rotary_scaling_factor", "scale_attn_weights", "scale_attn_by_inverse_layer_idx",
      "moe_every_n_layers",
    ],
    names: [
      NameRule("emb_ln", "embeddings.LayerNorm"), NameRule("encoder.layers", "encoder.layer"),
      NameRule("attn.Wqkv", "attention.self.qkv"),
      NameRule("attn.out_proj", "attention.output.dense"),
      NameRule("norm1", "attention.output.LayerNorm"), NameRule("norm2", "output.LayerNorm"),
      NameRule("mlp.fc12", "intermediate.gate"), NameRule("mlp.fc11", "intermediate.up"),
      NameRule("mlp.fc2", "output.dense"),
      NameRule("cls.predictions.transform.layer_norm", "cls.predictions.transform.LayerNorm"),
    ],
    lacksPositions: true, rotaryBase: 1000,
    gatedForm: .apart(gate: "intermediate.gate", up: "intermediate.up"), joinsQueryKeyValue: true,
    unbiased: Set(LinearSite.allCases), mayLackMaskedBiases: true,
    architectures: [
      // There is no order of sentences to tell.
      "ForPreTraining": Architecture(task: .fillMask, heads: [.maskedWords])
    ])

  static let gteNew = gteLike("new", "New", ["new"], base: 10_000)
  static let gte = gteLike("gte", "Gte", ["gte", "new"], base: 160_000)

  /// Angles instead of positions, and a gate whose linear has no bias.
  private static func gteLike(
    _ type: String, _ classPrefix: String, _ encoderNames: [String], base: Double
  ) -> Family {
    Family(
      type: type, classPrefix: classPrefix, encoderNames: encoderNames,
      defaults: [("type_vocab_size", 1)],
      required: [
        ("layer_norm_type", "layer_norm"), ("logn_attention_scale", false), ("pack_qkv", true),
        ("position_embedding_type", "rope"),
      ],
      silentKeys: [
        "auto_map", "layer_norm_type", "logn_attention_clip1", "logn_attention_scale", "pack_qkv",
        "rope_parameters", "rope_scaling", "rope_theta", "unpad_inputs",
        "use_memory_efficient_attention",
      ],
      names: [
        NameRule("attention.qkv_proj", "attention.self.qkv"),
        NameRule("attention.o_proj", "attention.output.dense"),
        NameRule("attn_ln", "attention.output.LayerNorm"), NameRule("mlp_ln", "output.LayerNorm"),
        NameRule("mlp.up_gate_proj", "intermediate.dense"),
        NameRule("mlp.down_proj", "output.dense"),
        NameRule("lm_head.dense", "cls.predictions.transform.dense"),
        NameRule("lm_head.norm", "cls.predictions.transform.LayerNorm"),
        NameRule("lm_head.decoder", "cls.predictions.decoder"),
      ],
      mayLackTokenTypes: true, lacksPositions: true, rotaryBase: base, gatedForm: .gateLast,
      joinsQueryKeyValue: true, unbiased: [.feedForwardUp])
  }

  /// BERT with a slope instead of positions, and a gate.
  static let jinaBert = Family(
    type: "bert", marker: ("position_embedding_type", "alibi"), classPrefix: "JinaBert",
    encoderNames: ["bert"],
    required: [("position_embedding_type", "alibi"), ("feed_forward_type", "geglu")],
    silentKeys: ["auto_map", "emb_pooler", "feed_forward_type", "model_max_length"],
    names: [
      NameRule("mlp.gated_layers", "intermediate.dense"), NameRule("mlp.wo", "output.dense"),
      NameRule("mlp.layernorm", "output.LayerNorm"),
    ],
    lacksPositions: true, hasSlopes: true, gatedForm: .gateFirst, unbiased: [.feedForwardUp])

  /// Angles of two kinds instead of positions, windows of attention, norms first, a gate, and no bias but the decoder's
  /// and the classifier's.
  static let modernBert = Family(
    type: "modernbert", classPrefix: "ModernBert", encoderNames: ["model"],
    settings: [
      Setting("norm_eps", "layer_norm_eps"), Setting("hidden_activation", "hidden_act"),
    ],
    defaults: [
      ("vocab_size", 50368), ("hidden_size", 768), ("num_hidden_layers", 22),
      ("num_attention_heads", 12), ("intermediate_size", 1152), ("layer_norm_eps", 1e-5),
      ("max_position_embeddings", 8192),
    ],
    fixed: [("type_vocab_size", 1)],
    required: [
      ("attention_bias", false), ("head_dim", nil), ("mlp_bias", false), ("norm_bias", false),
      ("rope_scaling", nil), ("sliding_window", nil),
    ],
    requiredOfHeads: [
      ("classifier_activation", "gelu"), ("classifier_bias", false), ("decoder_bias", true),
    ],
    silentKeys: [
      "attention_bias", "attention_dropout", "classifier_activation", "classifier_bias",
      "classifier_pooling", "decoder_bias", "deterministic_flash_attn", "embedding_dropout",
      "global_attn_every_n_layers", "global_rope_theta", "head_dim", "initializer_cutoff_factor",
      "layer_types", "local_attention", "local_rope_theta", "mlp_bias", "mlp_dropout", "norm_bias",
      "reference_compile", "repad_logits_with_grad", "rope_parameters", "rope_scaling",
      "sliding_window", "sparse_pred_ignore_index", "sparse_prediction",
    ],
    names: [
      NameRule("embeddings.tok_embeddings", "embeddings.word_embeddings"),
      NameRule("embeddings.norm", "embeddings.LayerNorm"), NameRule("layers", "encoder.layer"),
      NameRule("attn.Wqkv", "attention.self.qkv"), NameRule("attn.Wo", "attention.output.dense"),
      NameRule("attn_norm", "attention.output.LayerNorm"),
      NameRule("mlp_norm", "output.LayerNorm"), NameRule("mlp.Wi", "intermediate.dense"),
      NameRule("mlp.Wo", "output.dense"), NameRule("final_norm", "encoder.LayerNorm"),
      NameRule("head.dense", "classifier.dense"), NameRule("head.norm", "classifier.norm"),
      NameRule("decoder", "cls.predictions.decoder"),
    ],
    hasTokenTypes: false, lacksPositions: true, rotaryBase: 160_000, windowBase: 10_000,
    normalizesFirst: true, normsLackBias: true, gatedForm: .gateFirst, joinsQueryKeyValue: true,
    unbiased: Set(LinearSite.allCases), classifier: .denseAndNorm(.gelu),
    transformActivation: .gelu, tokenizer: .pipeline,
    architectures: [
      "ForTokenClassification": Architecture(
        task: .tag, heads: [.classifier], readsDense: true),
      "ForQuestionAnswering": Architecture(task: .answer, heads: [.answer], readsDense: true),
    ])

  /// Terms of scores by distance, mostly instead of positions; a classifier's first linear is called a pooler.
  static let debertaV2 = Family(
    type: "deberta-v2", classPrefix: "DebertaV2", encoderNames: ["deberta"],
    defaults: [
      ("max_position_embeddings", 512), ("type_vocab_size", 0), ("layer_norm_eps", 1e-7),
    ],
    required: [("conv_kernel_size", 0)], requiredOfHeads: [("pooler_hidden_act", "gelu")],
    silentKeys: [
      "attention_head_size", "cls_dropout", "conv_act", "conv_groups", "conv_kernel_size", "legacy",
      "max_relative_positions", "norm_rel_ebd", "padding_idx", "pos_att_type",
      "position_biased_input", "position_buckets", "relative_attention", "share_att_key",
      "summary_activation", "summary_last_dropout", "summary_type", "summary_use_proj",
    ],
    names: [
      NameRule("attention.self.query_proj", "attention.self.query"),
      NameRule("attention.self.key_proj", "attention.self.key"),
      NameRule("attention.self.value_proj", "attention.self.value"),
      NameRule("pooler.dense", "classifier.dense"),
      NameRule("lm_predictions.lm_head.dense", "cls.predictions.transform.dense"),
      NameRule("lm_predictions.lm_head.LayerNorm", "cls.predictions.transform.LayerNorm"),
      NameRule("lm_predictions.lm_head.bias", "cls.predictions.bias"),
    ],
    mayLackTokenTypes: true, positionsKey: "position_biased_input", mayHaveRelativeTerms: true,
    unused: [("mask_predictions.", "a head of the training that found replaced tokens")],
    classifier: .dense(.gelu), tokenizer: .debertaV2)

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
