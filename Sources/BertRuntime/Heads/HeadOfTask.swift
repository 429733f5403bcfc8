import BertErrors
import BertModel

extension HeadSource {
  /// The head that a model's task asks for; nil when it has none, or one whose answers are no rows of
  /// scores (`SparseHead`).
  ///
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` when the head reads a pooler
  ///   that the model does not have.
  package func headOfTask() throws(BertError) -> (any Head)? {
    switch weights.model.task {
    case .classify, .rerank: try TextClassifierHead(self)
    case .tag: try TokenClassifierHead(self)
    case .nextSentence: try NextSentenceHead(self)
    case .answer: try AnswerHead(self)
    case .fillMask: try MaskedWordsHead(self)
    case .choose: try MultipleChoiceHead(self)
    case .multiVector: try MultiVectorHead(self)
    case .embedding, .tokens, .pooled, .sparse: nil
    }
  }
}
