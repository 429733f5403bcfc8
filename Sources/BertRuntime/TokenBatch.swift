import BertErrors
import BertKernels
import BertModel

/// Token ids of several texts, end to end; no pads.
///
/// A value: fill it on one thread, then any number of them may read it.
package struct TokenBatch: Sendable {
  /// All texts' token ids, in order.
  package private(set) var ids: [Int32] = []
  /// A token type (segment) for each id.
  package private(set) var types: [UInt8] = []
  /// Which rows are wanted of each text.
  package private(set) var wanted: [WantedRows] = []
  /// How many of each text's last tokens see the others, and are seen by none.
  package private(set) var unseen: [Int] = []
  /// Where each text starts, and behind the last where it ends.
  package private(set) var starts: [Int] = [0]

  /// The most tokens of a text: attention sums 255 · 127 · tokens in int32 without overflow.
  package static let longestText = Int(BK_MAX_DEPTH)

  /// An empty batch.
  package init() {}

  /// How many texts.
  package var count: Int { starts.count - 1 }
  /// How many tokens in all.
  package var tokenCount: Int { ids.count }

  /// The tokens of text `index`.
  package func range(_ index: Int) -> Range<Int> { starts[index]..<starts[index + 1] }

  /// The tokens of some texts.
  func range(_ texts: Range<Int>) -> Range<Int> {
    starts[texts.lowerBound]..<starts[texts.upperBound]
  }

  /// The first of some texts, up to so many tokens, and one text at least.
  func run(of texts: Range<Int>, tokens: Int) -> Range<Int> {
    var end = texts.lowerBound + 1
    while end < texts.upperBound, starts[end + 1] - starts[texts.lowerBound] <= tokens { end += 1 }
    return texts.lowerBound..<end
  }

  /// Texts cut into runs of up to as many tokens as `tokens` says, which is told where the next run
  /// begins, and of one text at least.
  func runs(of texts: Range<Int>, tokens: (Int) -> Int) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    var first = texts.lowerBound
    while first < texts.upperBound {
      let run = run(of: first..<texts.upperBound, tokens: tokens(first))
      runs.append(run)
      first = run.upperBound
    }
    return runs
  }

  /// Texts cut into runs of up to so many tokens, and of one text at least.
  func runs(of texts: Range<Int>, tokens: Int) -> [Range<Int>] {
    runs(of: texts) { _ in tokens }
  }

  /// Every id that is there, once, in ascending order.
  package var distinctIDs: [Int32] { Set(ids).sorted() }

  /// For each token of all texts, where its id is in a list in ascending order.
  ///
  /// - Throws: `malformed` when the list lacks one.
  func places(of list: [Int32]) throws(BertError) -> [Int32] {
    var places: [Int32: Int32] = [:]
    for (place, id) in list.enumerated() { places[id] = Int32(place) }
    var found: [Int32] = []
    found.reserveCapacity(ids.count)
    for id in ids {
      guard let place = places[id] else {
        throw BertError(.malformed, "the word embeddings of token \(id) were not given")
      }
      found.append(place)
    }
    return found
  }

  /// All texts' ids and types, in order.
  func withTokens<Failure: Error>(
    _ body: (UnsafePointer<Int32>, UnsafePointer<UInt8>) throws(Failure) -> Void
  ) throws(Failure) {
    try ids.withUnsafeBufferPointer { (ids) throws(Failure) in
      try types.withUnsafeBufferPointer { (types) throws(Failure) in
        if let ids = ids.baseAddress, let types = types.baseAddress { try body(ids, types) }
      }
    }
  }

  /// Adds a text; an empty one is allowed nowhere in BERT, so there must be at least one token.
  ///
  /// - Parameters:
  ///   - rows: the last hidden states that will be read.
  ///   - unseen: how many of its last tokens see the others, and are seen by none: attention has no key or value of
  ///     theirs (what fills up a query of ColBERT's).
  /// - Throws: `tooLong` for more than the model has positions; `malformed` when the counts differ, it has no tokens,
  ///   ids and types outside its tables, or rows that it does not have.
  package mutating func append(
    ids newIds: [Int32], types newTypes: [UInt8]? = nil, wanting rows: WantedRows = .all,
    unseen: Int = 0, for model: BertConfiguration
  ) throws(BertError) {
    let count = newIds.count
    if count == 0 { throw BertError(.malformed, "a text needs at least one token") }
    if count > model.maximumPositions {
      throw BertError(
        .tooLong,
        "a text has \(count) tokens; the model has \(model.maximumPositions) positions")
    }
    if count > Self.longestText {
      throw BertError(
        .unsupported, "a text has \(count) tokens; the longest supported is \(Self.longestText)")
    }
    let types = newTypes ?? [UInt8](repeating: 0, count: count)
    if types.count != count {
      throw BertError(.malformed, "\(count) token ids came with \(types.count) token types")
    }
    for id in newIds where id < 0 || Int(id) >= model.vocabularySize {
      throw BertError(
        .malformed, "token id \(id) is outside the vocabulary of \(model.vocabularySize)")
    }
    for type in types where Int(type) >= model.tokenTypeCount {
      throw BertError(
        .malformed, "token type \(type) is outside the model's \(model.tokenTypeCount) types")
    }
    try rows.check(count)
    if !(0..<count).contains(unseen) {
      throw BertError(
        .usage, "\(unseen) of \(count) tokens are to be seen by none; one at least must be seen")
    }
    if let window = model.window, unseen > window.reach {
      throw BertError(
        .unsupported,
        "\(unseen) tokens are to be seen by none; the last of them would see none, as attention reaches "
          + "\(window.reach) tokens")
    }
    wanted.append(rows)
    self.unseen.append(unseen)
    ids += newIds
    self.types += types
    starts.append(ids.count)
  }

  /// Forgets all texts, keeping the memory.
  package mutating func removeAll() {
    ids.removeAll(keepingCapacity: true)
    types.removeAll(keepingCapacity: true)
    wanted.removeAll(keepingCapacity: true)
    unseen.removeAll(keepingCapacity: true)
    starts.removeAll(keepingCapacity: true)
    starts.append(0)
  }
}
