import BertErrors
import BertModel
import BertRuntime

/// What can be asked of a model, by the names that the command line and `Model.tasks` use.
package enum AnswerTask: String, Sendable, CaseIterable {
  case embedding
  case tokens
  case pooled
  case classify
  case rerank
  case tag
  case answer
  case fillMask = "fill-mask"
  case nextSentence = "next-sentence"
  case choose
  case sparse
  case multiVector = "multi-vector"
  case zeroShot = "zero-shot"

  /// Whether the file's default prompt stands before texts that name none, or before the first of a pair:
  /// where sentence-transformers, whose prompts they are, puts it.
  package var hasDefaultPrompt: Bool {
    [.embedding, .tokens, .classify, .rerank, .sparse].contains(self)
  }

  /// Whether a prompt can stand before its texts.
  ///
  /// It would move the places that other answers name, or is nothing that their models were trained with.
  package var takesPrompt: Bool {
    hasDefaultPrompt || [.pooled, .multiVector, .nextSentence].contains(self)
  }

  /// What a file says that it is for.
  package init(_ task: ModelTask) { self = AnswerTask(rawValue: task.rawValue) ?? .embedding }
}

extension ServedModel {
  private func has(_ stem: String) -> Bool {
    [FloatPart.weight, QuantizedPart.weight].contains { file.find(stem + $0) != nil }
  }

  /// Outputs of a linear; nil where there is none.
  private func outputs(_ stem: String) -> Int? {
    let names = [FloatPart.weight, QuantizedPart.weight].map { stem + $0 }
    return names.lazy.compactMap { self.file.find($0)?.shape.first }.first
  }

  /// Logits of the classifier; nil where there is none.
  var classifierWidth: Int? { outputs(CanonicalName.classifier) }
  /// Numbers of a token's short vector; nil where there is none.
  var multiVectorWidth: Int? { outputs(CanonicalName.multiVector) }

  /// The place of the label that stands for entailment.
  var entailmentLabel: Int? {
    description.labels.firstIndex { $0.lowercased().hasPrefix("entail") }
  }

  /// Whether the file has what a task needs.
  package func answers(_ task: AnswerTask) -> Bool {
    let isOfTexts = [.classify, .rerank].contains(description.task) && classifierWidth != nil
    return switch task {
    case .embedding, .tokens: true
    case .pooled: file.find(CanonicalName.pooler + FloatPart.weight) != nil
    case .classify: isOfTexts
    case .rerank: isOfTexts && classifierWidth == 1
    case .zeroShot: isOfTexts && entailmentLabel != nil && (classifierWidth ?? 0) > 1
    case .tag: description.task == .tag && classifierWidth != nil
    case .choose: description.task == .choose && classifierWidth != nil
    case .answer: has(CanonicalName.answer)
    case .fillMask: has(CanonicalName.maskedTransform)
    case .sparse: has(CanonicalName.maskedTransform) || has(CanonicalName.sparse)
    case .nextSentence: has(CanonicalName.nextSentence)
    case .multiVector: has(CanonicalName.multiVector)
    }
  }

  /// Refuses a task that the file has nothing for, and says what it answers.
  ///
  /// - Throws: `unsupported`; `malformed` for labels that contradict the classifier.
  package func require(_ task: AnswerTask) throws(BertError) {
    guard answers(task) else {
      var missing = "the file has no head for '\(task.rawValue)'"
      if task == .pooled {
        missing =
          "the file holds no pooler: its checkpoint had none, or one whose values were not finite, which is left out"
      }
      if task == .rerank, let width = classifierWidth, answers(.classify) {
        missing = "'rerank' needs a classifier of one logit, and the file's has \(width)"
      }
      if task == .zeroShot, answers(.classify) {
        missing =
          "'zero-shot' needs a model of entailment, with a label that begins so, and the file's labels are "
          + (description.labels.isEmpty
            ? "not named" : description.labels.prefix(12).joined(separator: ", "))
      }
      let has = AnswerTask.allCases.filter(answers).map(\.rawValue)
      throw BertError(
        .unsupported, missing + "; it answers " + has.joined(separator: ", "), file: file.path)
    }
    let labels = description.labels.count
    if [.classify, .tag, .zeroShot].contains(task), labels > 0, let width = classifierWidth,
      labels != width
    {
      throw BertError(
        .malformed, "names \(labels) labels for a classifier of \(width) logits", file: file.path)
    }
  }

  /// The name of a label by its place.
  func label(_ index: Int) -> String {
    index < description.labels.count ? description.labels[index] : "LABEL_\(index)"
  }
}

extension Model {
  /// The tasks that the file answers: names as `bert-run --task` takes them, what the file is for first.
  public var tasks: [String] {
    let own = AnswerTask(served.description.task)
    let all = AnswerTask.allCases.filter { served.answers($0) }
    return (all.filter { $0 == own } + all.filter { $0 != own }).map(\.rawValue)
  }
}
