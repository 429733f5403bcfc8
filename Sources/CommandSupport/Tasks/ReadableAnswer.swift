import BertAnswers
import BertErrors
import Bertq

/// An answer as a person reads it on a terminal.
struct ReadableAnswer {
  private let model: Model
  private let answer: TaskAnswer

  /// Labels, words and documents that are shown of one text.
  private static let most = 5
  /// Scalars that are shown of a text.
  private static let longest = 72

  init(_ answer: TaskAnswer, of model: Model) {
    self.answer = answer
    self.model = model
  }

  /// The text, and below it what was found.
  func lines(_ text: String) -> String {
    ([Self.short(text)] + found.map { "  " + $0 }).joined(separator: "\n")
  }

  private var found: [String] {
    switch answer {
    case .labels(let found), .judged(let found):
      return found.labels.prefix(Self.most).map { "\(Self.number($0.score))  \($0.label)" }
    case .ranking(let documents):
      return documents.map { "\(Self.number($0.score))  document \($0.document)" }
    case .relevance(let found): return ["\(Self.number(found.score))  how well it fits"]
    case .entities(let entities):
      if entities.isEmpty { return ["no entities"] }
      return entities.map {
        "\(Self.number($0.score))  \($0.label)  \(Self.short($0.text))  (\($0.start) to \($0.end))"
      }
    case .answers(let spans):
      return spans.map {
        "\(Self.number($0.score))  " + ($0.text.isEmpty ? "no answer" : Self.short($0.text))
          + "  (\($0.start) to \($0.end))"
      }
    case .masks(let masks):
      return masks.map { mask in
        mask.candidates.prefix(Self.most).map { "\($0.token) \(Self.number($0.score))" }
          .joined(separator: ", ")
      }
    case .isNext(let probability): return ["\(Self.number(probability))  the second text follows"]
    case .choice(let choice):
      return choice.scores.enumerated().map {
        "\(Self.number($1))  choice \($0)" + ($0 == choice.choice ? "  (best)" : "")
      }
    case .sparse(let vector):
      let words = zip(vector.indices, vector.values).prefix(2 * Self.most).map {
        "\(model.token($0) ?? "\($0)") \(Self.number($1))"
      }
      return ["\(vector.indices.count) words: " + words.joined(separator: ", ")]
    }
  }

  private static func number(_ value: Float) -> String { DecimalText.fixed(Double(value), 4) }

  /// A text on one line, without what a terminal would obey.
  private static func short(_ text: String) -> String {
    let shown = text.unicodeScalars.prefix(longest).map { scalar -> Character in
      scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) ? " " : Character(scalar)
    }
    return String(shown) + (text.unicodeScalars.count > longest ? "…" : "")
  }
}
