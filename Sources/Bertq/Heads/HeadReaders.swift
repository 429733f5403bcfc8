import BertErrors
import BertRuntime

/// Rows of scores of a head, as they are: what they mean is read where the question was asked.
struct ScoresReader: AnswerReader {
  let use: HeadUse
  /// Whether a head of texts reads the mean of all tokens rather than the first.
  private let readsMean: Bool

  init(use: HeadUse, of model: ServedModel? = nil) {
    self.use = use
    readsMean = model?.description.head?.input == .mean
  }

  var task: String { use.name }
  var head: HeadUse? { use }

  func wanted(_ ids: [Int32]) -> WantedRows { use.isOfText && !readsMean ? .first : .all }

  func answer(_ text: TextStates) throws(BertError) -> HeadRowScores {
    guard case .scores(let scores) = text.output else { throw BertError.headGaveNothing }
    return scores
  }

  func byteCount(_ answer: HeadRowScores) -> Int { 48 + 4 * answer.values.count }
}

/// The likeliest words of each wanted token.
struct WordsReader: AnswerReader {
  let use: HeadUse

  var task: String { use.name }
  var head: HeadUse? { use }

  func wanted(_ ids: [Int32]) -> WantedRows { .all }

  func answer(_ text: TextStates) throws(BertError) -> [[WordCandidate]] {
    guard case .words(let words) = text.output else { throw BertError.headGaveNothing }
    return words
  }

  func byteCount(_ answer: [[WordCandidate]]) -> Int {
    answer.reduce(32) { $0 + 32 + 12 * $1.count }
  }
}

/// A text as weights of words.
struct SparseReader: AnswerReader {
  let task = HeadUse.sparse.name
  var head: HeadUse? { .sparse }

  func wanted(_ ids: [Int32]) -> WantedRows { .all }

  func answer(_ text: TextStates) throws(BertError) -> SparseVector {
    guard case .sparse(let vector) = text.output else { throw BertError.headGaveNothing }
    return vector
  }

  func byteCount(_ answer: SparseVector) -> Int { 64 + 8 * answer.ids.count }
}

extension BertError {
  /// A lane and a reader that disagree about a head: a fault of this package.
  static let headGaveNothing = BertError(.system, "the head that was asked gave no scores")
}
