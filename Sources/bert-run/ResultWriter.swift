import BertErrors
import BertModel
import BertRuntime
import ByteFiles
import CommandSupport
import JSONText

/// Writes results to standard output, as JSON Lines or as one NumPy array.
struct ResultWriter: ~Copyable {
  private let session: Session
  private let width: Int
  /// Nil where every token's own vector is the result.
  private let pooler: Pooler?
  private var output = StandardOutput()
  /// Nil for JSON Lines.
  private var array: ArrayWriter?

  init(session: Session, format: OutputFormat) throws(BertError) {
    self.session = session
    pooler = session.task == .tokens ? nil : try session.pooler()
    width = session.model.description.configuration.hiddenSize
    array = format == .npy ? ArrayWriter(width: width) : nil
  }

  mutating func write(
    _ item: NumberedText, _ states: BertEncoder.HiddenStates, _ batch: TokenBatch, _ text: Int
  ) throws(BertError) {
    let tokens = batch.range(text)
    guard let pooler else {
      try writeTokens(item, states, batch.ids[tokens], tokens)
      return
    }
    let vector: [Float]
    do throws(BertError) {
      vector = try pooler.vector(states, tokens: tokens, normalizes: session.normalizes)
    } catch {
      throw item.place.locate(error)
    }
    if array != nil {
      try vector.withUnsafeBufferPointer { (row) throws(BertError) in try array?.append(row) }
      return
    }
    start(item)
    output.buffer += session.task == .pooled ? ",\"pooled\":".utf8 : ",\"embedding\":".utf8
    JSON.write(vector, into: &output.buffer)
    output.buffer += "}\n".utf8
    try output.flush(force: false)
  }

  private mutating func writeTokens(
    _ item: NumberedText, _ states: BertEncoder.HiddenStates, _ ids: ArraySlice<Int32>,
    _ tokens: Range<Int>
  ) throws(BertError) {
    let vectors = tokens.map { UnsafeBufferPointer(start: states.row($0), count: width) }
    guard vectors.allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
      throw item.place.locate(
        BertError(
          .malformed, "the result holds NaN or infinity: the model's weights overflow float32"))
    }
    if array != nil {
      for vector in vectors { try array?.append(vector) }
      return
    }
    start(item)
    output.buffer += ",\"tokens\":[".utf8
    for (index, id) in ids.enumerated() {
      if index > 0 { output.buffer.append(UInt8(ascii: ",")) }
      let token = session.model.tokenizer?.vocabulary.token(Int(id))
      if let token {
        JSON.write(String(decoding: token, as: UTF8.self), into: &output.buffer)
      } else {
        output.buffer += String(id).utf8
      }
    }
    output.buffer += "],\"vectors\":[".utf8
    for (index, vector) in vectors.enumerated() {
      if index > 0 { output.buffer.append(UInt8(ascii: ",")) }
      JSON.write(vector, into: &output.buffer)
      try output.flush(force: false)
    }
    output.buffer += "]}\n".utf8
  }

  private mutating func start(_ item: NumberedText) {
    output.buffer += "{\"index\":\(item.index)".utf8
    if let id = item.id {
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
