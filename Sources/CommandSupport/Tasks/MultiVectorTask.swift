import BertErrors
import Bertq
import JSONText

/// A short vector for each token (ColBERT).
package struct MultiVectorTask: RecordTask {
  private let model: Model
  private let role: MultiVectorRole
  private let prompt: TextPrompt?
  package let assumption: String?

  /// - Parameter prompt: what stands before every text; nil for that of the texts' role.
  /// - Throws: `unsupported`, `usage`.
  package init(_ model: Model, _ options: TaskOptions, prompt: TextPrompt?) throws(BertError) {
    self.model = model
    self.prompt = prompt
    role = options.role ?? .document
    assumption =
      options.role == nil
      ? "the texts were taken for documents; --as query says that they ask, --as document that they do not"
      : nil
  }

  package let members = RecordMembers.text

  package func question(_ record: InputRecord) throws(BertError) -> TextInput {
    var input = try record.textInput()
    input.truncates = try record.truncates()
    if input.ids == nil, input.prompt == nil { input.prompt = prompt }
    return input
  }

  package func tokens(_ question: TextInput) -> Int {
    question.ids?.count ?? 8 + question.text.count / 4
  }

  package func answers(_ questions: [TextInput]) -> [Result<TokenVectors, BertError>] {
    model.multiVectorEach(questions, as: role, request: RequestOptions(priority: .bulk))
  }

  package func write(_ answer: TokenVectors, into line: inout [UInt8]) {
    answer.write(of: model, into: &line)
  }

  package var rowWidth: Int? { model.width(of: .multiVector) }
  package var hasManyRows: Bool { true }
  package func rows(_ answer: TokenVectors) -> [Float] { answer.values }
}
