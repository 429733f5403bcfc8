import BertErrors
import BertModel
import JSONText

/// What the tokens of a layer see, as configurations say it of families that have both kinds.
enum LayerKind: String, CaseIterable {
  /// All tokens.
  case whole = "full_attention"
  /// Those near them.
  case window = "sliding_attention"

  /// The key that says the base of such layers' angles where `rope_parameters` does not.
  var baseKey: String {
    switch self {
    case .whole: "global_rope_theta"
    case .window: "local_rope_theta"
    }
  }

  /// Refuses parameters of angles that are not an object of the two kinds, each with a type and a base.
  static func check(_ parameters: JSON) throws(BertError) {
    if parameters.isNull { return }
    guard let kinds = parameters.objectValue else {
      throw BertError(
        .malformed, "rope_parameters is \(parameters.kind); expected an object")
    }
    for key in kinds.keys {
      let own = kinds[key] ?? .null
      let keys = own.objectValue?.keys ?? []
      let isKnown = LayerKind(rawValue: key) != nil && (own.isNull || own.objectValue != nil)
      if !isKnown || keys.contains(where: { $0 != "rope_type" && $0 != "rope_theta" }) {
        throw BertError(
          .unsupported,
          "rope_parameters has \"\(key.prefix(80))\": \(own.text().prefix(80)); only rope_type and "
            + "rope_theta of full_attention and sliding_attention are supported")
      }
    }
  }
}

extension Family {
  /// Which layers' tokens see those near them alone, and how far.
  ///
  /// - Throws: `unsupported` for layers in another order than whole ones in equal distances, from the first on;
  ///   `malformed`.
  func window(_ json: JSON, layers: Int) throws(BertError) -> AttentionWindow? {
    guard windowBase != nil else { return nil }
    func count(_ key: String, _ absent: Int, atLeast least: Int) throws(BertError) -> Int {
      guard let value = json[key], !value.isNull else { return absent }
      guard let count = value.integerValue, count >= least else {
        throw BertError(
          .malformed,
          "\(key) is \(value.text().prefix(40)); expected a whole number from \(least) on")
      }
      return count
    }
    let published = try count("global_attn_every_n_layers", 3, atLeast: 1)
    let every: Int
    if let kinds = json["layer_types"], !kinds.isNull {
      every = try Self.distance(kinds, layers: layers)
      let says = json["global_attn_every_n_layers"].map { !$0.isNull } ?? false
      if says, (0..<layers).contains(where: { ($0 % every == 0) != ($0 % published == 0) }) {
        throw BertError(
          .malformed,
          "layer_types and global_attn_every_n_layers, \(published), contradict each other")
      }
    } else {
      every = published
    }
    let reach = try count("local_attention", 128, atLeast: 2) / 2
    // Layers behind the last do not count.
    let whole = min(every, max(2, layers))
    return every == 1 || layers <= 1 ? nil : AttentionWindow(reach: reach, wholeEvery: whole)
  }

  /// How many layers it is from one whole layer to the next.
  private static func distance(_ kinds: JSON, layers: Int) throws(BertError) -> Int {
    guard let names = kinds.arrayValue, names.count == layers else {
      throw BertError(
        .malformed,
        "layer_types is \(kinds.text().prefix(80)); expected a list of num_hidden_layers names")
    }
    let isWhole = names.map { $0.stringValue == LayerKind.whole.rawValue }
    let every = isWhole.dropFirst().firstIndex(of: true) ?? max(1, layers)
    let isKnown = names.allSatisfy { LayerKind(rawValue: $0.stringValue ?? "") != nil }
    guard isKnown, isWhole.indices.allSatisfy({ isWhole[$0] == ($0 % every == 0) }) else {
      throw BertError(
        .unsupported,
        "layer_types is \(kinds.text().prefix(160)); only \"full_attention\" in layer 0 and in equal "
          + "distances, and \"sliding_attention\" elsewhere, is supported")
    }
    return every
  }

  /// What a classifier reads of a text.
  ///
  /// - Throws: `unsupported` for what is neither the first token's vector nor the mean.
  func classifierInput(_ json: JSON) throws(BertError) -> Pooling {
    guard let said = json["classifier_pooling"], !said.isNull else { return .cls }
    switch said.stringValue {
    case "cls": return .cls
    case "mean": return .mean
    default:
      throw BertError(
        .unsupported,
        "classifier_pooling is \(said.text().prefix(80)); only \"cls\" and \"mean\" are supported")
    }
  }
}
