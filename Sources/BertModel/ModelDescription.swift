import BertErrors

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
  /// A score for each of several documents beside one query.
  case rerank
  /// Which of several continuations fits a text.
  case choose
  /// Weights of the vocabulary's tokens.
  case sparse
  /// One short vector a token.
  case multiVector = "multi-vector"
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
  package var embedding = EmbeddingRecipe()
  /// Whether the publisher said so, or it is this package's default.
  package var embeddingIsPublished = false
  /// What the model answers by default.
  package var task = ModelTask.embedding
  /// How the numbers of its heads are read; nil when it has none.
  package var head: HeadSettings?
  /// Words to put before texts, by name.
  package var prompts: [Prompt] = []
  /// The name of the prompt that stands before every text unless another is asked for.
  package var defaultPrompt: String?
  /// Where the model came from.
  package var provenance = Provenance()

  /// Describes a model with this encoder and no tokenizer.
  package init(configuration: BertConfiguration) {
    self.configuration = configuration
  }
}

extension ModelDescription {
  /// The prompt that stands before every text unless another is asked for.
  package var defaultPromptText: String? {
    defaultPrompt.flatMap { name in prompts.first { $0.name == name }?.text }
  }

  /// Names of the logits, in order; empty without a head.
  package var labels: [String] { head?.labels ?? [] }
}

extension ModelDescription {
  /// Refuses descriptions that contradict themselves or are beyond the limits.
  ///
  /// - Throws: `malformed`, or `unsupported` for sizes beyond a limit.
  package func validate() throws(BertError) {
    try configuration.validate()
    try embedding.validate(hiddenSize: configuration.hiddenSize)
    try tokenizer?.validate()
    let names = prompts.map(\.name)
    if Set(names).count != names.count {
      throw BertError(.malformed, "has two prompts of one name")
    }
    if let defaultPrompt, !names.contains(defaultPrompt) {
      throw BertError(
        .malformed, "has a default prompt that is none of its \(prompts.count) prompts")
    }
    guard let head else { return }
    if ![Pooling.pooler, .cls, .mean].contains(head.input) {
      throw BertError(
        .unsupported, "a classifier reads '\(head.input.rawValue)'; pooler, cls or mean is known")
    }
    if let dimensions = head.multiVector?.dimensions,
      !(1...BertConfiguration.largestWidth).contains(dimensions)
    {
      throw BertError(
        .malformed,
        "has token vectors of \(dimensions) dimensions; expected 1 to "
          + "\(BertConfiguration.largestWidth)")
    }
  }
}

extension TokenizerSettings {
  /// The most pieces of a template.
  package static let mostPieces = 64

  func validate() throws(BertError) {
    let limits = [single.count, pair.count]
    if let count = limits.first(where: { $0 > Self.mostPieces }) {
      throw BertError(
        .malformed, "has a template of \(count) pieces; at most \(Self.mostPieces) are allowed")
    }
    func count(_ template: [TemplatePiece], _ part: TemplatePiece.Part) -> Int {
      template.filter { $0.part == part }.count
    }
    let isRight =
      (single.isEmpty || count(single, .firstText) == 1 && count(single, .secondText) == 0)
      && (pair.isEmpty || count(pair, .firstText) == 1 && count(pair, .secondText) == 1)
    if !isRight {
      throw BertError(.malformed, "has a template that does not hold each of its texts once")
    }
    if let type = (single + pair).map(\.tokenType).first(where: { !(0...255).contains($0) }) {
      throw BertError(.malformed, "has a template with token type \(type); expected 0 to 255")
    }
    if addedTokens.contains(where: \.text.isEmpty) {
      throw BertError(.malformed, "has an added token of no text")
    }
  }
}
