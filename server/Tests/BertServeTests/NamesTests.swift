import BertServe
import Bertq
import NIOHTTP1
import ServeShapes
import Testing

@Suite struct NamesTests {
  @Test(arguments: [
    ("model.bertq", "model", "model.bertq"), ("/a/b/small.bertq", "small", "/a/b/small.bertq"),
    ("x=/a/b.bertq", "x", "/a/b.bertq"), ("/a=b/c.bertq", "c", "/a=b/c.bertq"),
    ("=c.bertq", "=c", "=c.bertq"), ("name=", "name", ""),
    ("org/small=c.bertq", "org/small", "c.bertq"),
  ])
  func readsNamesOfModels(argument: String, name: String, path: String) {
    let source = ServedModels.Source(argument)
    #expect(source.name == name && source.path == path)
  }

  @Test(arguments: [
    ("all-MiniLM", "all-MiniLM"), ("a%20b%2Fc", "a b/c"), ("%C3%BC", "ü"), ("100%", "100%"),
    ("%zz%2", "%zz%2"), ("%+1%-0", "%+1%-0"), ("%FF", "%FF"), ("", ""),
  ])
  func readsNamesInPaths(path: String, name: String) { #expect(path.percentDecoded == name) }

  @Test func comparesKeysWhole() throws {
    let keys = try ApiKeys(file: nil, fixed: ["secret"])
    let right: [HTTPHeaders] = [
      ["authorization": "Bearer secret"], ["authorization": "secret"], ["x-api-key": "secret"],
      ["authorization": "Bearer  secret"], ["authorization": "Basic other", "x-api-key": "secret"],
    ]
    for headers in right { #expect(throws: Never.self) { try keys.check(headers) } }
    for wrong in ["", "Bearer ", "Bearer secre", "Bearer secrets", "Basic secret"] {
      let error = try #require(throws: ServeError.self) {
        try keys.check(["authorization": wrong])
      }
      #expect(error.code == .invalidKey)
      #expect(error.headers.contains { $0 == ("www-authenticate", "Bearer") })
    }
    #expect(try ApiKeys(file: nil, fixed: []).areOpen)
    #expect(throws: BertError.self) { try ApiKeys(file: "/nothing/here", fixed: []) }
  }

  @Test func boundsWhatRequestsHold() {
    let budget = ByteBudget(10)
    #expect(budget.take(6) && !budget.take(5) && budget.take(4))
    budget.giveBack(10)
    #expect(budget.count == 0)
    #expect(!budget.take(8, leaving: 3) && budget.take(7, leaving: 3) && budget.take(3))
    #expect(!budget.take(.max) && !budget.take(0, leaving: 11))
  }
  /// The first is RFC 9110's own example.
  @Test(arguments: [
    (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
    (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
  ])
  func writesDates(second: Int, text: String) {
    #expect(ResponseDate.text(of: second) == text)
  }
}
