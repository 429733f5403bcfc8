import BertErrors
import Testing

@testable import JSONText

/// Reading some members of an object and passing over the others.
struct JSONMembersTests {
  private func members(_ text: String) throws(BertError) -> JSONMembers {
    try JSON.members(Array(text.utf8)) { $0 == "a" || $0 == "b" }
  }

  /// What `parse` refuses and nobody reads.
  @Test(arguments: [
    "NaN", "-Infinity", "Infinity", "1e999", "-0.5E+3", "\"\\ud800\"", "{\"x\":1,\"x\":2}", "[]",
    "{}",
    "[[],{},[1,[2,{\"y\":[NaN]}]],\"\\\"]\"]", "null", "true", "false", "184467440737095516150000",
    "{\"k\":{\"k\":[{\"k\":\"}\"}]}}", " [ 1 , { \"q\" : \"\\\\\" } ] ",
  ])
  func anyFormIsPassedOver(_ value: String) throws {
    let found = try members("{\"x\":\(value),\"a\":1, \"x\" : \(value) ,\"b\":[2]}")
    #expect(found.read.keys == ["a", "b"] && found.read["b"] == [2])
    #expect(found.unread == ["x", "x"])
  }

  /// Depth is no matter of memory where nothing is kept.
  @Test func deepValuesArePassedOver() throws {
    let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
    #expect(try members("{\"x\":\(deep),\"a\":1}").read["a"] == 1)
  }

  @Test(arguments: [
    "", "{", "{\"x\"", "{\"x\":", "{\"x\":}", "{\"x\":1", "{\"x\":1,}", "{\"x\":[1,]}",
    "{\"x\":[1 2]}",
    "{\"x\":{\"y\"}}", "{\"x\":{\"y\":1,}}", "{\"x\":tru}", "{\"x\":nan}", "{\"x\":01}",
    "{\"x\":1.}",
    "{\"x\":-}", "{\"x\":1e}", "{\"x\":\"}", "{\"x\":\"\n\"}", "{\"x\":1}}", "{\"x\":[}",
    "{\"x\":[1}",
    "{\"x\":{]}", "{\"x\":1} 2", "[{\"a\":1}]", "\"a\"", "{\"a\":1,\"a\":2}", "{\"a\":NaN}",
    "{\"x\":\"\\",
    "{a:1}", "{\"x\":+1}",
  ])
  func aWrongFormIsRefused(_ text: String) {
    let error = #expect(throws: BertError.self) { try members(text) }
    #expect(error?.code == .malformed)
  }

  /// With everything read it agrees with the parser.
  @Test func whatIsReadIsWhatTheParserReads() throws {
    let text = "{\"a\":{\"b\":[1,2.5,\"é\\n\"]},\"b\":null}"
    let found = try JSON.members(Array(text.utf8)) { _ in true }
    #expect(JSON.object(found.read) == (try JSON.parse(text)) && found.unread.isEmpty)
  }
}
