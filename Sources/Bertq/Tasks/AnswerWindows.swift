import BertErrors
import BertRuntime
import BertTokenize

/// A question beside as much of a context as the model takes at once, again and again.
struct AnswerWindows: Sendable {
  private let windows: [FramedInput]
  private let context: [UInt8]
  private let allowsNone: Bool

  /// The most tokens of a window where nothing is said.
  private static let usualWindow = 384

  /// Cuts a context into windows.
  ///
  /// - Throws: `usage` for an empty context, or one that the question leaves no room.
  init(
    _ question: TextInput, _ context: [UInt8], _ options: AnswerOptions, _ served: ServedModel
  ) throws(BertError) {
    self.context = context
    allowsNone = options.allowsNone
    let tokenizer = try served.requireTokenizer()
    let asked = try served.bareTokens(question)
    let read = try served.bareTokens(context)
    if read.ids.isEmpty {
      throw BertError(.malformed, "the context is empty: there is nothing to find an answer in")
    }
    let most = min(options.window ?? Self.usualWindow, served.tokenLimit)
    let room = most - tokenizer.frameTokens(pair: true) - asked.ids.count
    // Windows that share all they have would never end.
    let shared = min(options.stride, most / 2)
    if room < 1 || read.ids.count > room && room <= shared {
      throw BertError(
        .tooLong,
        "a question of \(asked.ids.count) tokens leaves a window of \(most) tokens no room for the "
          + "context; shorten it")
    }
    var windows: [FramedInput] = []
    var first = 0
    while true {
      let end = min(first + room, read.ids.count)
      windows.append(tokenizer.framed(asked, read, (0..<asked.ids.count, first..<end)))
      if end == read.ids.count { break }
      first += room - shared
    }
    self.windows = windows
  }

  /// The windows as they are computed.
  var texts: [PreparedText] {
    windows.map { PreparedText($0, rows: .rows(places($0))) }
  }

  /// The tokens that an answer may start and end with, and before them the first where it stands for
  /// "there is no answer".
  private func places(_ window: FramedInput) -> [Int] {
    let own = Array(window.second)
    return allowsNone && own.first != 0 ? [0] + own : own
  }

  private struct Candidate {
    let start: Int
    let end: Int
    let score: Float
  }

  /// The best answers of all windows; each part of the context once.
  func best(_ scores: [HeadRowScores], _ options: AnswerOptions) -> [AnswerSpan] {
    let text = TextPlaces(context)
    var found: [Candidate] = []
    var none = Float.infinity
    for (window, rows) in zip(windows, scores) {
      found += candidates(window, rows, options, &none)
    }
    if allowsNone { found.append(Candidate(start: 0, end: 0, score: none)) }
    var spans: [AnswerSpan] = []
    var seen: Set<[Int]> = []
    for candidate in found.bestFirst(by: \.score) where spans.count < options.top {
      guard seen.insert([candidate.start, candidate.end]).inserted else { continue }
      spans.append(
        AnswerSpan(
          text: text.text(candidate.start..<candidate.end), start: candidate.start,
          end: candidate.end, byteStart: text.byte(candidate.start),
          byteEnd: text.byte(candidate.end), score: candidate.score))
    }
    return spans
  }

  /// The best answers of a window, best first.
  ///
  /// Both softmaxes are over the context's tokens, and the first token where that is asked for.
  private func candidates(
    _ window: FramedInput, _ rows: HeadRowScores, _ options: AnswerOptions, _ none: inout Float
  ) -> [Candidate] {
    var starts = Softmax.probabilities((0..<rows.rowCount).map { rows[$0].first ?? 0 })
    var ends = Softmax.probabilities((0..<rows.rowCount).map { rows[$0].last ?? 0 })
    if allowsNone {
      // The least of all windows: no window has an answer.
      none = min(none, starts.removeFirst() * ends.removeFirst())
    }
    // As many as there may be of one word: several tokens' answers are the same part of the text.
    var best: [Candidate] = []
    var spans: [Int: Int] = [:]
    let words = wordPlaces(window)
    for start in starts.indices {
      for end in start..<start + min(options.longest, ends.count - start) {
        let score = starts[start] * ends[end]
        let (from, to) = (words[start].lowerBound, words[end].upperBound)
        let key = from << 32 | to
        if let place = spans[key] {
          if score > best[place].score {
            best[place] = Candidate(start: from, end: to, score: score)
          }
        } else {
          spans[key] = best.count
          best.append(Candidate(start: from, end: to, score: score))
        }
      }
    }
    return Array(best.bestFirst(by: \.score).prefix(options.top))
  }

  /// The scalars of the word that each of a window's context tokens belongs to, as far as it is in the
  /// window: answers are whole words.
  private func wordPlaces(_ window: FramedInput) -> [Range<Int>] {
    let spans = Array(window.spans[window.second])
    var words: [Int32: Range<Int>] = [:]
    for span in spans {
      let own = Int(span.start)..<max(Int(span.start), Int(span.end))
      words[span.word] =
        words[span.word].map {
          min($0.lowerBound, own.lowerBound)..<max($0.upperBound, own.upperBound)
        } ?? own
    }
    return spans.map { words[$0.word] ?? 0..<0 }
  }
}
