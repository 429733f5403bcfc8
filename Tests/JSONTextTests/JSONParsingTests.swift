import BertErrors
import Fixtures
import JSONText
import Testing

@Suite struct JSONParsingTests {
  static let values: [(String, JSON)] = [
    ("null", .null), ("true", .bool(true)), ("false", .bool(false)), (" 12 ", .integer(12)),
    ("-3", .integer(-3)), ("\"\"", .string("")), ("[]", .array([])), ("{}", .object(JSONObject())),
    ("[1,[2],{\"a\":null}]", .array([1, .array([2]), .object(["a": nil])])),
    ("{\"b\":1,\"a\":2}", .object(["b": 1, "a": 2])), ("\t\r\n[ 1 , 2 ]\n", .array([1, 2])),
  ]

  @Test(arguments: values)
  func readsValues(text: String, expected: JSON) throws {
    #expect(try JSON.parse(text) == expected)
  }

  @Test(arguments: [
    ("0", JSON.integer(0)), ("9223372036854775807", .integer(.max)),
    ("-9223372036854775808", .integer(.min)), ("9223372036854775808", .number(0x1p63)),
    ("-9223372036854775809", .number(-0x1p63)), ("18446744073709551616", .number(0x1p64)),
    ("1.5", .number(1.5)), ("1e0", .number(1)), ("1E+2", .number(100)), ("25e-1", .number(2.5)),
    ("1e-12", .number(1e-12)), ("1e-05", .number(1e-5)), ("0.1", .number(0.1)),
    ("1e22", .number(1e22)), ("1e23", .number(1e23)),
    ("123456789012345678", .integer(123_456_789_012_345_678)),
    ("1.7976931348623157e308", .number(.greatestFiniteMagnitude)),
    ("5e-324", .number(.leastNonzeroMagnitude)), ("1e-400", .number(0)),
    ("2.2250738585072011e-308", .number(Double(bitPattern: 0x000F_FFFF_FFFF_FFFF))),
    ("9007199254740993.0", .number(9_007_199_254_740_992)), ("0e999999999999", .number(0)),
  ])
  func readsNumbersAtTheExtremes(text: String, expected: JSON) throws {
    #expect(try JSON.parse(text) == expected)
  }

  @Test func keepsTheSignOfMinusZero() throws {
    let value = try JSON.parse("-0").numberValue
    #expect(value?.sign == .minus && value == 0)
  }

  @Test(arguments: [
    (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{c}\n\r\t"), (#""\u00e9\u20AC""#, "é€"),
    (#""\ud83d\uDE00""#, "😀"), (#""\u0000""#, "\u{0}"), ("\"é漢😀\"", "é漢😀"),
    (#""x\u0061é""#, "xaé"),
  ])
  func readsStrings(text: String, expected: String) throws {
    #expect(try JSON.parse(text).stringValue == expected)
  }

  @Test(arguments: [
    ("", 0), ("  ", 2), ("{", 1), ("[1", 2), ("[1,]", 3), ("{\"a\":1,}", 7), ("{a:1}", 1),
    ("{\"a\" 1}", 5), ("{\"a\":}", 5), ("01", 0), ("-", 1), ("+1", 0), (".5", 0), ("1.", 2),
    ("1e", 2), ("1e+", 3), ("0x1", 1), ("NaN", 0), ("Infinity", 0), ("-Infinity", 1), ("1e400", 0),
    ("tru", 0), ("truex", 4), ("nulll", 4), ("'a'", 0), ("\"a", 0), ("\"a\nb\"", 2),
    (#""\x41""#, 1), (#""\u12g4""#, 5), (#""\ud83d""#, 1), (#""\ud83dx""#, 1),
    (#""\ud83d\u0041""#, 1), (#""\ude00""#, 1), ("[1 2]", 3), ("{}{}", 2), ("1 //c", 2),
    ("{/*c*/}", 1), ("{}\u{0}", 2), ("{}\u{a0}", 2), ("\u{feff}{}", 0), ("]", 0), ("{\"a\":1]", 6),
    ("\"\\", 1), ("{1:2}", 1), ("[,1]", 1),
  ])
  func rejectsWhatIsNotJSON(text: String, offset: Int) {
    let error = #expect(throws: BertError.self) { try JSON.parse(text) }
    #expect(error?.code == .malformed)
    #expect(error?.byteOffset == offset, "\(text): \(error?.description ?? "")")
  }

  @Test(arguments: [
    [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xFF, 0x22],
    [0x22, 0xE2, 0x82, 0x22], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0x5C, 0x6E, 0xFF, 0x22],
  ])
  func rejectsInvalidUTF8(bytes: [UInt8]) {
    #expect(throws: BertError(.malformed, "")) { try JSON.parse(bytes) }
  }

  @Test func rejectsDuplicateKeysUnlessToldToKeepTheLast() throws {
    for text in [#"{"a":1,"b":2,"a":3}"#, #"{"a":1,"b":2,"\u0061":3}"#] {
      #expect(throws: BertError(.malformed, "")) { try JSON.parse(text) }
      #expect(try JSON.parse(text, duplicateKeys: .keepLast) == ["a": 3, "b": 2])
    }
    let many = "{" + (0..<100).map { "\"k\($0)\":\($0)" }.joined(separator: ",") + ",\"k7\":0}"
    #expect(throws: BertError(.malformed, "")) { try JSON.parse(many) }
    #expect(try JSON.parse(many, duplicateKeys: .keepLast)["k7"] == 0)
  }

  @Test func tellsCanonicallyEquivalentKeysApart() throws {
    let value = try JSON.parse("{\"\u{e9}\":1,\"e\u{301}\":2}")
    #expect(value["\u{e9}"] == 1 && value["e\u{301}"] == 2)
    #expect(JSON.string("\u{e9}") != JSON.string("e\u{301}"))
  }

  @Test func boundsTheDepth() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try JSON.parse(nested(64))
    #expect(throws: BertError(.malformed, "")) { try JSON.parse(nested(65)) }
    #expect(throws: BertError(.malformed, "")) { try JSON.parse(nested(100_000)) }
    #expect(throws: BertError(.malformed, "")) {
      try JSON.parse(String(repeating: "{\"a\":", count: 100_000))
    }
    _ = try JSON.parse("[" + nested(63) + "," + nested(63) + "]")
  }

  @Test func looksUpMembersOfLargeObjects() throws {
    let text = "{" + (0..<30_000).map { "\"k\($0)\":\($0)" }.joined(separator: ",") + "}"
    let object = try #require(try JSON.parse(text).objectValue)
    #expect(object.count == 30_000 && object["k29999"] == 29_999 && object["k30000"] == nil)
    #expect(object.keys.first == "k0" && object[12_345].key == "k12345")
  }
}
