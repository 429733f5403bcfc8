import Bertq
import ServeShapes
import Testing

/// Every option that some route knows, asked of every route.
@Suite struct OptionTests {
  private static let limits = TextList.Limits()

  /// The readers of all requests, with a body that each takes.
  private static let readers:
    [(name: String, body: String, read: @Sendable (JSONBody) throws -> Void)] = [
      ("openAI", #""input":"a""#, { _ = try EmbeddingRequest.openAI($0, limits) }),
      ("tei", #""inputs":"a""#, { _ = try EmbeddingRequest.tei($0, limits) }),
      ("teiTokens", #""inputs":"a""#, { _ = try EmbeddingRequest.teiTokens($0, limits) }),
      ("teiSparse", #""inputs":"a""#, { _ = try EmbeddingRequest.teiSparse($0, limits) }),
      (
        "similarity", #""inputs":{"source_sentence":"a","sentences":["b"]}"#,
        { _ = try EmbeddingRequest.similarity($0, limits) }
      ),
      ("ollama", #""input":"a""#, { _ = try EmbeddingRequest.ollama($0, limits) }),
      ("ollamaPrompt", #""prompt":"a""#, { _ = try EmbeddingRequest.ollamaPrompt($0) }),
      ("cohere", #""texts":["a"]"#, { _ = try CohereEmbedding($0, limits) }),
      ("rerank", #""query":"a","texts":["b"]"#, { _ = try RerankRequest($0, limits) }),
      ("predict", #""inputs":"a""#, { _ = try ClassifyRequest.tei($0, limits) }),
      ("classify", #""input":["a"]"#, { _ = try ClassifyRequest.infinity($0, limits) }),
      ("tokenize", #""inputs":"a""#, { _ = try TokenizeRequest($0, limits) }),
      ("decode", #""ids":[1]"#, { _ = try DecodeRequest($0, limits) }),
      ("tag", #""input":"a""#, { _ = try TagRequest($0, limits) }),
      ("answer", #""question":"a","context":"b""#, { _ = try AnswerRequest($0, limits) }),
      ("fillMask", #""input":"a""#, { _ = try FillMaskRequest($0, limits) }),
      ("zeroShot", #""input":"a","labels":["b"]"#, { _ = try ZeroShotRequest($0, limits) }),
    ]

  /// An object is right for no option, and so large a number for none: what throws nothing was not looked at.
  @Test(arguments: ["{}", "9223372036854775807", "-9223372036854775808"])
  func letsNoOptionGoInSilence(value: String) throws {
    for (name, body, read) in Self.readers {
      #expect(throws: Never.self) { try read(JSONBody("{\(body)}")) }
      for option in JSONBody.options {
        let asked = try JSONBody("{\(body),\"\(option)\":\(value)}")
        let error = #expect(throws: ServeError.self, "\(name) \(option)") { try read(asked) }
        #expect(error?.place == option, "\(name)")
        #expect(throws: Never.self) { try read(JSONBody("{\(body),\"\(option)\":null}")) }
      }
    }
  }

  @Test(arguments: ["tei", "teiTokens", "teiSparse", "similarity", "predict"])
  func letsNoParameterGoInSilence(name: String) throws {
    let reader = try #require(Self.readers.first { $0.name == name })
    for option in JSONBody.options {
      let asked = try JSONBody("{\(reader.body),\"parameters\":{\"\(option)\":{}}}")
      let error = #expect(throws: ServeError.self) { try reader.read(asked) }
      #expect(error?.place == "parameters." + option)
    }
  }

  @Test func letsGoWhatNoRouteKnows() throws {
    for (_, body, read) in Self.readers {
      #expect(throws: Never.self) {
        try read(
          JSONBody(
            "{\(body),\"user\":{},\"keep_alive\":1,\"input_type\":3,\"options\":{\"top_k\":9}}"))
      }
    }
  }

  @Test(arguments: [
    (#"{"ids":[5,99,-3]}"#, "ids[1]", [1, 2]),
    (#"{"ids":[[5],[99,-3],[-1]]}"#, "ids[1][0]", [1, 2]),
  ])
  func refusesIDsOfNoWord(text: String, place: String, indices: [Int]) throws {
    let request = try DecodeRequest(JSONBody(text), Self.limits)
    #expect(throws: Never.self) { try request.check { _ in true } }
    let error = try #require(throws: ServeError.self) {
      try request.check { (0..<50).contains($0) }
    }
    #expect(error.place == place && error.indices == indices)
  }
}
