import BertErrors
import Fixtures
import JSONText
import Testing

@Suite struct JSONWritingTests {
  @Test func writesMembersInOrder() {
    let value: JSON = ["b": [1, true, nil, "x"], "a": [:], "c": []]
    #expect(value.text() == #"{"b":[1,true,null,"x"],"a":{},"c":[]}"#)
    let pretty = """
      {
        "b": [
          1,
          true,
          null,
          "x"
        ],
        "a": {},
        "c": []
      }
      """
    #expect(value.text(pretty: true) == pretty)
  }

  @Test func escapesOnlyWhatMustBe() {
    let text = JSON.string("a\"\\/\n\r\t\u{0}\u{1f}\u{7f}é😀").text()
    #expect(text == "\"a\\\"\\\\/\\n\\r\\t\\u0000\\u001f\u{7f}é😀\"")
  }

  @Test func writesFloatsAsShortestDecimals() {
    var bytes: [UInt8] = []
    JSON.write([0.1, -1, 1e-30, 16_777_216, .nan, .infinity] as [Float], into: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == "[0.1,-1.0,1e-30,16777216.0,null,null]")
    #expect(JSON.float(0.1).text() == "0.1")
    #expect(JSON.number(0.1).text() == "0.1")
  }

  @Test func writesBackWhatItReads() throws {
    var state: UInt64 = 7
    for _ in 0..<20_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let double = Double(bitPattern: state)
      let float = Float(bitPattern: UInt32(truncatingIfNeeded: state >> 32))
      if double.isFinite {
        #expect(try JSON.parse(JSON.number(double).text()).numberValue == double)
      }
      if float.isFinite {
        let read = try JSON.parse(JSON.float(float).text()).numberValue
        #expect(read.map { Float($0) } == float)
      }
    }
  }

  @Test func editsObjectsInPlace() {
    var object = JSONObject()
    for key in 0..<20 { object["k\(key)"] = .integer(key) }
    object["k3"] = nil
    object["k19"] = "last"
    #expect(object.count == 19 && object["k3"] == nil && object["k19"] == "last")
    #expect(object.keys.last == "k19" && object["k4"] == 4)
  }

  @Test(.enabled(if: SharedData.isPresent("foreign/npz/expected.json"), "needs the shared data"))
  func readsItsOwnDataFiles() throws {
    let value = try JSON.parse(SharedData.bytes("foreign/npz/expected.json"))
    #expect(try JSON.parse(value.text()) == value)
    #expect(try JSON.parse(value.text(pretty: true)) == value)
  }
}
