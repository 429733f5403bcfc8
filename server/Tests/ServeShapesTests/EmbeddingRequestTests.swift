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
    let cohere = try EmbeddingRequest.cohere(
      JSONBody(#"{"texts":["a"],"embedding_types":["float"],"truncate":"END"}"#), limits)
    #expect(cohere.truncates && cohere.truncationSide == .right && cohere.encoding == .float)
    #expect(throws: ServeError.self) {
      try EmbeddingRequest.cohere(
        JSONBody(#"{"texts":["a"],"embedding_types":["int8"]}"#), limits)
    }
  }

  @Test func tellsSimilarityFromTexts() throws {
    let body = try JSONBody(
      #"{"inputs":{"source_sentence":"a","sentences":["b","c"]},"parameters":{"truncate":true}}"#)
    let request = try SimilarityRequest(body, limits)
    #expect(request.embedding.texts.inputs == [TextInput("a"), TextInput("b"), TextInput("c")])
    #expect(request.embedding.truncates)
    #expect(throws: ServeError.self) {
      try SimilarityRequest(
        JSONBody(#"{"inputs":{"source_sentence":"a","sentences":[]}}"#), limits)
    }
  }
}
