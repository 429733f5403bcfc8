/// A published tensor name, brought to the one spelling that the table of expected tensors uses.
///
/// Hugging Face's spelling is that one, without the prefix of the encoder. Older checkpoints write
/// `gamma` and `beta`; Flax's `kernel`, `embedding` and `scale`; TensorFlow's separate with `/`, number layers `layer_0`, call weights
/// `kernel` and store those `[in, out]`.
struct PublishedName {
  /// The name in Hugging Face's spelling, prefix included.
  var dotted: String
  /// Whether a matrix of this name is stored `[in, out]`.
  var isTransposed = false
  /// Why the tensor can be passed over whatever the model, if it can.
  var reasonToIgnore: String?

  init(_ published: String, of family: Family) {
    var name = published
    // A graph's tensors have an output number.
    if name.hasSuffix(":0") { name.removeLast(2) }
    dotted = name
    reasonToIgnore = Self.trainingState(name)
    if reasonToIgnore != nil { return }
    if name.contains("/") || Self.bareTensorFlowNames[name] != nil {
      translateTensorFlow(name)
    }
    translateFlax()
    if dotted.hasSuffix("LayerNorm.gamma") {
      dotted = dotted.dropLast(5) + "weight"
    } else if dotted.hasSuffix("LayerNorm.beta") {
      dotted = dotted.dropLast(4) + "bias"
    }
    dotted = family.renamed(dotted)
  }

  private static let bareTensorFlowNames = [
    "output_weights": "classifier.weight", "output_bias": "classifier.bias",
  ]

  /// Names of the original code's heads, which follow no rule.
  private static let headNames =
    bareTensorFlowNames.merging([
      "cls/predictions/output_bias": "cls.predictions.bias",
      "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
      "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
      "cls/squad/output_weights": "qa_outputs.weight",
      "cls/squad/output_bias": "qa_outputs.bias",
    ]) { first, _ in first }

  private mutating func translateTensorFlow(_ name: String) {
    if let head = Self.headNames[name] {
      dotted = head
      return
    }
    var parts: [Substring] = []
    for part in name.split(separator: "/", omittingEmptySubsequences: false) {
      if part.hasPrefix("layer_._"), Int(part.dropFirst(8)) != nil {
        // Keras's spelling.
        parts += ["layer", part.dropFirst(8)]
      } else if part.hasPrefix("layer_"), Int(part.dropFirst(6)) != nil {
        parts += ["layer", part.dropFirst(6)]
      } else if part == "mlm___cls" || part == "nsp___cls" {
        parts.append("cls")
      } else {
        parts.append(part)
      }
    }
    if parts.last == "kernel" {
      parts[parts.count - 1] = "weight"
      isTransposed = true
    } else if parts.last?.hasSuffix("_embeddings") == true {
      parts.append("weight")
    } else if parts.last == "embeddings", parts.dropLast().last?.hasSuffix("_embeddings") == true {
      parts[parts.count - 1] = "weight"
    }
    dotted = parts.joined(separator: ".")
  }

  /// Flax calls weights `kernel`, stored `[in, out]`, `embedding` in tables, and `scale` in norms.
  private mutating func translateFlax() {
    for (suffix, isMatrix) in [
      (".kernel", true), (".embedding", false), ("LayerNorm.scale", false),
    ]
    where dotted.hasSuffix(suffix) {
      let last = dotted.split(separator: ".").last ?? ""
      dotted = dotted.dropLast(last.count) + "weight"
      isTransposed = isTransposed || isMatrix
    }
  }

  /// Recognises what an optimiser leaves in a checkpoint.
  private static func trainingState(_ name: String) -> String? {
    // What training programs save beside the model, in one file with it.
    let first = name.prefix { $0 != "." && $0 != "/" }
    if ["optimizer", "optimizers", "optimizer_state_dict", "optimizer_states", "optim"].contains(
      first)
    {
      return "optimiser state"
    }
    if ["scheduler", "lr_scheduler", "lr_schedulers", "scaler", "amp"].contains(first) {
      return "training counter"
    }
    let last = name.split(whereSeparator: { $0 == "/" || $0 == "." }).last ?? ""
    switch last {
    case "adam_m", "adam_v", "lamb_m", "lamb_v", "Adam", "Adam_1": return "optimiser state"
    case "global_step", "beta1_power", "beta2_power", "good_steps", "loss_scale":
      return "training counter"
    default: return nil
    }
  }

  /// Recognises buffers that hold no weights; `relative` is without the encoder's prefix.
  static func buffer(_ relative: String) -> String? {
    switch relative {
    case "embeddings.position_ids": "the numbers 0, 1, 2 ...: positions are counted"
    case "embeddings.token_type_ids": "zeros: segments come with the input"
    default: nil
    }
  }
}

/// Where the encoder's tensors are in a checkpoint's names.
struct NamePrefix {
  /// Before `embeddings.`, `encoder.` and `pooler.`: "", "bert.", "module.bert.", "0.auto_model." ...
  let encoder: String
  /// Before a head's names: the same without its last part, where that names the encoder alone (`bert.`).
  let root: String
  /// Other prefixes under which a whole encoder seems to lie.
  let others: [String]

  /// Finds the prefix from the word embeddings, of which every encoder has one.
  ///
  /// - Parameter encoderNames: what a family calls an encoder inside a model with a head.
  init(_ names: some Sequence<String>, encoderNames: [String]) {
    let landmark = "embeddings.word_embeddings.weight"
    var prefixes: [String] = []
    var first: String?
    let ownNames = encoderNames.map { $0 + "." }
    for name in names {
      if first == nil { first = ownNames.first { name.hasPrefix($0) } }
      guard name.hasSuffix(landmark) else { continue }
      let prefix = String(name.dropLast(landmark.count))
      if prefix.isEmpty || prefix.hasSuffix(".") { prefixes.append(prefix) }
    }
    let best = prefixes.min { $0.count < $1.count } ?? first ?? ""
    encoder = best
    others = prefixes.filter { $0 != best }
    let own = ownNames.first { best == $0 || best.hasSuffix("." + $0) }
    root = String(best.dropLast(own?.count ?? 0))
  }

  /// The name without the encoder's or the head's prefix; nil when it has neither.
  func relative(_ dotted: String) -> String? {
    if dotted.hasPrefix(encoder) {
      let name = String(dotted.dropFirst(encoder.count))
      let isEncoder = ["embeddings.", "encoder.", "pooler."].contains { name.hasPrefix($0) }
      if isEncoder || encoder == root { return name }
    }
    // Heads only: an encoder's tensor outside the encoder's prefix is not the encoder's. They stand beside the
    // encoder, or beside what wraps it.
    for place in Self.outerPrefixes(root) where dotted.hasPrefix(place) {
      let name = String(dotted.dropFirst(place.count))
      if ["cls.", "classifier.", "qa_outputs.", "linear."].contains(where: { name.hasPrefix($0) }) {
        return name
      }
    }
    return nil
  }

  /// A prefix, and all that it begins with, the longest first: "a.b." gives "a.b.", "a." and "".
  private static func outerPrefixes(_ prefix: String) -> [String] {
    var parts = prefix.split(separator: ".")
    var prefixes: [String] = []
    while !parts.isEmpty {
      prefixes.append(parts.joined(separator: ".") + ".")
      parts.removeLast()
    }
    return prefixes + [""]
  }
}
