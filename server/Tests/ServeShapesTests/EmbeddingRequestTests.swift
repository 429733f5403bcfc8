import Bertq
import JSONText
import ServeShapes
import Testing

@Suite struct EmbeddingRequestTests {
  private let limits = TextList.Limits(inputs: 4)

  @Test func readsWhatOpenAIClientsSend() throws {
    let one = try EmbeddingRequest.openAI(
      JSONBody(#"{"model":"m","input":"a","encoding_format":"base64","user":"u"}"#), limits)
    #expect(one.texts.isSingle && one.texts.inputs == [TextInput("a")])
    #expect(one.encoding == .base64 && one.model == "m" && !one.truncates && one.normalizes == nil)
    let nulls = try EmbeddingRequest.openAI(
      JSONBody(#"{"input":["a","b"],"model":null,"encoding_format":null,"dimensions":null}"#),
      limits)
    #expect(nulls.texts.inputs.count == 2 && !nulls.texts.isSingle)
    #expect(nulls.encoding == .float && nulls.dimensions == nil && nulls.model == nil)
  }

  @Test(arguments: [
    (#"{}"#, "input"), (#"{"input":null}"#, "input"), (#"{"input":""}"#, "input"),
    (#"{"input":[]}"#, "input"), (#"{"input":["a",""]}"#, "input[1]"),
    (#"{"input":["a",3]}"#, "input[1]"),
    (#"{"input":3}"#, "input"), (#"{"input":{"a":1}}"#, "input"),
    (#"{"input":"a","encoding_format":"hex"}"#, "encoding_format"),
    (#"{"input":"a","dimensions":0}"#, "dimensions"),
    (#"{"input":"a","dimensions":"3"}"#, "dimensions"),
    (#"{"input":"a","model":3}"#, "model"),
  ])
  func namesThePlaceOfWhatIsWrong(text: String, place: String) throws {
    let error = try #require(throws: ServeError.self) {
      try EmbeddingRequest.openAI(try JSONBody(text), limits)
    }
    #expect(error.code == .invalidRequest)
    #expect(error.place == place)
  }

  @Test func refusesIDsUnlessTheyAreTaken() throws {
    for text in [#"{"input":[1,2]}"#, #"{"input":[[1,2],[3]]}"#] {
      let body = try JSONBody(text)
      let error = try #require(throws: ServeError.self) {
        try EmbeddingRequest.openAI(body, limits)
      }
      #expect(error.code == .tokenIDs)
      #expect(error.message.contains("check_embedding_ctx_length=False"))
      #expect(error.headers.contains { $0 == ("x-should-retry", "false") })
      let taken = try EmbeddingRequest.openAI(body, .init(takesIDs: true))
      #expect(taken.texts.inputs[0].ids == [1, 2])
    }
    let huge = try JSONBody(#"{"input":[[99999999999]]}"#)
    #expect(throws: ServeError.self) { try EmbeddingRequest.openAI(huge, .init(takesIDs: true)) }
  }

  @Test func refusesMoreTextsThanARequestMayHave() throws {
    let body = try JSONBody(#"{"input":["a","a","a","a","a"],"inputs":["a","a","a","a","a"]}"#)
    let openAI = try #require(throws: ServeError.self) {
      try EmbeddingRequest.openAI(body, limits)
    }
    let tei = try #require(throws: ServeError.self) { try EmbeddingRequest.tei(body, limits) }
    #expect(openAI.code == .tooLarge && tei.code == .tooLarge)
  }

  @Test func keepsEachInterfacesDefaults() throws {
    let tei = try EmbeddingRequest.tei(
      JSONBody(#"{"inputs":"a","truncation_direction":"Left","truncate":true}"#), limits)
    #expect(tei.normalizes == true && tei.truncates && tei.truncationSide == .left)
    let raw = try EmbeddingRequest.tei(JSONBody(#"{"inputs":"a","normalize":false}"#), limits)
    #expect(raw.normalizes == false && !raw.truncates)
    let ollama = try EmbeddingRequest.ollama(JSONBody(#"{"model":"m","input":"a"}"#), limits)
    #expect(ollama.truncates && ollama.normalizes == true)
    for nothing in [#"{"model":"m"}"#, #"{"input":""}"#, #"{"input":[]}"#] {
      let none = try EmbeddingRequest.ollama(JSONBody(nothing), limits)
      #expect(none.texts.inputs.isEmpty)
    }
    let cohere = try CohereEmbedding(
      JSONBody(#"{"texts":["a"],"embedding_types":["float"],"truncate":"END"}"#), limits)
    #expect(cohere.embedding.truncates && cohere.embedding.truncationSide == .right)
    #expect(cohere.encodings == [.float] && cohere.embedding.texts.cutting.contains("START"))
    let both = try CohereEmbedding(
      JSONBody(#"{"texts":["a"],"embedding_types":["base64","float","base64"]}"#), limits)
    #expect(both.encodings == [.base64, .float] && !both.embedding.truncates)
    for (wrong, place) in [
      (#"{"texts":["a"],"embedding_types":["float","int8"]}"#, "embedding_types[1]"),
      (#"{"texts":["a"],"images":["b"]}"#, "images"), (#"{"inputs":["a"]}"#, "inputs"),
      (#"{"texts":["a"],"truncate":true}"#, "truncate"), (#"{"texts":[]}"#, "texts"),
    ] {
      let error = try #require(throws: ServeError.self) {
        try CohereEmbedding(try JSONBody(wrong), limits)
      }
      #expect(error.place == place)
    }
  }

  @Test func takesNoTextOfOllamasOtherRoute() throws {
    let prompt = try #require(throws: ServeError.self) {
      try EmbeddingRequest.ollama(try JSONBody(#"{"prompt":"a"}"#), limits)
    }
    let input = try #require(throws: ServeError.self) {
      try EmbeddingRequest.ollamaPrompt(try JSONBody(#"{"input":"a"}"#))
    }
    #expect(prompt.place == "prompt" && input.place == "input")
  }

  @Test func cutsAtTheEndThatIsAskedFor() throws {
    let cut = #""truncate":true,"truncation_direction":"left"}"#
    let body = try JSONBody(#"{"input":"a","inputs":"a","# + cut)
    for request in [
      try EmbeddingRequest.openAI(body, limits), try .ollama(body, limits),
      try .ollamaPrompt(JSONBody(#"{"prompt":"a","# + cut)), try .tei(body, limits),
      try .teiTokens(body, limits),
      try .teiSparse(body, limits),
    ] {
      #expect(request.truncates)
      #expect(request.promptedTexts.inputs.allSatisfy { $0.truncationSide == .left })
    }
  }

  @Test func readsWhatTheHubCallsParameters() throws {
    let request = try EmbeddingRequest.tei(
      JSONBody(#"{"model":"m","inputs":"a","truncate":true,"parameters":{"normalize":false}}"#),
      limits)
    #expect(request.model == "m" && request.truncates && request.normalizes == false)
    let error = try #require(throws: ServeError.self) {
      try EmbeddingRequest.tei(
        try JSONBody(#"{"inputs":"a","parameters":{"dimensions":0}}"#), limits)
    }
    #expect(error.place == "parameters.dimensions")
  }

  @Test func namesEveryTextThatIsNone() throws {
    let body = try JSONBody(#"{"input":["a","",null,"b"],"texts":["","a",3]}"#)
    let listed = try #require(throws: ServeError.self) {
      try EmbeddingRequest.openAI(body, limits)
    }
    #expect(listed.indices == [1, 2] && listed.message.contains("input[2]"))
    let cohere = try #require(throws: ServeError.self) { try CohereEmbedding(body, limits) }
    #expect(cohere.indices == [0, 2])
  }

  @Test func readsSimilarity() throws {
    // What huggingface_hub sends always has parameters.
    let request = try EmbeddingRequest.similarity(
      JSONBody(
        #"{"model":"m","inputs":{"source_sentence":"a","sentences":["b","c"]},"parameters":{}}"#),
      limits)
    #expect(request.texts.inputs == [TextInput("a"), TextInput("b"), TextInput("c")])
    #expect(request.model == "m" && !request.truncates && request.normalizes == true)
    let texts = request.texts
    #expect(texts.place(0) == "inputs.source_sentence" && texts.position(0) == nil)
    #expect(texts.place(2) == "inputs.sentences[1]" && texts.position(2) == 1)
    let cut = try EmbeddingRequest.similarity(
      JSONBody(
        #"{"inputs":{"source_sentence":"a","sentences":["b"]},"parameters":{"truncate":true}}"#),
      limits)
    #expect(cut.truncates)
  }

  @Test(arguments: [
    (#"{"source_sentence":"a","sentences":[]}"#, "inputs.sentences", []),
    (#"{"source_sentence":"a"}"#, "inputs.sentences", []),
    (#"{"sentences":["a"]}"#, "inputs.source_sentence", []),
    (#"{"source_sentence":"","sentences":["a"]}"#, "inputs.source_sentence", []),
    (#"{"source_sentence":"a","sentences":["b",3,""]}"#, "inputs.sentences[1]", [1, 2]),
  ])
  func namesPlacesOfSimilarity(inputs: String, place: String, indices: [Int]) throws {
    let error = try #require(throws: ServeError.self) {
      try EmbeddingRequest.similarity(try JSONBody("{\"inputs\":\(inputs)}"), limits)
    }
    #expect(error.place == place && error.indices == indices)
  }
}
