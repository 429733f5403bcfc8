import JSONText
import ServeShapes
import Testing

@Suite struct JSONBodyTests {
  @Test(arguments: [
    ("", "empty"), (" \n", "empty"), ("{", "not JSON"), ("[]", "an array"), ("\"a\"", "a string"),
    ("{\"a\":1,\"a\":2}", "not JSON"), ("{\"a\":1}x", "not JSON"), ("{'a':1}", "not JSON"),
    ("{\"a\":NaN}", "not JSON"), (String(repeating: "[", count: 100_000), "not JSON"),
    (
      "{\"a\":" + String(repeating: "[", count: 17) + String(repeating: "]", count: 17) + "}",
      "not JSON"
    ),
  ])
  func refusesWhatIsNoObject(text: String, reason: String) throws {
    let error = try #require(throws: ServeError.self) { try JSONBody(text) }
    #expect(error.code == .invalidRequest)
    #expect(error.message.contains(reason))
  }

  @Test(
    arguments: [
      [0x7B, 0x22, 0x61, 0x22, 0x3A, 0x22, 0xFF, 0x22, 0x7D],  // {"a":"\xFF"}
      [0xEF, 0xBB, 0xBF, 0x7B, 0x7D],  // A byte order mark.
      [0x7B, 0x00, 0x7D],
    ] as [[UInt8]])
  func refusesBytesThatAreNoText(bytes: [UInt8]) throws {
    let error = try #require(throws: ServeError.self) {
      try bytes.withUnsafeBytes { try JSONBody($0) }
    }
    #expect(error.code == .invalidRequest)
  }

  @Test func refusesMoreValuesThanMemoryIsFor() throws {
    let many = "{\"input\":[" + String(repeating: "0,", count: 1 << 20) + "0]}"
    let error = try #require(throws: ServeError.self) { try JSONBody(many) }
    #expect(error.code == .tooLarge)
    // Commas within a text are none.
    let text = "{\"input\":\"" + String(repeating: ",", count: 1 << 21) + "\\\",\"}"
    #expect(try JSONBody(text).string("input")?.utf8.count == 1 << 21 + 2)
  }

  @Test func takesNullAsAbsent() throws {
    let body = try JSONBody(#"{"a":null,"b":false,"c":0,"d":"x","e":null}"#)
    #expect(body["a"] == nil)
    #expect(try body.string("e") == nil)
    #expect(try body.bool("b") == false)
    #expect(try body.integer("c", 0...9) == 0)
    #expect(body.first(of: "a", "d")?.key == "d")
  }

  @Test func namesWhatHasAnotherType() throws {
    let body = try JSONBody(#"{"a":1,"b":"true","c":1.0,"d":[1],"e":["x",2],"f":-1,"g":"Up"}"#)
    let places = [
      try #require(throws: ServeError.self) { _ = try body.string("a") }.place,
      try #require(throws: ServeError.self) { _ = try body.bool("b") }.place,
      try #require(throws: ServeError.self) { _ = try body.integer("c", 0...9) }.place,
      try #require(throws: ServeError.self) { _ = try body.object("d") }.place,
      try #require(throws: ServeError.self) { _ = try body.strings("e", most: 9) }.place,
      try #require(throws: ServeError.self) { _ = try body.integer("f", 1...9) }.place,
      try #require(throws: ServeError.self) { _ = try body.choice("g", ["left"]) }.place,
    ]
    #expect(places == ["a", "b", "c", "d", "e[1]", "f", "g"])
    #expect(try body.choice("g", ["up", "down"]) == "up")
    let inner = try JSONBody(#"{"a":{"b":["x",1,"",2]}}"#).object("a")
    let error = try #require(throws: ServeError.self) {
      _ = try inner?.strings("b", most: 9, allowsEmpty: false)
    }
    #expect(error.place == "a.b[1]" && error.indices == [1, 2, 3])
  }

  @Test func readsChangedBodiesWithoutHarm() throws {
    let seed =
      #"{"model":"m","input":["a text","ü\n",[1,2]],"encoding_format":"base64","dimensions":3,"truncate":true}"#
    var generator = Numbers(state: 7)
    var refused = 0
    for _ in 0..<20_000 {
      var bytes = Array(seed.utf8)
      for _ in 0...Int.random(in: 0..<4, using: &generator) where bytes.count > 1 {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(contentsOf: bytes[place..<min(place + 9, bytes.count)], at: place)
        default: bytes.removeLast(bytes.count - max(1, place))
        }
      }
      do throws(ServeError) {
        let body = try bytes.withUnsafeBufferPointer { bytes throws(ServeError) in
          try JSONBody(UnsafeRawBufferPointer(bytes))
        }
        _ = try EmbeddingRequest.openAI(body, .init(takesIDs: true))
      } catch {
        refused += 1
        #expect((400..<500).contains(error.code.status))
      }
    }
    // Most changes break something; were none refused, nothing would have been read.
    #expect(refused > 10_000)
  }

  /// Numbers that are the same in each run (SplitMix64).
  private struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var word = state
      word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
      word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
      return word ^ (word >> 31)
    }
  }
}
