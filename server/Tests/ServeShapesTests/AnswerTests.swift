import Bertq
import Foundation
import JSONText
import ServeShapes
import Testing

@Suite struct AnswerTests {
  @Test func writesBase64AsFoundationDoes() {
    let numbers: [Float] = [0, -0.0, 1, .leastNonzeroMagnitude, -3.4e38, 0.1, 2.5e-8]
    for count in 0...numbers.count {
      let vector = Array(numbers.prefix(count))
      var bytes: [UInt8] = []
      VectorText.writeBase64(vector, into: &bytes)
      let data = vector.withUnsafeBytes { Data($0) }
      #expect(String(decoding: bytes, as: UTF8.self) == data.base64EncodedString())
    }
  }

  @Test func writesJSONThatReadsBackAsTheSameNumbers() throws {
    let vectors: [[Float]] = [[0.1, -2.5e-8, 1], [3, 4, 1e30]]
    let embeddings = Embeddings(
      vectors: vectors, tokens: 7, cutTexts: 1, model: "a \"name\"", fingerprint: "f")
    let answer = try JSON.parse(embeddings.openAI(.float).bytes)
    #expect(answer["model"]?.stringValue == "a \"name\"")
    #expect(answer["usage"] == ["prompt_tokens": 7, "total_tokens": 7, "truncated_inputs": 1])
    let read = answer["data"]?.arrayValue?.map { item in
      item["embedding"]?.arrayValue?.compactMap { $0.numberValue.map { Float($0) } } ?? []
    }
    #expect(read == vectors)
    for text in [
      embeddings.openAI(.base64), embeddings.tei(), embeddings.ollama(name: "n", nanoseconds: 5),
      embeddings.ollamaPrompt(),
      embeddings.cohere(id: "i", texts: [[0x61, 0x22]], [.float, .base64]),
    ] {
      #expect(throws: Never.self) { try JSON.parse(text.bytes) }
    }
  }

  @Test func writesErrorsAsEachInterfaceDoes() throws {
    let error = ServeError(.tooLong, "too long", place: "input[3]")
    #expect(Dialect.openAI.status(error.code) == 400 && Dialect.tei.status(error.code) == 422)
    let openAI = Dialect.openAI.body(error, requestID: "r")["error"]
    #expect(openAI?["code"] == "context_length_exceeded" && openAI?["param"] == "input[3]")
    #expect(Dialect.tei.body(error, requestID: "r")["error_type"] == "Validation")
    #expect(Dialect.ollama.body(error, requestID: "r") == ["error": "too long"])
    #expect(Dialect.cohere.body(error, requestID: "r") == ["id": "r", "message": "too long"])
    // The body may tell whose interface it is.
    let told = error.told(in: .tei)
    #expect(told.code == .tooLong && Dialect.cohere.status(told.code) == 422)
    #expect(Dialect.cohere.body(told, requestID: "r")["error_type"] == "Validation")
    let task = ServeError(.unsupportedTask, "none").told(in: .tei)
    #expect(task.code.status == 424)
    #expect(Dialect.cohere.body(task, requestID: "r")["error_type"] == "Backend")
  }

  @Test func givesVectorsInEveryEncodingAskedFor() throws {
    let embeddings = Embeddings(
      vectors: [[1, 2]], tokens: 3, cutTexts: 0, model: "m", fingerprint: "f")
    for (encodings, keys) in [
      ([EmbeddingRequest.Encoding.float], ["float"]), ([.base64], ["base64"]),
      ([.base64, .float], ["base64", "float"]),
    ] {
      let answer = try JSON.parse(embeddings.cohere(id: "i", texts: [], encodings).bytes)
      let found = answer["embeddings"]?.objectValue
      #expect(found?.count == keys.count)
      for key in keys { #expect(found?[key]?.arrayValue?.count == 1) }
    }
  }

  /// Every interface's body has the indices of all, also of those that the message does not name.
  @Test(arguments: [Dialect.openAI, .tei, .ollama, .cohere])
  func namesAllThatIsAtFault(dialect: Dialect) throws {
    var faults = ItemFaults()
    #expect(throws: Never.self) { try faults.check() }
    for index in 0..<30 {
      let place = "input[\(index * 2)]"
      faults.note(ServeError(.tooLong, "\(place) is too long", place: place), at: index * 2)
    }
    let error = try #require(faults.error)
    #expect(error.place == "input[0]" && error.message.contains("input[38] and others"))
    let body = dialect.body(error, requestID: "r")
    let indices = (dialect == .openAI ? body["error"] : body)?["indices"]?.arrayValue
    #expect(indices?.compactMap(\.integerValue) == (0..<30).map { $0 * 2 })
  }

  @Test(arguments: [
    (BertError.Code.tooLong, true, 400), (.malformed, true, 400), (.malformed, false, 500),
    (.notFinite, false, 500), (.notUTF8, true, 400), (.unsupported, false, 400),
    (.overloaded, false, 429), (.deadline, false, 504), (.system, false, 500),
  ])
  func givesEachErrorAStatus(code: BertError.Code, isOfRequest: Bool, status: Int) {
    let error = ServeError(BertError(code, "why"), place: "input", isOfRequest: isOfRequest)
    #expect(error.code.status == status)
  }

  @Test(arguments: [
    (Duration.milliseconds(1), "1", "1"), (.milliseconds(999), "1", "999"),
    (.milliseconds(1001), "2", "1001"), (.zero, "1", "1"),
  ])
  func saysWhenToComeAgain(wait: Duration, seconds: String, milliseconds: String) {
    var overloaded = BertError(.overloaded, "busy")
    overloaded.retryAfter = wait
    let headers = ServeError(overloaded, place: nil).headers
    #expect(headers.contains { $0 == ("retry-after", seconds) })
    #expect(headers.contains { $0 == ("retry-after-ms", milliseconds) })
  }
}
