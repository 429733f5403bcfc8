import BertErrors
import Bertq

/// One task of `bert-run`: what it reads of a record, and what it writes.
///
/// `TextRun` does the rest: batches, order, errors, progress.
package protocol RecordTask {
  /// What is asked about a record.
  associatedtype Question: Sendable
  /// What is answered.
  associatedtype Answer: Sendable

  /// The members of a record that are understood.
  var members: RecordMembers { get }

  /// What a record asks.
  ///
  /// - Throws: why it cannot be answered; its place is filled in by the caller.
  func question(_ record: InputRecord) throws(BertError) -> Question

  /// About how many tokens are computed for a question.
  func tokens(_ question: Question) -> Int

  /// How many tokens of it were cut off.
  func cut(_ question: Question) -> Int

  /// Answers for questions that are computed together, each in its place.
  func answers(_ questions: [Question]) -> [Result<Answer, BertError>]

  /// Appends the answer's members behind `index` and `id`, each with a comma before it.
  func write(_ answer: Answer, into line: inout [UInt8])

  /// Numbers of a row, where answers are rows of an array; nil where they are not.
  var rowWidth: Int? { get }

  /// Whether an answer has a number of rows of its own, so that rows do not tell texts apart.
  var hasManyRows: Bool { get }

  /// The numbers of an answer's rows, end to end.
  func rows(_ answer: Answer) -> [Float]
}

extension RecordTask {
  /// Nothing is cut.
  package func cut(_ question: Question) -> Int { 0 }
  /// No array.
  package var rowWidth: Int? { nil }
  /// One row each.
  package var hasManyRows: Bool { false }
  /// No rows.
  package func rows(_ answer: Answer) -> [Float] { [] }
}

/// A text that is asked about, and its tokens.
package struct TextQuestion: Sendable {
  /// The text.
  package let input: TextInput
  /// What the model reads of it.
  package let tokens: TokenizedInput

  /// Makes a record's text tokens.
  ///
  /// - Parameters:
  ///   - prompt: what stands before texts that do not say it themselves; nil leaves that to the file.
  ///   - Throws: why the text cannot be answered.
  package init(
    _ record: InputRecord, _ model: Model, prompt: TextPrompt? = nil
  ) throws(BertError) {
    var input = try record.textInput()
    if input.ids == nil, input.prompt == nil { input.prompt = prompt }
    self.input = input
    tokens = try model.tokenize(input, truncates: record.truncates())
  }
}
