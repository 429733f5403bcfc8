import BertErrors
import BertRuntime

/// What of a model's heads an answer is made of.
enum HeadUse: Hashable, Sendable {
  /// Logits of a text's labels.
  case textLabels
  /// Logits of each token's labels.
  case tokenLabels
  /// Whether the second text follows the first.
  case nextSentence
  /// Where an answer starts and ends.
  case answer
  /// The logit of a choice.
  case choice
  /// A short vector a token.
  case multiVector
  /// The likeliest words of each wanted token: so many, and which count; nil for all.
  case words(top: Int, targets: [Int32]?)
  /// A text as weights of words.
  case sparse

  /// Whether it reads a text's first state rather than its tokens'.
  var isOfText: Bool {
    switch self {
    case .textLabels, .nextSentence, .choice: true
    case .tokenLabels, .answer, .multiVector, .words, .sparse: false
    }
  }

  /// Whether it scores a token against every word of the vocabulary.
  var scoresWords: Bool {
    switch self {
    case .words(_, let targets): targets == nil
    case .sparse: true
    default: false
    }
  }

  /// A name for questions: uses of one name give the same.
  var name: String {
    switch self {
    case .textLabels: "text labels"
    case .tokenLabels: "token labels"
    case .nextSentence: "next sentence"
    case .answer: "answer"
    case .choice: "choice"
    case .multiVector: "multi-vector"
    case .words(let top, let targets):
      "words \(top)" + (targets.map { " of \($0)" } ?? "")
    case .sparse: "sparse"
    }
  }
}

/// Scores that a head gives for a text: a row for the text, or for each wanted token.
struct HeadRowScores: Sendable, Equatable {
  /// Scores of a row.
  let width: Int
  /// All rows, one after the other.
  let values: [Float]

  var rowCount: Int { width == 0 ? 0 : values.count / width }
  subscript(row: Int) -> ArraySlice<Float> { values[row * width..<(row + 1) * width] }
}

/// What the lane's heads made of a text.
enum HeadOutput: Sendable {
  /// No head was asked.
  case none
  case scores(HeadRowScores)
  case words([[WordCandidate]])
  case sparse(SparseVector)
}

/// The heads of one lane, each made when it is first asked.
final class LaneHeads {
  private let source: HeadSource
  private var scoring: [HeadUse: any Head] = [:]
  private var words: WordCandidatesHead?
  private var sparse: SparseHead?

  init(_ source: HeadSource) { self.source = source }

  /// Reads the answers of a round's jobs; those that ask the same head ask it together.
  func read(_ jobs: [TextJob], of batch: TokenBatch, _ states: BertEncoder.HiddenStates) {
    var groups: [(use: HeadUse, texts: [Int])] = []
    for text in states.texts {
      guard let use = jobs[text].head else {
        jobs[text].read(textStates(jobs[text], batch, text, states, .none))
        continue
      }
      if let place = groups.firstIndex(where: { $0.use == use }) {
        groups[place].texts.append(text)
      } else {
        groups.append((use, [text]))
      }
    }
    for group in groups { read(group.texts, group.use, jobs, batch, states) }
  }

  private func read(
    _ texts: [Int], _ use: HeadUse, _ jobs: [TextJob], _ batch: TokenBatch,
    _ states: BertEncoder.HiddenStates
  ) {
    do throws(BertError) {
      let outputs = try outputs(use, texts.map { HeadText(batch, $0) }, states)
      for (text, output) in zip(texts, outputs) {
        jobs[text].read(textStates(jobs[text], batch, text, states, output))
      }
    } catch {
      // One text's trouble is not the others'.
      if texts.count == 1 { return jobs[texts[0]].fail(error) }
      for text in texts { read([text], use, jobs, batch, states) }
    }
  }

  private func textStates(
    _ job: TextJob, _ batch: TokenBatch, _ text: Int, _ states: BertEncoder.HiddenStates,
    _ output: HeadOutput
  ) -> TextStates {
    TextStates(
      states: states, tokens: batch.range(text), ids: job.question.ids, output: output,
      promptTokens: job.question.promptTokens)
  }

  private func outputs(
    _ use: HeadUse, _ texts: [HeadText], _ states: BertEncoder.HiddenStates
  ) throws(BertError) -> [HeadOutput] {
    switch use {
    case .words(let top, let targets):
      let head: WordCandidatesHead
      if let words { head = words } else { head = try WordCandidatesHead(source) }
      words = head
      var outputs: [HeadOutput] = []
      for candidates in try head.candidates(texts, of: states, top: top, targets: targets) {
        outputs.append(.words(candidates))
      }
      return outputs
    case .sparse:
      let head: SparseHead
      if let sparse { head = sparse } else { head = try SparseHead(source) }
      sparse = head
      var vectors: [SparseVector] = []
      try head.append(texts, of: states, to: &vectors)
      return vectors.map(HeadOutput.sparse)
    default:
      let head: any Head
      if let kept = scoring[use] { head = kept } else { head = try make(use) }
      scoring[use] = head
      var scores = HeadScores(width: head.width)
      try head.append(texts, of: states, to: &scores)
      return texts.indices.map { text in
        let rows = scores.rows(text)
        let values = scores.values[rows.lowerBound * head.width..<rows.upperBound * head.width]
        return .scores(HeadRowScores(width: head.width, values: Array(values)))
      }
    }
  }

  private func make(_ use: HeadUse) throws(BertError) -> any Head {
    switch use {
    case .textLabels: try TextClassifierHead(source)
    case .tokenLabels: try TokenClassifierHead(source)
    case .nextSentence: try NextSentenceHead(source)
    case .answer: try AnswerHead(source)
    case .choice: try MultipleChoiceHead(source)
    case .multiVector: try MultiVectorHead(source)
    case .words, .sparse: throw BertError(.unsupported, "gives no rows of scores")
    }
  }
}
