/// How a WordPiece tokenizer treats text before it looks words up.
///
/// The defaults are those of bert-base-uncased.
public struct WordPieceSettings: Equatable, Sendable {
  /// Lower-case the text.
  public var lowercase = true
  /// Strip accents; nil follows `lowercase`.
  public var stripAccents: Bool?
  /// Put spaces around CJK ideographs.
  public var spaceChinese = true
  /// Words of more Unicode scalars than this become the unknown token; 1 to 1,024.
  ///
  /// The limit bounds the time a word can take, whatever file the settings come from.
  public var maximumWordLength = 100
  /// What a piece that continues a word starts with; at most 64 bytes.
  public var continuationPrefix = "##"
  /// Stands for a word that has no pieces.
  public var unknownToken = "[UNK]"
  /// Starts every input.
  public var classToken = "[CLS]"
  /// Ends every text.
  public var separatorToken = "[SEP]"
  /// Fills a batch in other runtimes; never produced here.
  public var padToken = "[PAD]"
  /// Stands for a word to be filled in.
  public var maskToken = "[MASK]"

  /// The settings of bert-base-uncased.
  public init() {}

  /// Whether accents are stripped, all told.
  var stripsAccents: Bool { stripAccents ?? lowercase }
}
