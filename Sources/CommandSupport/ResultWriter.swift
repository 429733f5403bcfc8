import BertErrors
import BertModel
import Bertq
import ByteFiles
import JSONText

/// What was found out about one text.
enum TextResult {
  /// One vector, and what results call it.
  case vector([Float], name: String)
  /// A vector for each token.
  case tokens(TokenVectors)
  /// What a head answered.
  case answer(TaskAnswer)
}

/// Writes results to standard output, as JSON Lines or as one NumPy array.
struct ResultWriter: ~Copyable {
  private let model: Model
  private var output = StandardOutput()
  /// Nil for JSON Lines.
  private var array: ArrayWriter?

  /// - Parameter width: numbers of a vector.
  init(model: Model, width: Int, format: OutputFormat) {
    self.model = model
    array = format == .npy ? ArrayWriter(width: width) : nil
  }

  mutating func write(_ item: NumberedText?, _ result: TextResult) throws(BertError) {
    switch result {
    case .answer(let answer):
      start(item)
      for (name, value) in answer.members {
        output.buffer += ",\"\(name)\":".utf8
        value.write(into: &output.buffer)
      }
      output.buffer += "}\n".utf8
      try output.flush(force: false)
    case .vector(let vector, let name):
      if array != nil { return try append(vector[...]) }
      start(item)
      output.buffer += ",\"\(name)\":".utf8
      JSON.write(vector, into: &output.buffer)
      output.buffer += "}\n".utf8
      try output.flush(force: false)
    case .tokens(let tokens):
      if array != nil {
        for token in 0..<tokens.count { try append(tokens[token]) }
        return
      }
      try writeTokens(item, tokens)
    }
  }

  /// A row of the array.
  private mutating func append(_ row: ArraySlice<Float>) throws(BertError) {
    try row.withUnsafeBufferPointer { (row) throws(BertError) in try array?.append(row) }
  }

  private mutating func writeTokens(_ item: NumberedText?, _ text: TokenVectors) throws(BertError) {
    start(item)
    output.buffer += ",\"tokens\":[".utf8
    for (index, id) in text.ids.enumerated() {
      if index > 0 { output.buffer.append(UInt8(ascii: ",")) }
      if let token = model.token(id) {
        JSON.write(token, into: &output.buffer)
      } else {
        output.buffer += String(id).utf8
      }
    }
    output.buffer += "],\"vectors\":[".utf8
    for token in 0..<text.count {
      if token > 0 { output.buffer.append(UInt8(ascii: ",")) }
      JSON.write(text[token], into: &output.buffer)
      try output.flush(force: false)
    }
    output.buffer += "]}\n".utf8
  }

  private mutating func start(_ item: NumberedText?) {
    output.buffer += "{\"index\":\(item?.index ?? 0)".utf8
    if let id = item?.id {
      output.buffer += ",\"id\":".utf8
      id.write(into: &output.buffer)
    }
  }

  /// Hands what is complete to whoever reads standard output.
  mutating func flush() throws(BertError) { try output.flush() }

  mutating func finish() throws(BertError) {
    try output.flush()
    try array?.finish()
  }
}
