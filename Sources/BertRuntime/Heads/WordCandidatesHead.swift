import BertErrors
import BertModel

/// A word that may stand at a place, and how likely it is.
package struct WordCandidate: Equatable, Sendable {
  /// Its id of the vocabulary.
  package let id: Int32
  /// Its probability: softmax over the whole vocabulary.
  package let score: Float
  /// Its logit.
  package let logit: Float
}

/// The likeliest words of each wanted token, from the masked-word head.
///
/// Logits are kept for a few tokens at a time, whatever the number of tokens.
package final class WordCandidatesHead {
  /// Words of the vocabulary.
  package var width: Int { words.width }
  private let words: MaskedWordsHead

  /// The most logits that are kept at once.
  private static let mostKept = 4 << 20

  /// Prepares it; the weights it will use are verified now.
  ///
  /// - Throws: as `MaskedWordsHead` does.
  package init(_ source: HeadSource) throws(BertError) { words = try MaskedWordsHead(source) }

  /// The candidates of some texts' wanted tokens, best first, of equal ones the lower id first.
  ///
  /// - Parameters:
  ///   - top: the most candidates of a token.
  ///   - targets: the only words that count, each once; nil for all. Probabilities are over all in
  ///     either case.
  /// - Returns: for each text, the candidates of each of its wanted tokens.
  /// - Throws: `malformed` when a logit is NaN or infinite; `usage` for a target outside the vocabulary.
  package func candidates(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, top: Int, targets: [Int32]?
  ) throws(BertError) -> [[[WordCandidate]]] {
    if let wrong = targets?.first(where: { !(0..<width).contains(Int($0)) }) {
      throw BertError(.usage, "the word \(wrong) is outside the vocabulary of \(width)")
    }
    let atOnce = max(1, Self.mostKept / width)
    let wanted = texts.flatMap(\.wanted)
    var found: [[WordCandidate]] = []
    var scores = HeadScores(width: width)
    for first in stride(from: 0, to: wanted.count, by: atOnce) {
      let some = Array(wanted[first..<min(first + atOnce, wanted.count)])
      scores.removeAll()
      try words.append([HeadText(tokens: 0..<0, wanted: some)], of: states, to: &scores)
      for row in scores.rows(0) { found.append(Self.best(scores[row], top, targets)) }
    }
    var taken = 0
    return texts.map { text in
      defer { taken += text.wanted.count }
      return Array(found[taken..<taken + text.wanted.count])
    }
  }

  private static func best(
    _ logits: ArraySlice<Float>, _ top: Int, _ targets: [Int32]?
  ) -> [WordCandidate] {
    logits.withUnsafeBufferPointer { logits in
      let softmax = Softmax(logits)
      var best = BestWords(most: top)
      if let targets {
        for id in targets { best.offer(id, logits[Int(id)]) }
      } else {
        for (id, logit) in logits.enumerated() { best.offer(Int32(truncatingIfNeeded: id), logit) }
      }
      return best.words.map {
        WordCandidate(id: $0.id, score: softmax.probability($0.logit), logit: $0.logit)
      }
    }
  }
}

/// The words with the highest logits so far.
struct BestWords {
  /// Best first; of equal ones the lower id.
  private(set) var words: [(id: Int32, logit: Float)] = []
  private let most: Int

  init(most: Int) { self.most = most }

  /// Looks at one more word.
  mutating func offer(_ id: Int32, _ logit: Float) {
    if words.count == most {
      guard let last = words.last, Self.isBefore((id, logit), last) else { return }
      words.removeLast()
    }
    var (low, high) = (0, words.count)
    while low < high {
      let middle = (low + high) / 2
      if Self.isBefore((id, logit), words[middle]) { high = middle } else { low = middle + 1 }
    }
    words.insert((id, logit), at: low)
  }

  private static func isBefore(_ a: (id: Int32, logit: Float), _ b: (id: Int32, logit: Float))
    -> Bool
  {
    a.logit > b.logit || a.logit == b.logit && a.id < b.id
  }
}
