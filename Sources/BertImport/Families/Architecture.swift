import BertErrors
import BertModel

/// What a class name under `architectures` says about a model.
struct Architecture: Sendable {
  var task: ModelTask
  var heads: Set<HeadKind> = []
  var needsPooler = false
  /// Whether its classifier reads one vector of a text, and so has what stands before it in its family.
  var classifiesTexts = false
  /// Whether its head reads each token's vector through what stands before its family's classifiers.
  var readsDense = false
  /// One logit whatever the label names say.
  var hasOneLogit = false
  /// What follows a linear before the classifier's, where that is not what the family's have.
  var denseActivation: DenseActivation?
  /// The labels, where the class gives them and no configuration does.
  var labels: [String] = []
  /// Whether each logit has a sigmoid of its own.
  var hasIndependentLabels = false

  /// What follows a classifier's first linear.
  enum DenseActivation: Sendable { case encoders }

  /// The class without the framework in front: `TFBertModel` is `BertModel`.
  static func plainName(_ name: String) -> String {
    for prefix in ["TF", "Flax"] where name.hasPrefix(prefix) {
      return String(name.dropFirst(prefix.count))
    }
    return name
  }

  /// The meaning of a class name; nil for one that is not known.
  ///
  /// - Throws: `unsupported` for a decoder, and for classes with a head of their own.
  static func named(_ name: String, of family: Family) throws(BertError) -> Architecture? {
    let plain = plainName(name)
    // The original ColBERT, on any encoder.
    if plain == "HF_ColBERT" { return Architecture(task: .multiVector, heads: [.multiVector]) }
    guard plain.hasPrefix(family.classPrefix) else { return nil }
    let suffix = String(plain.dropFirst(family.classPrefix.count))
    if let own = family.architectures[suffix] { return own }
    let readsPooler = family.classifier == .pooler
    switch suffix {
    case "Model": return Architecture(task: .embedding)
    case "ForMaskedLM": return Architecture(task: .fillMask, heads: [.maskedWords])
    case "ForPreTraining" where readsPooler:
      return Architecture(
        task: .fillMask, heads: [.maskedWords, .nextSentence], needsPooler: true)
    case "ForNextSentencePrediction" where readsPooler:
      return Architecture(task: .nextSentence, heads: [.nextSentence], needsPooler: true)
    case "ForSequenceClassification":
      return Architecture(
        task: .classify, heads: [.classifier], needsPooler: readsPooler, classifiesTexts: true)
    case "ForMultipleChoice":
      return Architecture(
        task: .choose, heads: [.classifier], needsPooler: readsPooler, classifiesTexts: true,
        hasOneLogit: true)
    case "ForTokenClassification": return Architecture(task: .tag, heads: [.classifier])
    case "ForQuestionAnswering": return Architecture(task: .answer, heads: [.answer])
    case "LMHeadModel", "ForCausalLM", "Decoder":
      throw BertError(
        .unsupported, "architectures says '\(name)', a decoder; encoders are supported")
    default: return nil
    }
  }

  /// The task that the tensors suggest when no class is named.
  static func suggestedTask(
    heads: [HeadKind], hasPooler: Bool, hasDense: Bool = false
  ) -> ModelTask {
    if heads.contains(.answer) { return .answer }
    if heads.contains(.classifier) { return hasPooler || hasDense ? .classify : .tag }
    if heads.contains(.maskedWords) { return .fillMask }
    if heads.contains(.nextSentence) { return .nextSentence }
    return .embedding
  }
}
