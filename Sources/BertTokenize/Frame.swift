import BertErrors
import BertModel

/// What an input is framed with: a template whose tokens are ids.
struct Frame: Sendable {
  /// What stands at a place.
  enum Part: Sendable, Equatable {
    case token(Int32)
    case firstText
    case secondText
  }

  /// A place, and the token type of all that stands there.
  struct Step: Sendable {
    var part: Part
    var tokenType: UInt8
  }

  let steps: [Step]

  /// How many tokens it adds to those of the texts.
  let tokenCount: Int

  private init(_ steps: [Step]) {
    self.steps = steps
    tokenCount = steps.count { if case .token = $0.part { true } else { false } }
  }

  /// A single text, and a pair, with nothing added.
  static let bareSingle = Frame([Step(part: .firstText, tokenType: 0)])
  static let barePair = Frame([
    Step(part: .firstText, tokenType: 0), Step(part: .secondText, tokenType: 1),
  ])

  /// Looks a template's tokens up.
  ///
  /// - Throws: `malformed` when the vocabulary lacks one.
  init(
    _ template: [TemplatePiece], tokens: Int, id: (String) -> Int32?
  ) throws(BertError) {
    var steps: [Step] = []
    for piece in template {
      let part: Part
      switch piece.part {
      case .firstText: part = .firstText
      case .secondText: part = .secondText
      case .token(let text):
        guard let id = id(text) else {
          throw BertError(
            .malformed,
            "the vocabulary of \(tokens) tokens has no '\(text.prefix(80))', which frames "
              + "every input")
        }
        part = .token(id)
      }
      steps.append(Step(part: part, tokenType: UInt8(clamping: piece.tokenType)))
    }
    self.init(steps)
  }
}

extension TokenizerSettings {
  /// What a single text is framed with, said or not.
  var singleTemplate: [TemplatePiece] {
    single.isEmpty
      ? [TemplatePiece(.token(classToken)), .init(.firstText), .init(.token(separatorToken))]
      : single
  }

  /// What two texts are framed with, said or not.
  var pairTemplate: [TemplatePiece] {
    pair.isEmpty
      ? [
        TemplatePiece(.token(classToken)), .init(.firstText), .init(.token(separatorToken)),
        .init(.secondText, tokenType: 1), .init(.token(separatorToken), tokenType: 1),
      ] : pair
  }
}
