/// How a model's texts become token ids: what all kinds of tokenizers share, and one kind's rules.
package struct TokenizerSettings: Equatable, Sendable {
  /// The model that makes tokens of a text, with its own rules.
  package enum Kind: Equatable, Sendable {
    /// The longest pieces of a word, from left to right.
    case wordPiece(WordPieceRules)
    /// Bytes, merged pair by pair.
    case bytePairs(TextRules)
    /// The pieces whose scores sum up highest.
    case unigram(TextRules)

    /// Its name in messages and listings.
    package var name: String {
      switch self {
      case .wordPiece: "WordPiece"
      case .bytePairs: "byte-level BPE"
      case .unigram: "Unigram"
      }
    }

    /// The rules of byte pairs and Unigram.
    package var textRules: TextRules? {
      switch self {
      case .wordPiece: nil
      case .bytePairs(let rules), .unigram(let rules): rules
      }
    }
  }

  /// The model that makes tokens.
  package var kind = Kind.wordPiece(WordPieceRules())
  /// The special tokens, by their text in the vocabulary.
  package var unknownToken = "[UNK]"
  /// Starts every input.
  package var classToken = "[CLS]"
  /// Ends every text.
  package var separatorToken = "[SEP]"
  /// Fills a batch in other runtimes; never computed here.
  package var padToken = "[PAD]"
  /// Stands for a word to be filled in.
  package var maskToken = "[MASK]"
  /// What a single text is framed with; empty for `[CLS] A [SEP]` with the tokens above, types 0.
  package var single: [TemplatePiece] = []
  /// What two texts are framed with; empty for `[CLS] A [SEP] B [SEP]`, types 0 and then 1.
  package var pair: [TemplatePiece] = []
  /// Tokens found in the text before anything else is done to it; empty for the special tokens
  /// above, each as it stands.
  package var addedTokens: [AddedToken] = []
  /// The most tokens of an input, specials included, that the publisher recommends; nil when unsaid.
  package var maximumTokens: Int?
  /// Whether what is too long loses its beginning rather than its end.
  package var cutsLeft = false

  /// The defaults of bert-base-uncased.
  package init() {}

  /// The rules of WordPiece, where it is that kind.
  package var wordPiece: WordPieceRules? {
    get { if case .wordPiece(let rules) = kind { rules } else { nil } }
    set { if let newValue { kind = .wordPiece(newValue) } }
  }
}

/// The rules of BERT's WordPiece, as published beside the vocabulary.
package struct WordPieceRules: Equatable, Sendable {
  /// Lower-case the text first.
  package var lowercase = true
  /// Strip accents; nil follows `lowercase`.
  package var stripAccents: Bool?
  /// Remove control characters and what Unicode assigns to nothing first; only without it where letters
  /// are left as they are (`lowercase` and `stripAccents` false).
  package var cleansText = true
  /// Put spaces around CJK ideographs.
  package var spaceChinese = true
  /// Words of more Unicode scalars than this become the unknown token; 1 to 1,024.
  ///
  /// The limit bounds the time a word can take, whatever file the rules come from.
  package var maximumWordLength = 100
  /// What a piece that continues a word starts with; at most 64 bytes.
  package var continuationPrefix = "##"

  /// The defaults of bert-base-uncased.
  package init() {}

  /// Whether accents are stripped, all told.
  package var stripsAccents: Bool { stripAccents ?? lowercase }
}

/// What is done to a text before byte pairs or Unigram pieces are looked for.
package struct TextRules: Equatable, Sendable {
  /// Changes to the text, in order.
  package var normalization: [NormalizationStep] = []
  /// Cuts into words, in order.
  package var splitting: [SplittingStep] = []
  /// Whether a scalar that no piece has becomes the pieces of its bytes.
  package var fallsBackToBytes = false

  /// No rules.
  package init() {}
}

/// A change to a text.
package enum NormalizationStep: Equatable, Sendable {
  /// By the table `tokenizer.normalizer`.
  case precompiled
  /// Unicode's normalisation forms.
  case nfc, nfd, nfkc, nfkd
  /// Every scalar's lower case.
  case lowercase
  /// Without nonspacing marks.
  case stripAccents
  /// Without white space at the beginning.
  case stripLeft
  /// Without white space at the end.
  case stripRight
  /// Two and more spaces become one.
  case collapseSpaces
  /// Two and more scalars of white space become one space, and so does a line feed, a carriage return or a tab alone.
  case collapseWhiteSpace
  /// Every occurrence of a string, taken literally, becomes another.
  case replace(pattern: String, content: String)
}

/// A cut of a text into words.
package enum SplittingStep: Equatable, Sendable {
  /// At white space, which is dropped.
  case whitespace
  /// Spaces become U+2581, and the text is cut before each where `splits`.
  case metaspace(prefixesFirst: Bool, prefixesAlways: Bool, splits: Bool)
  /// By GPT-2's pattern where `splits`, and every byte becomes a scalar.
  case byteLevel(prefixesFirst: Bool, splits: Bool)
}

/// A piece of what an input is framed with.
package struct TemplatePiece: Equatable, Sendable {
  /// What stands there.
  package enum Part: Equatable, Sendable {
    /// A token of the vocabulary.
    case token(String)
    /// The first or only text's tokens.
    case firstText
    /// The second text's tokens.
    case secondText
  }

  /// What stands there.
  package var part: Part
  /// The token type of all of it.
  package var tokenType: Int

  /// Makes a piece.
  package init(_ part: Part, tokenType: Int = 0) {
    self.part = part
    self.tokenType = tokenType
  }
}

/// A token that is found in a text as it stands.
package struct AddedToken: Equatable, Sendable {
  /// What is looked for.
  package var text: String
  /// Its id.
  package var id: Int
  /// Whether white space before it belongs to it (`lstrip`).
  package var takesSpaceBefore = false
  /// Whether white space behind it belongs to it (`rstrip`).
  package var takesSpaceBehind = false
  /// Whether it counts only where it is a word of its own.
  package var isSingleWord = false
  /// Whether it is looked for in the normalised text.
  package var isNormalized = false
  /// Whether decoding leaves it out.
  package var isSpecial = true

  /// A special token with no flags.
  package init(_ text: String, id: Int) {
    self.text = text
    self.id = id
  }
}
