import BertErrors
import Bertq
import JSONText

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

  /// What was taken for granted of the texts because no option says it, and the option that does; nil for nothing.
  var assumption: String? { get }

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

  /// The texts of a question as the model reads them, to measure drift on.
  func measured(_ question: Question) -> [TextQuestion]

  /// The answer as a person reads it on a terminal; nil where that is JSON too.
  func readable(_ question: Question, _ answer: Answer) -> String?

  /// Whether all records together have one answer: then each is collected, and the last line concludes.
  var answersTogether: Bool { get }

  /// Takes what one record comes to.
  func collect(_ index: Int, _ id: JSON?, _ answer: Answer)

  /// Takes a record that cannot be answered.
  func collect(_ failed: FailedRecord)

  /// Appends the members of the one answer.
  ///
  /// - Throws: why there is none.
  func conclude(into line: inout [UInt8]) throws(BertError)

  /// The one answer as a person reads it.
  var readableConclusion: String? { get }

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
  /// A question that is a text.
  package func measured(_ question: Question) -> [TextQuestion] {
    (question as? TextQuestion).map { [$0] } ?? []
  }
  /// Nothing.
  package var assumption: String? { nil }
  /// JSON.
  package func readable(_ question: Question, _ answer: Answer) -> String? { nil }
  /// Each has its own.
  package var answersTogether: Bool { false }
  /// Nothing is kept.
  package func collect(_ index: Int, _ id: JSON?, _ answer: Answer) {}
  /// Nothing is kept.
  package func collect(_ failed: FailedRecord) {}
  /// There is no such answer.
  package func conclude(into line: inout [UInt8]) throws(BertError) {}
  /// There is no such answer.
  package var readableConclusion: String? { nil }
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

  /// A text whose tokens are made already.
  init(_ input: TextInput, _ tokens: TokenizedInput) {
    self.input = input
    self.tokens = tokens
  }

  /// Makes a record's text tokens.
  ///
  /// - Parameters:
  ///   - prompt: what stands before texts that do not say it themselves; nil for nothing.
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
