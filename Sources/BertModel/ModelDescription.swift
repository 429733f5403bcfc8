/// How a text's token vectors become one vector.
public enum Pooling: String, Sendable, CaseIterable {
  /// The mean over all tokens, `[CLS]` and `[SEP]` included.
  case mean
  /// The vector of `[CLS]`.
  case cls
  /// The pooler: tanh of a linear over the vector of `[CLS]`.
  case pooler
}

/// What a model answers by default.
public enum Task: String, Sendable, CaseIterable {
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

/// Settings of the WordPiece tokenizer, as published beside the vocabulary.
public struct TokenizerSettings: Equatable, Sendable {
  /// Lower-case the text first.
  public var lowercase = true
  /// Strip accents; nil follows `lowercase`.
  public var stripAccents: Bool?
  /// Put spaces around CJK ideographs.
  public var spaceChinese = true
  /// Words of more Unicode scalars than this become the unknown token.
  public var maximumWordLength = 100
  /// What a piece that continues a word starts with.
  public var continuationPrefix = "##"
  /// The special tokens, by their text in the vocabulary.
  public var unknownToken = "[UNK]"
  /// Starts every input.
  public var classToken = "[CLS]"
  /// Ends every text.
  public var separatorToken = "[SEP]"
  /// Fills a batch in other runtimes; never computed here.
  public var padToken = "[PAD]"
  /// Stands for a word to be filled in.
  public var maskToken = "[MASK]"
  /// The most tokens of an input, specials included, that the publisher recommends; nil when unsaid.
  public var maximumTokens: Int?

  /// The defaults of bert-base-uncased.
  public init() {}
}

/// Where a model came from.
public struct Provenance: Equatable, Sendable {
  /// The file name of the checkpoint, without its folder.
  public var source = ""
  /// `_name_or_path` of its configuration, when there is one.
  public var publishedName = ""
  /// Class names under `architectures` in its configuration.
  public var architectures: [String] = []
  /// The element type of the published weights (F32, F16, BF16, F64 or mixed).
  public var elementType = ""

  /// An unknown origin.
  public init() {}
}

/// All of a model except its tensors.
public struct ModelDescription: Equatable, Sendable {
  /// The encoder's sizes.
  public var configuration: BertConfiguration
  /// The tokenizer's settings; nil when the model has no vocabulary.
  public var tokenizer: TokenizerSettings?
  /// How an embedding is made.
  public var pooling = Pooling.mean
  /// Whether the publisher said so, or it is this package's default.
  public var poolingIsPublished = false
  /// Whether an embedding is scaled to length 1.
  public var normalizes = false
  /// What the model answers by default.
  public var task = Task.embedding
  /// Label names of a classification or tagging head, in order of the logits.
  public var labels: [String] = []
  /// `problem_type` of the configuration, when given.
  public var problemType = ""
  /// Where the model came from.
  public var provenance = Provenance()

  /// Describes a model with this encoder and no tokenizer.
  public init(configuration: BertConfiguration) {
    self.configuration = configuration
  }
}
