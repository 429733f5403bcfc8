import Bertq
import ServeShapes
import Testing

@Suite struct OwnRequestTests {
  private let limits = TextList.Limits(inputs: 3, takesIDs: true)

  @Test func readsEveryMember() throws {
    let tag = try TagRequest(
      JSONBody(
        #"{"input":["a","b"],"aggregate":"First","truncate":true,"truncation_direction":"Left","model":"m"}"#
      ), limits)
    #expect(tag.aggregation == .first && tag.own.model == "m" && !tag.own.texts.isSingle)
    #expect(tag.own.texts.inputs.allSatisfy { $0.truncates == true && $0.truncationSide == .left })
    let answer = try AnswerRequest(
      JSONBody(
        #"{"input":[{"question":"q","context":"c"}],"top":2,"longest":9,"stride":0,"allows_none":true}"#
      ),
      limits)
    #expect(answer.questions.inputs == [TextInput("q", pair: "c")])
    #expect(answer.options.top == 2 && answer.options.longest == 9 && answer.options.stride == 0)
    #expect(answer.options.allowsNone && answer.model == nil)
    let mask = try FillMaskRequest(JSONBody(#"{"input":"a [MASK]","targets":["b"]}"#), limits)
    #expect(mask.top == 5 && mask.targets == ["b"] && mask.own.texts.isSingle)
    let zero = try ZeroShotRequest(
      JSONBody(#"{"input":"a","labels":["x","y"],"hypothesis":"of {}","multi":true}"#), limits)
    #expect(zero.options.labels == ["x", "y"] && zero.options.multi)
    #expect(zero.options.hypothesis == "of {}")
  }

  /// The place that an error names; ids are refused even where the server takes them.
  @Test(arguments: [
    (0, #"{"input":"a","aggregate":"all"}"#, "aggregate"), (0, #"{"input":[[1]]}"#, "input[0]"),
    (0, #"{"input":["a","b","c","d"]}"#, "input"), (0, #"{"input":"a","truncate":1}"#, "truncate"),
    (1, #"{"question":"q"}"#, "context"), (1, #"{"input":[]}"#, "input"),
    (1, #"{"input":[{"question":"q","context":"c"},{"question":"q"}]}"#, "input[1]"),
    (1, #"{"question":"q","context":"c","top":0}"#, "top"),
    (2, #"{"input":"a","targets":[1]}"#, "targets[0]"), (2, #"{"input":"a","top":"5"}"#, "top"),
    (3, #"{"input":"a"}"#, "labels"), (3, #"{"labels":["a"]}"#, "input"),
    (1, #"{"question":"","context":"c"}"#, "question"),
    (1, #"{"input":[{"question":"q","context":""}]}"#, "input[0].context"),
    (1, #"{"input":[{"question":"q","context":"c"}],"question":"q"}"#, "question"),
    (1, #"{"question":"q","context":"c","longest":513}"#, "longest"),
    (1, #"{"question":"q","context":"c","truncate":true}"#, "truncate"),
    (2, #"{"input":"a","targets":[]}"#, "targets"), (2, #"{"input":"a","top":101}"#, "top"),
    (2, #"{"input":"a","targets":["b",""]}"#, "targets[1]"),
    (3, #"{"input":"a","labels":[]}"#, "labels"),
    (3, #"{"input":"a","labels":["b",""]}"#, "labels[1]"),
    (3, #"{"input":"a","labels":["b"],"hypothesis":"of"}"#, "hypothesis"),
  ])
  func namesThePlaceOfWhatIsWrong(kind: Int, text: String, place: String) throws {
    let error = try #require(throws: ServeError.self) {
      let body = try JSONBody(text)
      switch kind {
      case 0: _ = try TagRequest(body, limits)
      case 1: _ = try AnswerRequest(body, limits)
      case 2: _ = try FillMaskRequest(body, limits)
      default: _ = try ZeroShotRequest(body, limits)
      }
    }
    #expect(error.place == place, "\(error.message)")
  }

  @Test func boundsWhatOneAnswerMayHold() throws {
    let limits = TextList.Limits()
    let question = #"{"question":"q","context":"c"}"#
    let questions = Array(repeating: question, count: 33).joined(separator: ",")
    let labels = (0..<256).map { "\"l\($0)\"" }.joined(separator: ",")
    let texts = Array(repeating: "\"a\"", count: 129).joined(separator: ",")
    #expect(throws: Never.self) {
      try AnswerRequest(try JSONBody(#"{"input":[\#(questions)],"top":992}"#), limits)
    }
    let answers = try #require(throws: ServeError.self) {
      try AnswerRequest(try JSONBody(#"{"input":[\#(questions)],"top":993}"#), limits)
    }
    #expect(answers.place == "top" && answers.code.status == 400)
    let zero = try #require(throws: ServeError.self) {
      try ZeroShotRequest(try JSONBody(#"{"input":[\#(texts)],"labels":[\#(labels)]}"#), limits)
    }
    #expect(zero.place == "labels")
    let hypothesis = String(repeating: "a", count: 5000) + "{}"
    let long = try #require(throws: ServeError.self) {
      try ZeroShotRequest(
        try JSONBody(#"{"input":"a","labels":[\#(labels)],"hypothesis":"\#(hypothesis)"}"#), limits)
    }
    #expect(long.place == "hypothesis")
    let three = try ZeroShotRequest(
      JSONBody(#"{"input":"a","labels":["x","y"],"hypothesis":"{} or {}"}"#), limits)
    let mask = try FillMaskRequest(JSONBody(#"{"input":"a","top":100}"#), limits)
    #expect(mask.mostMasks == 327)
    #expect(throws: Never.self) { try mask.check(masks: 327) }
    #expect(throws: ServeError.self) { try mask.check(masks: 328) }
    let few = try FillMaskRequest(JSONBody(#"{"input":"a","top":100,"targets":["b"]}"#), limits)
    #expect(throws: Never.self) { try few.check(masks: 32_768) }
    #expect(three.hypotheses == ["x or x", "y or y"])
  }
}
