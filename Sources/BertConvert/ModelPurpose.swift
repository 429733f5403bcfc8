import BertImport
import BertModel

/// What a converted model is for, and what it answers.
struct ModelPurpose {
  private let model: ModelDescription
  private let heads: [HeadKind]
  private let hasPooler: Bool

  init(_ model: ImportedModel) {
    self.model = model.description
    heads = model.heads
    hasPooler = model.hasPooler
  }

  /// Tasks that the model answers, the one it is for first.
  var tasks: [ModelTask] {
    var list = [model.task]
    for head in heads {
      switch head {
      case .classifier where model.task == .classify && hasOneLogit: list.append(.rerank)
      case .maskedWords: list.append(.fillMask)
      case .nextSentence: list.append(.nextSentence)
      case .multiVector: list.append(.multiVector)
      default: break
      }
    }
    list += [.embedding, .tokens] + (hasPooler ? [.pooled] : [])
    return list.enumerated().filter { place, task in !list[..<place].contains(task) }.map(\.element)
  }

  private var hasOneLogit: Bool { model.labels.count == 1 }

  /// The names of a classifier's labels, in the order of its logits.
  var labels: [String] { heads.contains(.classifier) ? model.labels : [] }

  /// What it is for, in a line.
  var sentence: String {
    let embedding = model.embedding
    let width = embedding.width(hiddenSize: model.configuration.hiddenSize)
    switch model.task {
    case .embedding, .tokens, .pooled:
      return "embeddings of \(width) numbers, pooling "
        + embedding.poolings.map(\.rawValue).joined(separator: " with ")
        + (model.embeddingIsPublished ? "" : " (not published; the default)")
        + (embedding.normalizes ? ", normalised" : "")
    case .classify where labels.count == 1: return "a score of a text, or of a pair of texts"
    case .classify:
      return model.head?.problemType == "multi_label_classification"
        ? "labels of a text, each for itself" : "one of \(labels.count) labels of a text"
    case .rerank: return "scores of documents beside a query"
    case .tag: return "labels of a text's words"
    case .answer: return "answers to questions, found in a text"
    case .fillMask: return "words for [MASK]"
    case .nextSentence: return "whether one text follows another"
    case .choose: return "which of several continuations fits a text"
    case .sparse: return "sparse vectors over the vocabulary"
    case .multiVector: return "a vector for each token of a text"
    }
  }
}
