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
  /// A short vector of each token.
  case multiVector = "multi-vector"
}

extension HeadKind {
  /// The stem of the linear that gives the head's numbers.
  package var stem: String {
    switch self {
    case .maskedWords: CanonicalName.maskedDecoder
    case .nextSentence: CanonicalName.nextSentence
    case .classifier: CanonicalName.classifier
    case .answer: CanonicalName.answer
    case .multiVector: CanonicalName.multiVector
    }
  }
}

extension CanonicalName {
  /// The stem of the linear before the masked-word decoder: `.weight` `[embedding, hidden]`, `.bias`;
  /// both are as wide as the word embeddings, to which the decoder may be tied.
  package static let maskedTransform = "head.mlm.transform"
  /// The stem of the layer norm after that linear: `.weight` and `.bias`, `[embedding]`.
  package static let maskedNorm = "head.mlm.norm"
  /// The stem of the decoder: `.weight` `[vocabulary, embedding]` only when it is not the word
  /// embeddings, `.bias` `[vocabulary]` always; `.int8.*` where the int8 path uses it so.
  package static let maskedDecoder = "head.mlm.decoder"
  /// The stem of the next-sentence linear: `.weight` `[2, hidden]`, `.bias` `[2]`.
  package static let nextSentence = "head.nsp"
  /// The stem of a classifier's first linear, where it has two: `.weight` `[hidden, hidden]`, `.bias`.
  package static let classifierDense = "head.classifier.dense"
  /// The stem of the layer norm behind it, where there is one: `.weight` and `.bias`, `[hidden]`.
  package static let classifierNorm = "head.classifier.norm"
  /// The stem of the linear of logits, of a text, a choice or each token: `.weight`
  /// `[labels, hidden]`, `.bias` `[labels]`.
  package static let classifier = "head.classifier"
  /// The stem of the answer linear: `.weight` `[2, hidden]`, `.bias` `[2]`.
  package static let answer = "head.answer"
  /// The stem of the linear that weighs tokens for a sparse vector: `.weight` `[1, hidden]`, `.bias`.
  ///
  /// Where it is absent, the masked-word decoder's scores are the weights.
  package static let sparse = "head.sparse"
  /// The stem of the linear that narrows each token's vector: `.weight` `[dimensions, hidden]`,
  /// `.bias` `[dimensions]`.
  package static let multiVector = "head.multi_vector"
  /// What the names of all heads' tensors begin with.
  package static let headPrefix = "head."
}

extension TensorRequirement {
  /// A linear's float weight, in panels, and its bias.
  package static func linear(_ stem: String, outputs: Int, inputs: Int) -> [TensorRequirement] {
    [
      TensorRequirement(stem + FloatPart.weight, [outputs, inputs], .floatPanels),
      TensorRequirement(stem + FloatPart.bias, [outputs]),
    ]
  }

  /// A layer norm's weight and bias.
  package static func norm(_ stem: String, width: Int) -> [TensorRequirement] {
    [
      TensorRequirement(stem + FloatPart.weight, [width]),
      TensorRequirement(stem + FloatPart.bias, [width]),
    ]
  }
}

extension BertConfiguration {
  /// The float32 tensors of a head.
  ///
  /// - Parameters:
  ///   - labels: logits of a classifier, numbers of a token's short vector; other heads do not look at it.
  ///   - tiesDecoder: whether the masked-word decoder uses the word embeddings as its weight.
  package func tensors(
    of head: HeadKind, labels: Int = 0, tiesDecoder: Bool = true
  ) -> [TensorRequirement] {
    func linear(_ stem: String, _ outputs: Int) -> [TensorRequirement] {
      TensorRequirement.linear(stem, outputs: outputs, inputs: hiddenSize)
    }
    switch head {
    case .maskedWords:
      let decoder = TensorRequirement.linear(
        CanonicalName.maskedDecoder, outputs: vocabularySize, inputs: embeddingWidth)
      return linear(CanonicalName.maskedTransform, embeddingWidth)
        + TensorRequirement.norm(CanonicalName.maskedNorm, width: embeddingWidth)
        + (tiesDecoder ? Array(decoder.dropFirst()) : decoder)
    case .nextSentence: return linear(CanonicalName.nextSentence, 2)
    case .classifier: return linear(CanonicalName.classifier, labels)
    case .multiVector: return linear(CanonicalName.multiVector, labels)
    case .answer: return linear(CanonicalName.answer, 2)
    }
  }
}
