/// A vocabulary as a publisher gives it, of any kind.
package struct TokenizerVocabulary: Sendable {
  /// The tokens, by id; empty where no token has an id.
  package var tokens: [[UInt8]] = []
  /// Ids of tokens that were added to the model's own: found as they stand, and no words or pieces.
  package var addedIDs: Set<Int> = []
  /// Unigram: the scores of the model's pieces, by id.
  package var scores: [Double] = []
  /// Unigram: the unknown piece.
  package var unknownID = 0
  /// Byte pairs: left token, right token and what they become, in order of their ranks.
  package var merges: [(left: UInt32, right: UInt32, result: UInt32)] = []
  /// The tokens of the 256 bytes.
  package var byteTokens: [UInt32] = []
  /// The precompiled normalisation, as published.
  package var charsmap: [UInt8] = []

  /// No tokens.
  package init() {}
}
