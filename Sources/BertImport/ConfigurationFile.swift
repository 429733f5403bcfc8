import BertErrors
import BertModel
import JSONText
import TensorFiles

/// A published `config.json` (or `bert_config.json`), read and checked.
struct ConfigurationFile {
  /// The file as it is.
  let json: JSON
  let configuration: BertConfiguration
  /// The family whose keys and classes it uses.
  let family: Family
  /// Rows of the published position table that no token uses.
  let unusedPositions: Int
  /// Whether there is a table of token types.
  let hasTokenTypes: Bool
  /// Terms of scores by distance, and what of the published tensors makes them.
  let relative: RelativeDistances?
  /// The tensors that the configuration makes.
  let made: MadeTensors
  /// Whether the number of attention heads is not the file's own.
  private(set) var headsAreAskedFor = false
  private(set) var architectures: [String] = []
  private(set) var publishedName = ""
  private(set) var problemType = ""
  /// Label names in order of the logits; empty when unsaid.
  private(set) var labels: [String] = []
  /// `num_labels`, or the count of `id2label`.
  private(set) var labelCount: Int?
  private(set) var tiesDecoder: Bool?
  /// What a classifier with a linear of its own reads of a text: the first token's vector or the mean.
  private(set) var classifierInput = Pooling.cls
  /// What makes a score of a single logit, as cross-encoders say it.
  private(set) var scoreActivation: Result<OutputActivation?, BertError> = .success(nil)
  /// Why the labels cannot be used: an error where the model has a classifier.
  private(set) var labelProblem: BertError?
  private(set) var notices: [String] = []

  /// Reads the file.
  ///
  /// - Parameter heads: the number of attention heads, for a file that does not say it.
  /// - Throws: `notFound`, `malformed`, or `unsupported` with feature and value; `usage` where the file says another
  ///   number of heads.
  init(_ path: String, heads: Int? = nil) throws(BertError) {
    let json = try ModelFiles.readJSON(path, limit: ModelFiles.longestConfiguration)
    try self.init(json, of: path, heads: heads)
  }

  /// Takes the content of a file, or what stands for it.
  init(_ published: JSON, of path: String, heads: Int? = nil) throws(BertError) {
    var json = published
    do throws(BertError) {
      guard json.objectValue != nil else {
        throw BertError(.malformed, "is \(json.kind); expected an object")
      }
      family = try Family.of(json)
      if let heads { headsAreAskedFor = try Self.name(heads, in: &json, of: family) }
      self.json = json
      let normalised = try family.normalised(json)
      try Self.checkFeatures(normalised, of: family)
      unusedPositions = try family.unusedPositions(normalised)
      let lacksTypes = family.mayLackTokenTypes && normalised["type_vocab_size"] == 0
      hasTokenTypes = family.hasTokenTypes && !lacksTypes
      var configuration = try Self.readSizes(
        normalised, unusedPositions: unusedPositions, hasTokenTypes: hasTokenTypes, of: family)
      // Sizes are within their limits before anything is made by them.
      try configuration.validate()
      relative =
        family.mayHaveRelativeTerms
        ? try RelativeDistances(normalised, positions: configuration.maximumPositions) : nil
      configuration.relative = relative?.terms
      try configuration.validate()
      self.configuration = configuration
      made = try MadeTensors(normalised, configuration, of: family)
      try readRest(normalised)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Puts the number of attention heads where nothing says it.
  private static func name(
    _ heads: Int, in json: inout JSON, of family: Family
  ) throws(BertError) -> Bool {
    let bert = "num_attention_heads"
    let key = family.settings.first { $0.bert == bert }?.own ?? bert
    guard var object = json.objectValue else { return false }
    if let said = object[key] ?? object[bert] {
      if said == .integer(heads) { return false }
      throw BertError(
        .usage, "\(key) is \(said.text().prefix(40)), and \(heads) heads were asked for")
    }
    object[key] = .integer(heads)
    json = .object(object)
    return true
  }

  /// Refuses what would change the arithmetic.
  private static func checkFeatures(_ json: JSON, of family: Family) throws(BertError) {
    func refuse(_ key: String, _ expected: String) -> BertError {
      BertError(
        .unsupported,
        "\(key) is \((json[key] ?? .null).text().prefix(80)); only \(expected) is supported")
    }
    let position = json["position_embedding_type"] ?? .null
    if position != .null && position != "absolute" {
      throw refuse("position_embedding_type", "\"absolute\"")
    }
    for key in ["is_decoder", "add_cross_attention", "is_encoder_decoder"]
    where try json.flag(key) == true {
      throw refuse(key, "false")
    }
    if json["pruned_heads"]?.objectValue?.isEmpty == false {
      throw refuse("pruned_heads", "an empty object")
    }
    if let value = json["quantization_config"], !value.isNull {
      throw refuse("quantization_config", "float weights, without it,")
    }
    if family.embeddingProjection == .never, let size = json["embedding_size"],
      size != json["hidden_size"]
    {
      throw refuse("embedding_size", "the hidden_size")
    }
  }

  private static func readSizes(
    _ json: JSON, unusedPositions: Int, hasTokenTypes: Bool, of family: Family
  ) throws(BertError) -> BertConfiguration {
    var problems: [String] = []
    func size(_ key: String, absent: Int? = nil) -> Int {
      guard let value = json[key] else {
        if absent == nil { problems.append("\(key) is missing") }
        return absent ?? 1
      }
      if let size = value.integerValue { return size }
      problems.append("\(key) is \(value.text().prefix(40)); expected a whole number")
      return 1
    }
    var epsilon = 1e-12
    if let value = json["layer_norm_eps"] {
      if let number = value.numberValue {
        epsilon = number
      } else {
        problems.append("layer_norm_eps is \(value.text().prefix(40)); expected a number")
      }
    }
    let activation = try readActivation(json, isGated: family.gatedForm != nil)
    var configuration = BertConfiguration(
      vocabularySize: size("vocab_size"), hiddenSize: size("hidden_size"),
      layerCount: size("num_hidden_layers"), headCount: size("num_attention_heads"),
      intermediateSize: size("intermediate_size"),
      maximumPositions: size("max_position_embeddings") - unusedPositions,
      tokenTypeCount: hasTokenTypes ? size("type_vocab_size", absent: 2) : 1,
      layerNormEpsilon: Float(epsilon), activation: activation,
      biasSpan: family.distanceBias?.span)
    if family.embeddingProjection != .never {
      let width = size("embedding_size")
      if family.embeddingProjection == .always || width != configuration.hiddenSize {
        configuration.embeddingSize = width
      }
    }
    // No table bounds the positions of those that have none.
    let positions = min(configuration.maximumPositions, BertConfiguration.largestBiasSpan)
    let lacksPositions = try family.lacksPositions(json)
    if lacksPositions { configuration.maximumPositions = positions }
    if family.sharesLayers { configuration.storedLayers = 1 }
    configuration.gatesFeedForward = family.gatedForm != nil
    configuration.lacksPositions = lacksPositions
    if family.hasSlopes { configuration.biasSpan = max(1, positions - 1) }
    if family.rotaryBase != nil, configuration.headCount > 0 {
      configuration.rotarySize = configuration.headSize
    }
    configuration.normalizesFirst = family.normalizesFirst
    if !problems.isEmpty { throw BertError(.malformed, problems.joined(separator: "; ")) }
    configuration.window = try family.window(json, layers: configuration.layerCount)
    return configuration
  }

  private static func readActivation(
    _ json: JSON, isGated: Bool
  ) throws(BertError) -> Activation {
    guard let value = json["hidden_act"] else { return .gelu }
    switch value.stringValue {
    case "gelu", "gelu_python": return .gelu
    case "gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate":
      return .geluTanh
    case "relu": return .relu
    case "silu" where isGated, "swish" where isGated, "swiglu" where isGated: return .silu
    case "geglu" where isGated: return .gelu
    default:
      throw BertError(
        .unsupported,
        "hidden_act is \(value.text().prefix(80)); \"gelu\", \"gelu_python\", \"gelu_new\" and its other "
          + "names, and \"relu\" are supported")
    }
  }

  private mutating func readRest(_ json: JSON) throws(BertError) {
    if let value = json["architectures"], !value.isNull {
      guard let names = value.arrayValue, names.allSatisfy({ $0.stringValue != nil }) else {
        throw BertError(
          .malformed, "architectures is \(value.text().prefix(80)); expected a list of names")
      }
      architectures = names.compactMap(\.stringValue)
    }
    publishedName = json["_name_or_path"]?.stringValue ?? ""
    if let type = try json.text("problem_type") {
      let known = ["regression", "single_label_classification", "multi_label_classification"]
      guard known.contains(type) else {
        throw BertError(
          .unsupported,
          "problem_type is '\(type.prefix(80))'; \(known.joined(separator: ", ")) are supported")
      }
      problemType = type
    }
    tiesDecoder = try json.flag("tie_word_embeddings")
    if family.classifier.hasNorm { classifierInput = try family.classifierInput(json) }
    labelCount = (json["num_labels"] ?? json["_num_labels"])?.integerValue
    scoreActivation = Result { () throws(BertError) in
      let said =
        json["sentence_transformers"]?["activation_fn"]
        ?? json["sbert_ce_default_activation_function"]
      guard let said, !said.isNull else { return nil }
      return try DenseModule.activation(said, absent: .identity)
    }
    readLabels(json)
    let unknown = (json.objectValue?.keys ?? []).filter {
      !Self.knownKeys.contains($0) && !family.silentKeys.contains($0)
        && !$0.hasPrefix("pooler_") && !$0.hasPrefix("_")
    }
    if !unknown.isEmpty {
      notices.append(
        "keys of the configuration that are ignored: " + unknown.joined(separator: ", "))
    }
  }

  /// Names of labels; a number that has none is called as the published library calls it.
  private mutating func readLabels(_ json: JSON) {
    guard let map = json["id2label"]?.objectValue, !map.isEmpty else {
      if let value = json["id2label"], !value.isNull, value.objectValue == nil {
        labelProblem = BertError(
          .malformed, "id2label is \(value.kind); expected an object of numbers and names")
      } else if json["label2id"]?.objectValue?.isEmpty == false {
        labelProblem = BertError(
          .malformed,
          "label2id names labels, but id2label, which the names are read from, is absent")
      }
      return
    }
    let names = (0..<map.count).map { index in
      map[String(index)].flatMap { $0.isNull ? nil : $0.stringValue ?? $0.text() }
    }
    if let count = labelCount, count != map.count {
      labelProblem = BertError(
        .malformed, "num_labels is \(count) but id2label has \(map.count) labels")
    } else if let gap = names.firstIndex(of: nil) {
      labelProblem = BertError(
        .malformed,
        "id2label has \(map.count) labels but none for \(gap); expected 0 to \(map.count - 1)")
    }
    labels = names.enumerated().map { $1 ?? "LABEL_\($0)" }
    labelCount = labelCount ?? map.count
  }

  /// Keys that are used, or that say nothing about the arithmetic of a finished model.
  private static let knownKeys: Set<String> = [
    "add_cross_attention", "architectures", "attention_probs_dropout_prob", "attn_implementation",
    "bos_token_id", "chunk_size_feed_forward", "classifier_dropout", "cls_token_id",
    "cross_attention_hidden_size", "directionality", "dtype", "embedding_size", "eos_token_id",
    "finetuning_task", "gradient_checkpointing", "hidden_act", "hidden_dropout_prob", "hidden_size",
    "id2label", "initializer_range", "intermediate_size", "is_decoder", "is_encoder_decoder",
    "label2id", "language", "layer_norm_eps", "mask_token_id", "max_position_embeddings",
    "model_type", "name", "num_attention_heads", "num_hidden_layers", "num_labels",
    "output_attentions", "output_hidden_states", "output_past", "pad_token_id",
    "position_embedding_type", "problem_type", "pruned_heads", "return_dict",
    "sbert_ce_default_activation_function", "sentence_transformers", "sep_token_id",
    "task_specific_params", "tie_word_embeddings", "tokenizer_class", "torch_dtype", "torchscript",
    "transformers_version", "type_vocab_size", "unk_token_id", "use_bfloat16", "use_cache",
    "vocab_size",
  ]
}
