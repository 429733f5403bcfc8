import Bertq
import ServeShapes
import Testing

@Suite struct HeadRequestTests {
  private let limits = TextList.Limits(inputs: 3)

  @Test func tellsTwoInterfacesByTheirMembers() throws {
    let tei = try RerankRequest(
      JSONBody(#"{"query":"q","texts":["a","b"],"raw_scores":true,"return_text":true}"#), limits)
    #expect(tei.isTEI && tei.isRaw && tei.returnsDocuments && tei.top == nil)
    let cohere = try RerankRequest(
      JSONBody(#"{"query":"q","documents":["a",{"text":"b","id":3}],"top_n":1,"model":"m"}"#),
      limits)
    #expect(!cohere.isTEI && !cohere.isRaw && cohere.top == 1 && cohere.model == "m")
    #expect(cohere.documents == ["a", "b"])
  }

  @Test(arguments: [
    (#"{"documents":["a"]}"#, "query"), (#"{"query":"","documents":["a"]}"#, "query"),
    (#"{"query":"q"}"#, "documents"), (#"{"query":"q","documents":[]}"#, "documents"),
    (#"{"query":"q","documents":"a"}"#, "documents"),
    (#"{"query":"q","documents":["a",{"body":"b"}]}"#, "documents[1]"),
    (#"{"query":"q","texts":[1]}"#, "texts[0]"),
    (#"{"query":"q","texts":["a"],"top_n":0}"#, "top_n"),
    (#"{"query":"q","texts":["a",""]}"#, "texts[1]"),
    (#"{"query":"q","texts":["a"],"documents":["b"]}"#, "documents"),
  ])
  func namesThePlaceOfWhatIsWrong(text: String, place: String) throws {
    let error = try #require(throws: ServeError.self) {
      try RerankRequest(try JSONBody(text), limits)
    }
    #expect(error.code == .invalidRequest && error.place == place)
  }

  @Test func readsTheHubsParameters() throws {
    let plain = try ClassifyRequest.tei(JSONBody(#"{"inputs":"a"}"#), limits)
    #expect(!plain.isOfHub && plain.top == nil && !plain.isRaw)
    let hub = try ClassifyRequest.tei(
      JSONBody(#"{"inputs":"a","parameters":{"top_k":2,"function_to_apply":"none"}}"#), limits)
    #expect(hub.isOfHub && hub.top == 2 && hub.isRaw)
    #expect(try ClassifyRequest.tei(JSONBody(#"{"inputs":"a","parameters":{}}"#), limits).isOfHub)
    let error = try #require(throws: ServeError.self) {
      try ClassifyRequest.tei(
        try JSONBody(#"{"inputs":"a","parameters":{"function_to_apply":"sigmoid"}}"#), limits)
    }
    #expect(error.place == "parameters.function_to_apply")
    let cut = try ClassifyRequest.tei(
      JSONBody(#"{"model":"m","inputs":"a","parameters":{"truncate":true}}"#), limits)
    #expect(cut.truncates && cut.model == "m")
    let side = try ClassifyRequest.infinity(
      JSONBody(#"{"input":"a","truncation_direction":"left"}"#), limits)
    #expect(side.truncationSide == .left)
  }

  @Test func readsTextsAndPairs() throws {
    let pair = TextInput("a", pair: "b")
    for (text, inputs, isSingle) in [
      (#""a""#, [TextInput("a")], true), (#"["a"]"#, [TextInput("a")], true),
      (#"["a","b"]"#, [pair], true), (#"[["a"],["a","b"]]"#, [TextInput("a"), pair], false),
    ] {
      let request = try ClassifyRequest.tei(JSONBody("{\"inputs\":\(text)}"), limits)
      #expect(request.texts.inputs == inputs && request.texts.isSingle == isSingle)
    }
    for text in [
      "3", "[]", "[1]", #"["a","b","c"]"#, "[[]]", #"[["a"],3]"#, #""""#, #"["a",""]"#,
    ] {
      #expect(throws: ServeError.self) {
        try ClassifyRequest.tei(try JSONBody("{\"inputs\":\(text)}"), limits)
      }
    }
    let error = try #require(throws: ServeError.self) {
      try ClassifyRequest.tei(try JSONBody(#"{"inputs":[["a",""],["b"],[3]]}"#), limits)
    }
    #expect(error.place == "inputs[0][1]" && error.indices == [0, 2])
    #expect(throws: ServeError.self) {
      try ClassifyRequest.tei(try JSONBody(#"{"inputs":[["a"],["a"],["a"],["a"]]}"#), limits)
    }
  }
}
