import BertErrors

/// The two heads that BERT is trained with, over the same hidden states.
package struct PretrainingHeads {
  /// Words for masked tokens.
  package let maskedWords: MaskedWordsHead
  /// Whether the second sentence follows.
  package let nextSentence: NextSentenceHead

  /// Prepares both.
  ///
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` without a pooler.
  package init(_ source: HeadSource) throws(BertError) {
    maskedWords = try MaskedWordsHead(source)
    nextSentence = try NextSentenceHead(source)
  }

  /// The rows of a text that both read: some masked tokens, by their places in it, and the first.
  package static func wanted(masks: [Int]) -> WantedRows {
    .rows(masks.first == 0 ? masks : [0] + masks)
  }
}
