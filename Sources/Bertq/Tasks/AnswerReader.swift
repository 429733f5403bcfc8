import BertErrors
import BertKernels
import BertRuntime

/// One kind of answer: what it reads of a text's hidden states, and what it makes of them.
///
/// A new task is one file: a reader, the value it answers with, and the methods of `Model` that ask it.
protocol AnswerReader: Sendable {
  associatedtype Answer: Sendable

  /// The task's name; two readers of one model with the same name answer the same.
  var task: String { get }

  /// The head that is asked about the text; nil for none.
  var head: HeadUse? { get }

  /// Whether the file's default prompt stands before the texts that are asked about, as sentence-transformers
  /// puts it before those that it encodes.
  var hasDefaultPrompt: Bool { get }

  /// The last hidden states of a text that the answer is made of; others are not computed.
  func wanted(_ ids: [Int32]) -> WantedRows

  /// The answer for one text.
  ///
  /// - Throws: `malformed` when a value is NaN or infinite: the weights overflow.
  func answer(_ text: TextStates) throws(BertError) -> Answer

  /// Bytes of memory that an answer takes, about.
  func byteCount(_ answer: Answer) -> Int
}

extension AnswerReader {
  /// No head is asked.
  var head: HeadUse? { nil }
  /// A prompt is for vectors of texts.
  var hasDefaultPrompt: Bool { false }
}

/// The hidden states of one text, valid while it is read.
struct TextStates {
  let states: BertEncoder.HiddenStates
  /// The text's tokens in the states.
  let tokens: Range<Int>
  let ids: [Int32]
  /// What the head made of them.
  let output: HeadOutput
  /// How many of the first tokens belong to a prompt that is left out of pooling.
  let promptTokens: Int
}
