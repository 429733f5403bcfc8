/// How the numbers that a model's heads give are read.
package struct HeadSettings: Equatable, Sendable {
  /// Names of a classifier's logits, in order.
  package var labels: [String] = []
  /// `problem_type` of the configuration, empty when not given.
  package var problemType = ""
  /// What makes a score of a single logit; nil when the publisher does not say.
  package var scoreActivation: OutputActivation?
  /// What a classifier of texts reads: the pooler's vector, the first token's, or the mean.
  package var input = Pooling.pooler
  /// What follows the classifier's first linear, where it has two.
  package var denseActivation: OutputActivation?
  /// What follows the linear before the masked-word decoder; nil for the encoder's activation.
  package var transformActivation: OutputActivation?
  /// What makes a sparse vector's weight of a score.
  package var sparseWeight: SparseWeight?
  /// Whether a sparse vector sums its weights over the tokens; it takes the largest otherwise.
  package var sumsSparseWeights = false
  /// How a text becomes many vectors.
  package var multiVector: MultiVectorSettings?

  /// A head without labels.
  package init() {}

  /// A classifier's logits by name.
  package init(labels: [String], problemType: String = "") {
    self.labels = labels
    self.problemType = problemType
  }
}

/// What makes a sparse vector's weight of a score.
package enum SparseWeight: String, Sendable, CaseIterable {
  /// log(1 + max(x, 0)).
  case log1pRelu = "log1p-relu"
  /// max(x, 0), of a token's own weight.
  case reluOfToken = "relu-of-token"
  /// log(1 + log(1 + max(x, 0))).
  case log1pLog1pRelu = "log1p-log1p-relu"
}

/// How a text becomes a vector for each of its tokens, to be compared token by token.
package struct MultiVectorSettings: Equatable, Sendable {
  /// The width of a token's vector.
  package var dimensions: Int
  /// The token behind the first of a query; empty for none.
  package var queryMarker = ""
  /// The token behind the first of a document; empty for none.
  package var documentMarker = ""
  /// The most tokens of a query; nil when unsaid.
  package var queryLength: Int?
  /// The most tokens of a document; nil when unsaid.
  package var documentLength: Int?
  /// Whether queries are filled up to `queryLength` with the mask token.
  package var fillsQueries = false
  /// Whether what fills a query sees it and is seen by no token.
  package var hidesFilling = false
  /// Tokens of documents that get no vector.
  package var skippedTokens: [String] = []

  /// Vectors of this width.
  package init(dimensions: Int) { self.dimensions = dimensions }
}
