/// How a text's token vectors become one vector.
package enum Pooling: String, Sendable, CaseIterable {
  /// The mean over all tokens, `[CLS]` and `[SEP]` included.
  case mean
  /// The vector of `[CLS]`.
  case cls
  /// The pooler: tanh of a linear over the vector of `[CLS]`.
  case pooler
}

/// What a model answers by default.
package enum ModelTask: String, Sendable, CaseIterable {
  /// One vector for the text.
  case embedding
  /// One vector a token.
  case tokens
  /// The pooler's output.
  case pooled
  /// Words for each `[MASK]`.
  case fillMask = "fill-mask"
  /// Whether the second sentence follows the first.
  case nextSentence = "next-sentence"
  /// A label or score for the text.
  case classify
  /// A label for each token.
  case tag
  /// A span of the second text that answers the first.
  case answer
}

/// Where a model came from.
package struct Provenance: Equatable, Sendable {
  /// The file name of the checkpoint, without its folder.
  package var source = ""
  /// `_name_or_path` of its configuration, when there is one.
  package var publishedName = ""
  /// Class names under `architectures` in its configuration.
  package var architectures: [String] = []
  /// The element type of the published weights (F32, F16, BF16, F64 or mixed).
  package var elementType = ""

  /// An unknown origin.
  package init() {}
}

/// All of a model except its tensors.
package struct ModelDescription: Equatable, Sendable {
  /// The encoder's sizes.
  package var configuration: BertConfiguration
  /// The tokenizer's settings; nil when the model has no vocabulary.
  package var tokenizer: TokenizerSettings?
  /// How an embedding is made.
  package var pooling = Pooling.mean
  /// Whether the publisher said so, or it is this package's default.
  package var poolingIsPublished = false
  /// Whether an embedding is scaled to length 1.
  package var normalizes = false
  /// What the model answers by default.
  package var task = ModelTask.embedding
  /// Label names of a classification or tagging head, in order of the logits.
  package var labels: [String] = []
  /// `problem_type` of the configuration, when given.
  package var problemType = ""
  /// Where the model came from.
  package var provenance = Provenance()

  /// Describes a model with this encoder and no tokenizer.
  package init(configuration: BertConfiguration) {
    self.configuration = configuration
  }
}
