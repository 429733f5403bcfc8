import BertErrors
import JSONText
import ServeShapes

/// Bodies of the server's requests: each reader takes the same bytes.
enum RequestFuzzing {
  private typealias Reader = (JSONBody, TextList.Limits) throws(ServeError) -> Void

  private static func readers() -> [(Dialect, Reader)] {
    [
      (
        .openAI,
        { body, limits throws(ServeError) in _ = try EmbeddingRequest.openAI(body, limits) }
      ),
      (.tei, { body, limits throws(ServeError) in _ = try EmbeddingRequest.tei(body, limits) }),
      (
        .tei,
        { body, limits throws(ServeError) in _ = try EmbeddingRequest.teiTokens(body, limits) }
      ),
      (
        .tei,
        { body, limits throws(ServeError) in _ = try EmbeddingRequest.teiSparse(body, limits) }
      ),
      (
        .tei,
        { body, limits throws(ServeError) in _ = try EmbeddingRequest.similarity(body, limits) }
      ),
      (
        .ollama,
        { body, limits throws(ServeError) in _ = try EmbeddingRequest.ollama(body, limits) }
      ),
      (.ollama, { body, _ throws(ServeError) in _ = try EmbeddingRequest.ollamaPrompt(body) }),
      (.cohere, { body, limits throws(ServeError) in _ = try CohereEmbedding(body, limits) }),
      (.cohere, { body, limits throws(ServeError) in _ = try RerankRequest(body, limits) }),
      (.tei, { body, limits throws(ServeError) in _ = try ClassifyRequest.tei(body, limits) }),
      (
        .openAI,
        { body, limits throws(ServeError) in _ = try ClassifyRequest.infinity(body, limits) }
      ),
      (.tei, { body, limits throws(ServeError) in _ = try TokenizeRequest(body, limits) }),
      (.tei, { body, limits throws(ServeError) in _ = try DecodeRequest(body, limits) }),
      (.openAI, { body, limits throws(ServeError) in _ = try TagRequest(body, limits) }),
      (.openAI, { body, limits throws(ServeError) in _ = try AnswerRequest(body, limits) }),
      (.openAI, { body, limits throws(ServeError) in _ = try FillMaskRequest(body, limits) }),
      (.openAI, { body, limits throws(ServeError) in _ = try ZeroShotRequest(body, limits) }),
    ]
  }

  /// A body is read, or refused as the client's fault in JSON that can be read again.
  static func run(_ bytes: UnsafeRawBufferPointer) throws(BertError) {
    for (dialect, read) in readers() {
      for takesIDs in [false, true] {
        do throws(ServeError) {
          try read(try JSONBody(bytes), TextList.Limits(inputs: 16, takesIDs: takesIDs))
        } catch {
          precondition((400..<500).contains(dialect.status(error.code)), "\(error)")
          var text = AnswerText()
          text.value(dialect.body(error, requestID: "a"))
          _ = try JSON.parse(text.bytes)
        }
      }
    }
  }
}
