import BertErrors
import BertModel

/// What a class name under `architectures` says about a model.
struct Architecture {
  var task: ModelTask
  var heads: Set<HeadKind> = []
  var needsPooler = false
  /// One logit whatever the label names say.
  var hasOneLogit = false

  /// The class without the framework in front: `TFBertModel` is `BertModel`.
  static func plainName(_ name: String) -> String {
    for prefix in ["TF", "Flax"] where name.hasPrefix(prefix + "Bert") {
      return String(name.dropFirst(prefix.count))
    }
    return name
  }

  /// The meaning of a class name; nil for one that is not known.
  ///
  /// - Throws: `unsupported` for a decoder.
  static func named(_ name: String) throws(BertError) -> Architecture? {
    switch plainName(name) {
    case "BertModel": return Architecture(task: .embedding)
    case "BertForMaskedLM": return Architecture(task: .fillMask, heads: [.maskedWords])
    case "BertForPreTraining":
      return Architecture(
        task: .fillMask, heads: [.maskedWords, .nextSentence], needsPooler: true)
    case "BertForNextSentencePrediction":
      return Architecture(task: .nextSentence, heads: [.nextSentence], needsPooler: true)
    case "BertForSequenceClassification":
      return Architecture(task: .classify, heads: [.classifier], needsPooler: true)
    case "BertForMultipleChoice":
      return Architecture(
        task: .choose, heads: [.classifier], needsPooler: true, hasOneLogit: true)
    case "BertForTokenClassification": return Architecture(task: .tag, heads: [.classifier])
    case "BertForQuestionAnswering": return Architecture(task: .answer, heads: [.answer])
    case "BertLMHeadModel":
      throw BertError(
        .unsupported, "architectures says '\(name)', a decoder; encoders are supported")
    default: return nil
    }
  }

  /// The task that the tensors suggest when no class is named.
  static func suggestedTask(heads: [HeadKind], hasPooler: Bool) -> ModelTask {
    if heads.contains(.answer) { return .answer }
    if heads.contains(.classifier) { return hasPooler ? .classify : .tag }
    if heads.contains(.maskedWords) { return .fillMask }
    if heads.contains(.nextSentence) { return .nextSentence }
    return .embedding
  }
}
