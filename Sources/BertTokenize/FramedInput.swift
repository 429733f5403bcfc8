import BertErrors

/// Texts that were made tokens one by one, put together as the model takes them: with a place for each.
package struct FramedInput: Sendable, Equatable {
  /// Ids of all tokens, the special ones included.
  package private(set) var ids: [Int32] = []
  /// The token type of each.
  package private(set) var types: [UInt8] = []
  /// Where each lies in its own text; word -1 for what was added.
  package private(set) var spans: [TokenSpan] = []
  /// The tokens of the first text.
  package private(set) var first = 0..<0
  /// The tokens of the second text; empty where there is none.
  package private(set) var second = 0..<0
  /// How many tokens were cut off.
  package fileprivate(set) var cut = 0

  fileprivate init() {}

  fileprivate mutating func append(_ text: TokenizedText, _ kept: Range<Int>, type: UInt8) -> Range<
    Int
  > {
    let start = ids.count
    ids += text.ids[kept]
    spans += text.spans[kept]
    types += repeatElement(type, count: kept.count)
    return start..<ids.count
  }

  fileprivate mutating func append(
    _ step: Frame.Step, _ first: TokenizedText, _ second: TokenizedText?,
    _ kept: (first: Range<Int>, second: Range<Int>)
  ) {
    switch step.part {
    case .token(let id):
      ids.append(id)
      spans.append(.added)
      types.append(step.tokenType)
    case .firstText: self.first = append(first, kept.first, type: step.tokenType)
    case .secondText:
      if let second { self.second = append(second, kept.second, type: step.tokenType) }
    }
  }
}

extension Tokenizer {
  /// How many tokens the frame of one text, or of two, adds.
  package func frameTokens(pair isPair: Bool) -> Int { (isPair ? pair : single).tokenCount }

  /// The tokens of a text alone, with their places and without what frames it.
  ///
  /// - Throws: as `encode` does.
  package func bare(_ text: [UInt8]) throws(BertError) -> TokenizedText {
    var encoding = TokenizedText()
    try text.withUnsafeBufferPointer { (text) throws(BertError) in
      _ = try encode(text, addsSpecials: false, spans: true, appendingTo: &encoding)
    }
    return encoding
  }

  /// The tokens of words that are split already: each is made tokens alone, and counts as a word.
  ///
  /// Places are those in the words joined by a space each.
  ///
  /// - Throws: as `encode` does.
  package func bare(words: [[UInt8]]) throws(BertError) -> TokenizedText {
    var all = TokenizedText()
    var offset: Int32 = 0
    for (index, word) in words.enumerated() {
      let tokens = try bare(word)
      all.ids += tokens.ids
      all.typeIDs += tokens.typeIDs
      all.spans += tokens.spans.map {
        TokenSpan(
          start: offset + $0.start, end: offset + $0.end, word: Int32(truncatingIfNeeded: index))
      }
      offset += Int32(truncatingIfNeeded: TextPlaces.scalarCount(word)) + 1
    }
    return all
  }

  /// Puts texts in their frame.
  ///
  /// - Parameters:
  ///   - first: made by `bare`, as the second.
  ///   - limit: the most tokens; texts are cut to it as `encode` cuts them.
  /// - Throws: `usage` when the limit cannot be kept.
  package func framed(
    _ first: TokenizedText, _ second: TokenizedText? = nil, limit: TokenLimit? = nil
  ) throws(BertError) -> FramedInput {
    let frame = second == nil ? single : pair
    let lengths = (first: first.ids.count, second: second?.ids.count ?? 0)
    let left =
      try limit?.kept(
        first: lengths.first, second: second.map(\.ids.count), specials: frame.tokenCount)
      ?? lengths
    let cutsLeft = limit?.cutsLeft ?? settings.cutsLeft
    func range(_ length: Int, _ kept: Int) -> Range<Int> {
      cutsLeft ? (length - kept)..<length : 0..<kept
    }
    let kept = (
      first: range(lengths.first, left.first), second: range(lengths.second, left.second)
    )
    return framed(first, second, kept)
  }

  /// Puts parts of texts in their frame.
  package func framed(
    _ first: TokenizedText, _ second: TokenizedText?,
    _ kept: (first: Range<Int>, second: Range<Int>)
  ) -> FramedInput {
    var made = FramedInput()
    for step in (second == nil ? single : pair).steps { made.append(step, first, second, kept) }
    made.cut = first.ids.count - kept.first.count + (second?.ids.count ?? 0) - kept.second.count
    return made
  }
}

/// From Unicode scalars to bytes.
///
/// Bytes that are no UTF-8 count as the tokenizer counts them: a scalar for each maximal part.
package struct TextPlaces: Sendable {
  /// The byte at which each scalar begins, and behind the last the number of bytes.
  private let starts: [Int]
  private let bytes: [UInt8]

  /// Looks at a text once.
  package init(_ bytes: [UInt8]) {
    self.bytes = bytes
    var starts: [Int] = []
    starts.reserveCapacity(bytes.count + 1)
    bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      var at = 0
      while at < buffer.count {
        starts.append(at)
        at += ScalarDecoding.decode(base, at, buffer.count).length
      }
    }
    starts.append(bytes.count)
    self.starts = starts
  }

  /// How many scalars the text has.
  package var count: Int { starts.count - 1 }

  /// The byte at which a scalar begins.
  package func byte(_ scalar: Int) -> Int { starts[max(0, min(scalar, count))] }

  /// The text of some scalars.
  package func text(_ scalars: Range<Int>) -> String {
    String(decoding: bytes[byte(scalars.lowerBound)..<byte(scalars.upperBound)], as: UTF8.self)
  }

  /// The scalar at a place; nil outside.
  package func scalar(_ index: Int) -> UInt32? {
    guard (0..<count).contains(index) else { return nil }
    return bytes.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { ScalarDecoding.decode($0, starts[index], buffer.count).scalar }
    }
  }

  static func scalarCount(_ bytes: [UInt8]) -> Int {
    bytes.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { ScalarDecoding.count($0, buffer.count) } ?? 0
    }
  }
}
