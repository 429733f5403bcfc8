import BertErrors
import BertModel
import JSONText

/// A family of published models that are BERT under other names: all that differs, as values.
///
/// The tables are in `Families.swift`. What they say is applied while a checkpoint is read; nothing behind this
/// folder knows a family.
struct Family: Sendable {
  /// A place where a configuration says what BERT's says under another key.
  struct Setting: Sendable {
    let own: String
    let bert: String

    init(_ own: String, _ bert: String) { (self.own, self.bert) = (own, bert) }
  }

  /// Parts of a tensor's name, and what BERT calls them.
  struct NameRule: Sendable {
    let own: [Substring]
    let bert: [Substring]

    /// Names with dots: whole parts are compared.
    init(_ own: String, _ bert: String) {
      self.own = own.split(separator: ".")
      self.bert = bert.split(separator: ".")
    }
  }

  /// What stands before a text classifier's linear of logits.
  enum ClassifierForm: Sendable, Equatable {
    /// The pooler.
    case pooler
    /// A linear of the head's own over the first token, and what follows it.
    case dense(OutputActivation)
    /// Such a linear over each vector that is classified, with a norm behind it.
    ///
    /// A text's vector is what `classifier_pooling` says; and before the masked-word decoder stand a linear and a norm
    /// of the same names.
    case denseAndNorm(OutputActivation)

    /// What follows the classifier's own linear; nil where the pooler is read.
    var denseActivation: OutputActivation? {
      switch self {
      case .pooler: nil
      case .dense(let activation), .denseAndNorm(let activation): activation
      }
    }
    /// Whether a norm follows.
    var hasNorm: Bool { if case .denseAndNorm = self { true } else { false } }
  }

  /// Biases on attention's scores by the distance of two tokens, the same in every layer.
  ///
  /// Its table has a row for each bucket of distances and a column for each head.
  struct DistanceBias: Sendable {
    /// The table's name, in BERT's spelling.
    let name: String
    /// The least distance of each bucket, of keys up to the query; keys behind it have as many buckets more.
    let starts: [Int]

    /// The distance from which on all biases are alike.
    var span: Int { starts.last ?? 0 }
    /// Buckets of both sides.
    var count: Int { 2 * starts.count }
    /// The bucket of a key from `span` before the query to as many behind it.
    var buckets: [Int] {
      (-span...span).map { distance in
        let bucket = (starts.lastIndex { $0 <= abs(distance) }) ?? 0
        return distance > 0 ? bucket + starts.count : bucket
      }
    }
  }

  /// When a linear stands between the embeddings' norm and the first layer.
  enum EmbeddingProjection: Sendable {
    case never, whereWidthsDiffer, always
  }

  /// How the first linear of a gated feed-forward block is published, in BERT's spelling.
  enum GatedForm: Sendable {
    /// Two linears: what the activation is for, and what it multiplies.
    case apart(gate: String, up: String)
    /// `intermediate.dense`, the activated half first.
    case gateFirst
    /// `intermediate.dense`, the activated half behind the other.
    case gateLast
  }

  /// The class of tokenizer that is meant where no file names one.
  enum DefaultTokenizer: Sendable {
    /// BERT's.
    case bert
    /// RoBERTa's.
    case roberta
    /// DeBERTa-v2's.
    case debertaV2
    /// One that reads `tokenizer.json` alone.
    case pipeline
  }

  /// `model_type` of a configuration.
  let type: String
  /// A key and its value that tell it from another family of the same `model_type`.
  var marker: (key: String, value: JSON)?
  /// What the names of its classes begin with: `Roberta` of `RobertaForMaskedLM`.
  let classPrefix: String
  /// Parts of a prefix that stand before the encoder's tensors, and not before a head's.
  var encoderNames: [String]
  var settings: [Setting] = []
  /// What its configuration means where a key is absent.
  var defaults: [(key: String, value: JSON)] = []
  /// What its classes compute whatever the configuration says.
  var fixed: [(key: String, value: JSON)] = []
  /// Keys of which one value is computed; absent means that value.
  var required: [(key: String, value: JSON)] = []
  /// The same of models with a head.
  var requiredOfHeads: [(key: String, value: JSON)] = []
  /// Keys that say nothing about the arithmetic of a finished model.
  var silentKeys: [String] = []
  var names: [NameRule] = []
  /// Whether positions count from behind the padding token's id: the rows before are for padding.
  var countsPositionsBehindPadding = false
  /// Whether it has a table of token types.
  var hasTokenTypes = true
  var distanceBias: DistanceBias?
  /// Whether `type_vocab_size` may be 0, which says that there is no such table either.
  var mayLackTokenTypes = false
  var embeddingProjection = EmbeddingProjection.never
  /// Whether all layers have the tensors of the first.
  var sharesLayers = false
  /// Whether there is no table of positions.
  var lacksPositions = false
  /// The key whose false says that there is none; nil where the family alone decides.
  var positionsKey: String?
  /// Whether a configuration may ask for terms of scores by distance: `relative_attention` and what belongs to it.
  var mayHaveRelativeTerms = false
  /// Tensors that nothing here computes with, by what their names begin with, and why.
  var unused: [(prefix: String, reason: String)] = []
  /// The base of the angles by which queries and keys are turned, unless the configuration says another (`rope_theta`);
  /// nil where they are not turned.
  var rotaryBase: Double?
  /// The same in layers whose tokens see those near them alone; nil where there are no such layers.
  ///
  /// Which layers these are, the configuration says: `layer_types` or `global_attn_every_n_layers`, and `local_attention`.
  var windowBase: Double?
  /// Whether norms stand before attention, but for the first layer's, and before the feed-forward block, and one behind
  /// all layers.
  var normalizesFirst = false
  /// Whether norms have no bias.
  var normsLackBias = false
  /// Whether scores lose a slope of each head times the distance of two tokens.
  var hasSlopes = false
  /// Nil where the feed-forward block is BERT's.
  var gatedForm: GatedForm?
  /// Whether queries, keys and values are one linear, `attention.self.qkv`.
  var joinsQueryKeyValue = false
  /// Linears that have no bias.
  var unbiased: Set<LinearSite> = []
  var classifier = ClassifierForm.pooler
  /// What follows the linear before the masked-word decoder; nil for the encoder's own activation.
  var transformActivation: Activation?
  /// Whether that linear and the decoder may both lack a bias.
  var mayLackMaskedBiases = false
  var tokenizer = DefaultTokenizer.bert
  /// How its classes make a text's vector, where no module says so.
  var recipe: EmbeddingRecipe?
  /// Classes that follow no rule of names, by what stands behind the prefix.
  var architectures: [String: Architecture] = [:]

  /// Whether a configuration has the family's marker; nil where it has none.
  private func isMarked(_ json: JSON) -> Bool? {
    marker.map { json[$0.key] == $0.value }
  }

  /// Whether a model of this configuration has no table of positions.
  func lacksPositions(_ json: JSON) throws(BertError) -> Bool {
    if lacksPositions { return true }
    guard let positionsKey else { return false }
    return try json.flag(positionsKey) == false
  }

  /// Why a tensor can be passed over, if it can.
  ///
  /// - Parameter relative: its name without the prefix of heads.
  func reasonToIgnore(_ relative: Substring) -> String? {
    unused.first { relative.hasPrefix($0.prefix) }?.reason
  }

  /// The rows of the position table that no token uses.
  func unusedPositions(_ json: JSON) throws(BertError) -> Int {
    guard countsPositionsBehindPadding else { return 0 }
    guard let value = json["pad_token_id"], !value.isNull else { return 2 }
    guard let pad = value.integerValue, (0..<1 << 20).contains(pad) else {
      throw BertError(
        .malformed,
        "pad_token_id is \(value.text().prefix(40)); positions are counted from behind it")
    }
    return pad + 1
  }

  /// A configuration under BERT's keys.
  ///
  /// - Throws: `unsupported` for a value that changes the arithmetic, with the key as it was published.
  func normalised(_ json: JSON) throws(BertError) -> JSON {
    guard var object = json.objectValue else { return json }
    try Self.require(required, in: json)
    for setting in settings {
      if let value = object[setting.own] { object[setting.bert] = value }
      object[setting.own] = nil
    }
    for (key, value) in defaults where object[key] == nil { object[key] = value }
    for (key, value) in fixed { object[key] = value }
    // What another encoding of positions is called was required above.
    if lacksPositions { object["position_embedding_type"] = nil }
    return .object(object)
  }

  /// Refuses what would change the arithmetic of a head, likewise.
  func checkHeads(_ json: JSON) throws(BertError) { try Self.require(requiredOfHeads, in: json) }

  private static func require(
    _ values: [(key: String, value: JSON)], in json: JSON
  ) throws(BertError) {
    for (key, value) in values {
      guard let said = json[key], !said.isNull, !said.means(value) else { continue }
      throw BertError(
        .unsupported,
        "\(key) is \(said.text().prefix(80)); only \(value.text()) is supported")
    }
  }

  /// A tensor's name in BERT's spelling; layers' numbers and prefixes stay.
  func renamed(_ dotted: String) -> String {
    if names.isEmpty { return dotted }
    var parts = dotted.split(separator: ".", omittingEmptySubsequences: false)
    for rule in names {
      let last = parts.count - rule.own.count
      guard last >= 0,
        let start = (0...last).first(where: {
          parts[$0..<$0 + rule.own.count].elementsEqual(rule.own)
        })
      else { continue }
      parts.replaceSubrange(start..<start + rule.own.count, with: rule.bert)
    }
    return parts.joined(separator: ".")
  }
}

extension Family {
  /// The family of a configuration: by its `model_type`, or else by its first class.
  ///
  /// - Throws: `unsupported` for one that is not known; `malformed` where it is there and says nothing.
  static func of(_ json: JSON) throws(BertError) -> Family {
    if case .null? = json["model_type"] {
      throw BertError(
        .malformed, "model_type is null; expected a name, such as 'bert', or no model_type at all")
    }
    if let type = try json.text("model_type") {
      let families = all.filter { $0.type == type }
      if let family = families.first(where: { $0.isMarked(json) == true })
        ?? families.first(where: { $0.marker == nil })
      {
        return family
      }
      throw BertError(
        .unsupported,
        "model_type is '\(type.prefix(80))'; supported are "
          + all.filter { $0.marker == nil }.map(\.type).joined(separator: ", "))
    }
    guard let name = json["architectures"]?.arrayValue?.first?.stringValue else { return bert }
    // The longest prefix: XLMRoberta's classes are not Roberta's, and a class behind which no known word stands
    // may be another family's.
    let plain = Architecture.plainName(name)
    let matching = all.filter { plain.hasPrefix($0.classPrefix) }
    if let family = matching.max(by: { $0.classPrefix.count < $1.classPrefix.count }) {
      return family
    }
    throw BertError(
      .unsupported,
      "architectures says '\(name.prefix(80))'; supported are the classes of "
        + all.map(\.classPrefix).joined(separator: ", "))
  }
}

extension JSON {
  /// Whether two values say the same: numbers do however they are written.
  fileprivate func means(_ other: JSON) -> Bool {
    guard let number = numberValue, let same = other.numberValue else { return self == other }
    return number == same
  }
}
