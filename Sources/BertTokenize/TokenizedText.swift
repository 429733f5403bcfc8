/// Token ids of one or more inputs, end to end; keep one and append to it, so that nothing is allocated.
package struct TokenizedText: Sendable, Equatable {
  /// Ids of the vocabulary.
  package var ids: [Int32] = []
  /// The segment of each token: 0 for the first text and its specials, 1 for the second and its separator.
  package var typeIDs: [UInt8] = []
  /// Where each token lies in its text; as many as ids when spans were asked for every time, else fewer.
  package var spans: [TokenSpan] = []

  /// No tokens.
  package init() {}

  /// Forgets all tokens but keeps the memory.
  package mutating func removeAll() {
    ids.removeAll(keepingCapacity: true)
    typeIDs.removeAll(keepingCapacity: true)
    spans.removeAll(keepingCapacity: true)
  }
}

extension TokenizedText {
  /// Removes `count` tokens, leaving `after` at the end.
  mutating func removeTokens(_ count: Int, leaving after: Int, spans hasSpans: Bool) {
    guard count > 0 else { return }
    ids.removeSubrange(ids.count - after - count..<ids.count - after)
    if hasSpans { spans.removeSubrange(spans.count - after - count..<spans.count - after) }
  }
}

/// Where a token lies in the text that it is from.
package struct TokenSpan: Sendable, Equatable {
  /// The first Unicode scalar of the text that the token covers; invalid UTF-8 counts as U+FFFD.
  package var start: Int32
  /// One after the last.
  package var end: Int32
  /// The word, counted from 0 in each text; -1 for `[CLS]` and `[SEP]` that were added.
  package var word: Int32

  /// A span of scalars in a word.
  package init(start: Int32, end: Int32, word: Int32) {
    self.start = start
    self.end = end
    self.word = word
  }

  /// The span of a special token that was added.
  static let added = TokenSpan(start: 0, end: 0, word: -1)
}

/// Which text of a pair gives way when an input is too long.
package enum TruncationStrategy: Sendable {
  /// The longer one, then both alike; of an odd number the longer text, or the second, gets one more.
  case longestFirst
  /// The first only.
  case onlyFirst
  /// The second only.
  case onlySecond
}

/// The most tokens that an input may have.
package struct TokenLimit: Sendable, Equatable {
  /// Tokens of the input, specials included.
  package var tokens: Int
  /// What gives way.
  package var strategy: TruncationStrategy
  /// Whether texts lose their beginnings, not their ends; nil does as the tokenizer's settings say.
  package var cutsLeft: Bool?

  /// A limit of `tokens`, specials included.
  package init(
    _ tokens: Int, _ strategy: TruncationStrategy = .longestFirst, cutsLeft: Bool? = nil
  ) {
    self.tokens = tokens
    self.strategy = strategy
    self.cutsLeft = cutsLeft
  }
}

/// What became of one input.
package struct EncodedInput: Sendable, Equatable {
  /// Tokens appended, specials included.
  package var count: Int
  /// Tokens cut from the first text.
  package var cutFromFirst: Int
  /// Tokens cut from the second text.
  package var cutFromSecond: Int

  /// Tokens that the input has without a limit, specials included.
  package var fullCount: Int { count + cutFromFirst + cutFromSecond }
  /// Whether anything was cut.
  package var isTruncated: Bool { cutFromFirst + cutFromSecond > 0 }
}
