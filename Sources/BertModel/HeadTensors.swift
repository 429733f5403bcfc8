import BertErrors

/// What stands on the encoder to answer a task.
package enum HeadKind: String, Sendable, CaseIterable {
  /// Scores of every word for every token (masked language model).
  case maskedWords = "masked-words"
  /// Whether the second sentence follows the first; reads the pooler's output.
  case nextSentence = "next-sentence"
  /// Labels of a text (reads the pooler's output) or of each token (reads the last layer).
  case classifier
  /// Start and end of an answer, for every token.
  case answer
}

extension CanonicalName {
  /// The stem of the linear before the masked-word decoder: `.weight` `[hidden, hidden]`, `.bias`.
  package static let maskedTransform = "head.mlm.transform"
  /// The stem of the layer norm after that linear: `.weight` and `.bias`, `[hidden]`.
  package static let maskedNorm = "head.mlm.norm"
  /// The stem of the decoder: `.weight` `[vocabulary, hidden]` only when it is not the word
  /// embeddings, `.bias` `[vocabulary]` always.
  package static let maskedDecoder = "head.mlm.decoder"
  /// The stem of the next-sentence linear: `.weight` `[2, hidden]`, `.bias` `[2]`.
  package static let nextSentence = "head.nsp"
  /// The stem of the classifier: `.weight` `[labels, hidden]`, `.bias` `[labels]`.
  package static let classifier = "head.classifier"
  /// The stem of the answer linear: `.weight` `[2, hidden]`, `.bias` `[2]`.
  package static let answer = "head.answer"
  /// The stem of the linear that narrows each token's vector: `.weight` `[dimensions, hidden]`,
  /// `.bias` `[dimensions]`.
  package static let multiVector = "head.multi_vector"
}

extension BertConfiguration {
  /// The tensors of a head, all row-major float32.
  ///
  /// - Parameters:
  ///   - labels: logits of a classifier; other heads do not look at it.
  ///   - tiesDecoder: whether the masked-word decoder uses the word embeddings as its weight.
  package func tensors(
    of head: HeadKind, labels: Int = 0, tiesDecoder: Bool = true
  ) -> [TensorRequirement] {
    func linear(_ stem: String, _ outputs: Int) -> [TensorRequirement] {
      [
        TensorRequirement(stem + ".weight", [outputs, hiddenSize]),
        TensorRequirement(stem + ".bias", [outputs]),
      ]
    }
    switch head {
    case .maskedWords:
      let decoder = linear(CanonicalName.maskedDecoder, vocabularySize)
      return linear(CanonicalName.maskedTransform, hiddenSize) + [
        TensorRequirement(CanonicalName.maskedNorm + ".weight", [hiddenSize]),
        TensorRequirement(CanonicalName.maskedNorm + ".bias", [hiddenSize]),
      ] + (tiesDecoder ? Array(decoder.dropFirst()) : decoder)
    case .nextSentence: return linear(CanonicalName.nextSentence, 2)
    case .classifier: return linear(CanonicalName.classifier, labels)
    case .answer: return linear(CanonicalName.answer, 2)
    }
  }
}
