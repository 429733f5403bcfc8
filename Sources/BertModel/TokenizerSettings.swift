/// Settings of the WordPiece tokenizer, as published beside the vocabulary.
package struct TokenizerSettings: Equatable, Sendable {
  /// Lower-case the text first.
  package var lowercase = true
  /// Strip accents; nil follows `lowercase`.
  package var stripAccents: Bool?
  /// Put spaces around CJK ideographs.
  package var spaceChinese = true
  /// Words of more Unicode scalars than this become the unknown token; 1 to 1,024.
  ///
  /// The limit bounds the time a word can take, whatever file the settings come from.
  package var maximumWordLength = 100
  /// What a piece that continues a word starts with; at most 64 bytes.
  package var continuationPrefix = "##"
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
  /// The most tokens of an input, specials included, that the publisher recommends; nil when unsaid.
  package var maximumTokens: Int?

  /// The defaults of bert-base-uncased.
  package init() {}

  /// Whether accents are stripped, all told.
  package var stripsAccents: Bool { stripAccents ?? lowercase }
}
