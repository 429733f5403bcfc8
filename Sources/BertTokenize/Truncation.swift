import BertErrors

extension TokenLimit {
  /// How many tokens each text keeps of `first` and `second`, with `specials` more around them.
  ///
  /// The arithmetic is that of the fast reference tokenizer: of an odd number of tokens the longer text, or
  /// the second where both are alike, keeps one more. `second` is nil for a single text.
  /// Throws `usage` when the limit has no room for the specials, or when the text that may be cut is not
  /// long enough.
  func kept(
    first: Int, second: Int?, specials: Int
  ) throws(BertError) -> (first: Int, second: Int) {
    guard tokens >= specials else {
      throw BertError(
        .usage, "a limit of \(tokens) tokens has no room for the \(specials) special ones")
    }
    let room = tokens - specials
    let excess = first + (second ?? 0) - room
    if excess <= 0 { return (first, second ?? 0) }
    if room == 0 { return (0, 0) }
    switch strategy {
    case .longestFirst:
      guard let second else { return (room, 0) }
      return Self.longestFirst(first, second, room)
    case .onlyFirst:
      guard first > excess else { throw tooShort("first", first, excess) }
      return (first - excess, second ?? 0)
    case .onlySecond:
      guard let second else {
        throw BertError(.usage, "there is no second text to cut: the strategy needs a pair")
      }
      guard second > excess else { throw tooShort("second", second, excess) }
      return (first, second - excess)
    }
  }

  private static func longestFirst(
    _ first: Int, _ second: Int, _ room: Int
  ) -> (first: Int, second: Int) {
    let shorter = min(first, second)
    let half = room / 2
    let (small, large) = shorter <= half ? (shorter, room - shorter) : (half, room - half)
    return first > second ? (large, small) : (small, large)
  }

  private func tooShort(_ which: String, _ length: Int, _ excess: Int) -> BertError {
    BertError(
      .usage,
      "the \(which) text has \(length) tokens, too few to cut the \(excess) over the limit of \(tokens)"
    )
  }
}
