import BertErrors

/// Which tokens' last hidden states the caller of an encoder reads.
///
/// What the last layer would compute for the others alone is not computed; what it does compute has
/// the same bits.
package enum WantedRows: Hashable, Sendable {
  /// Every token's.
  case all
  /// The first token's.
  case first
  /// Those of some tokens, by their places in the text: ascending, each once.
  case rows([Int])

  /// Their places in a text of so many tokens.
  package func places(in count: Int) -> [Int] {
    switch self {
    case .all: Array(0..<count)
    case .first: [0]
    case .rows(let rows): rows
    }
  }

  /// How many places it lists.
  package var listed: Int { if case .rows(let rows) = self { rows.count } else { 0 } }

  /// How many they are in a text of so many tokens.
  func count(in tokens: Int) -> Int {
    switch self {
    case .all: tokens
    case .first: 1
    case .rows(let rows): rows.count
    }
  }

  /// Refuses places that a text of so many tokens does not have, or that do not ascend.
  func check(_ tokens: Int) throws(BertError) {
    guard case .rows(let rows) = self else { return }
    var next = 0
    for row in rows {
      guard next..<tokens ~= row else {
        throw BertError(
          .usage,
          "wanted rows \(rows) of a text of \(tokens) tokens; they must ascend from 0 and stay below "
            + "\(tokens)")
      }
      next = row + 1
    }
  }
}

/// The rows that a pass's last layer computes, where those are not all: numbered from 0, text by text.
struct RowSelection {
  /// The token of each row, counted from its text's start.
  let places: [Int32]
  /// The token of each row, counted from the pass's start.
  let tokens: [Int]
  /// Where each text's rows begin, and behind the last where they end.
  let starts: [Int]

  /// Nil when all rows are wanted.
  init?(_ batch: TokenBatch, _ texts: Range<Int>) {
    if texts.allSatisfy({ batch.wanted[$0] == .all }) { return nil }
    var places: [Int32] = []
    var tokens: [Int] = []
    var starts = [0]
    let first = batch.starts[texts.lowerBound]
    for text in texts {
      let range = batch.range(text)
      for place in batch.wanted[text].places(in: range.count) {
        places.append(Int32(place))
        tokens.append(range.lowerBound + place - first)
      }
      starts.append(tokens.count)
    }
    self.places = places
    self.tokens = tokens
    self.starts = starts
  }

  /// Whether each of the pass's tokens has a row.
  func present(among count: Int) -> [Bool] {
    var present = [Bool](repeating: false, count: count)
    for token in tokens { present[token] = true }
    return present
  }

  /// Runs of rows of some texts that follow each other in the pass too.
  func stretches(of texts: Range<Int>) -> [Range<Int>] {
    let rows = tokens[starts[texts.lowerBound]..<starts[texts.upperBound]]
    var stretches: [Range<Int>] = []
    for token in rows {
      if let last = stretches.last, last.upperBound == token {
        stretches[stretches.count - 1] = last.lowerBound..<(token + 1)
      } else {
        stretches.append(token..<(token + 1))
      }
    }
    return stretches
  }
}
