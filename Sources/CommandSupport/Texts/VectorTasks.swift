import BertErrors
import Bertq
import JSONText

/// One vector a text: the embedding, or the pooler's output.
package struct VectorTask: RecordTask {
  /// Which vector.
  package enum Kind: String, Sendable {
    case embedding, pooled
  }

  private let model: Model
  private let kind: Kind
  private let prompt: TextPrompt?

  /// - Parameter prompt: what stands before every text; nil for the file's default, which embeddings have.
  package init(_ kind: Kind, _ model: Model, prompt: TextPrompt?) {
    self.model = model
    self.kind = kind
    self.prompt = prompt ?? (kind == .pooled ? .text("") : nil)
  }

  package let members = RecordMembers.text

  package func question(_ record: InputRecord) throws(BertError) -> TextQuestion {
    try TextQuestion(record, model, prompt: prompt)
  }

  package func tokens(_ question: TextQuestion) -> Int { question.tokens.ids.count }
  package func cut(_ question: TextQuestion) -> Int { question.tokens.cut }

  package func answers(_ questions: [TextQuestion]) -> [Result<[Float], BertError>] {
    let inputs = questions.map(\.tokens)
    let request = RequestOptions(priority: .bulk)
    return kind == .embedding
      ? model.embedEach(inputs, request: request) : model.pooledEach(inputs, request: request)
  }

  package func write(_ answer: [Float], into line: inout [UInt8]) {
    line += (kind == .embedding ? ",\"embedding\":" : ",\"pooled\":").utf8
    JSON.write(answer, into: &line)
  }

  package var rowWidth: Int? { kind == .embedding ? model.dimensions : model.info.hiddenSize }
  package func rows(_ answer: [Float]) -> [Float] { answer }
}

/// A vector for each token.
package struct TokensTask: RecordTask {
  private let model: Model
  private let prompt: TextPrompt?

  /// - Parameter prompt: what stands before every text; nil for the file's default.
  package init(_ model: Model, prompt: TextPrompt?) {
    self.model = model
    self.prompt = prompt
  }

  package let members = RecordMembers.text

  package func question(_ record: InputRecord) throws(BertError) -> TextQuestion {
    try TextQuestion(record, model, prompt: prompt)
  }

  package func tokens(_ question: TextQuestion) -> Int { question.tokens.ids.count }
  package func cut(_ question: TextQuestion) -> Int { question.tokens.cut }

  package func answers(_ questions: [TextQuestion]) -> [Result<TokenVectors, BertError>] {
    model.tokensEach(questions.map(\.tokens), request: RequestOptions(priority: .bulk))
  }

  package func write(_ answer: TokenVectors, into line: inout [UInt8]) {
    answer.write(of: model, into: &line)
  }

  package var rowWidth: Int? { model.info.hiddenSize }
  package var hasManyRows: Bool { true }
  package func rows(_ answer: TokenVectors) -> [Float] { answer.values }
}

extension TokenVectors {
  /// Appends the members of a result line.
  func write(of model: Model, into line: inout [UInt8]) {
    line += ",\"tokens\":[".utf8
    for (index, id) in ids.enumerated() {
      if index > 0 { line.append(UInt8(ascii: ",")) }
      if let token = model.token(id) {
        JSON.write(token, into: &line)
      } else {
        line += String(id).utf8
      }
    }
    line += "],\"vectors\":[".utf8
    for token in 0..<count {
      if token > 0 { line.append(UInt8(ascii: ",")) }
      JSON.write(self[token], into: &line)
    }
    line.append(UInt8(ascii: "]"))
  }
}
