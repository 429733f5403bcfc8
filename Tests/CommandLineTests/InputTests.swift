import BertErrors
import Fixtures
import FoundationEssentials
import JSONText
import SystemLibrary
import Testing

/// How `bert-run` reads texts: what is understood, what is refused, and how it says so.
struct InputTests {
  /// Runs over an input and gives what each line says: a vector, or the code of an error.
  private func answers(
    _ input: [UInt8], _ options: [String], _ shop: Workshop
  ) throws -> (codes: [String?], vectors: [JSON?], outcome: Program.Outcome) {
    let outcome = try Program.run.run(options + ["--on-error", "report", shop.model], input: input)
    let lines = try jsonLines(outcome)
    #expect(lines.map { $0["index"]?.integerValue } == Array(0..<lines.count))
    return (lines.map { $0["error"]?["code"]?.stringValue }, lines.map { $0["embedding"] }, outcome)
  }

  // MARK: Errors of one text

  @Test func aBadTextCostsTheOthersNothing() throws {
    let shop = try Workshop.converted()
    let long = Array(repeating: "sun", count: 40).joined(separator: " ")
    let lines = [
      "{\"id\":1,\"text\":\"sun\"}", "{\"id\":2,\"text\":null}", "{\"id\":3,\"text\":7}",
      "{\"id\":\"four\",\"text\":\"\(long)\"}", "{\"id\":5,\"text\":\"caf\u{1}\"}",
      "{\"ids\":[5000]}", "{",
      "{\"id\":8,\"text\":\"moon\"}",
    ]
    var bytes = Array(lines.joined(separator: "\n").utf8)
    bytes[bytes.firstIndex(of: 1) ?? 0] = 0xE9
    for budget in ["1", "20", "10000"] {
      let (codes, vectors, outcome) = try answers(
        bytes, ["--jsonl", "--token-budget", budget], shop)
      #expect(
        codes == [
          nil, "malformed", "malformed", "too-long", "not-utf8", "malformed", "malformed", nil,
        ])
      let alone = try jsonLines(Program.run(shop.model, "sun", "moon")).map { $0["embedding"] }
      #expect([vectors[0], vectors[7]] == alone)
      let ids = try jsonLines(outcome).map { $0["id"] }
      #expect(ids == [1, 2, 3, "four", nil, nil, nil, 8])
      #expect(outcome.code == 4 && outcome.errors.contains("6 of 8 texts"), "\(outcome.errors)")
      #expect(outcome.errors.contains("4 malformed") && outcome.errors.contains("1 not-utf8"))
    }
    // Without the wish the run ends there.
    let stopped = try Program.run("--jsonl", shop.model, input: bytes)
    expectFailure(stopped, .malformed, ["line 2", "null"])
    #expect(stopped.lines.count == 1)
    #expect(try Program.run("--on-error", "report", shop.model, "sun").code == 0)
  }

  @Test func aTextThatIsNotFiniteIsReportedInItsPlace() throws {
    let shop = try Workshop.converted()
    let array = shop.folder / "out.npy"
    let ids = shop.folder / "ids.jsonl"
    let input = shop.folder / "in"
    let long = Array(repeating: "sun", count: 40).joined(separator: " ")
    try writeBytes(Array("sun\n\(long)\nmoon\n".utf8), to: input)
    let command = "'\(Program.run.path)' --format npy --on-error report --input '\(input)'"
    expectFailure(try shell("\(command) '\(shop.model)' > '\(array)'"), .usage, ["--ids"])
    let made = try shell("\(command) --ids '\(ids)' '\(shop.model)' > '\(array)'")
    #expect(made.code == 4, "\(made.errors)")
    let rows = try readBytes(array).dropFirst(128)
    #expect(rows.count == 3 * 20 * 4)
    // The second row is NaN throughout.
    let second = Array(rows.dropFirst(80).prefix(80))
    for place in stride(from: 0, to: 80, by: 4) {
      let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(second[place + $1]) << UInt32(8 * $1) }
      #expect(Float(bitPattern: bits).isNaN)
    }
    let said = try String(decoding: readBytes(ids), as: UTF8.self).split(separator: "\n")
      .map { try JSON.parse(String($0)) }
    #expect(said.map { $0["error"]?["code"] } == [nil, "too-long", nil])
    #expect(said.map { $0["rows"] } == [[0, 1], [1, 2], [2, 3]])
  }

  /// Where texts have rows of their own, the ids say which.
  @Test func idsAndRowsStandBesideAnArray() throws {
    let shop = try Workshop.converted()
    let ids = shop.folder / "ids.jsonl"
    let input = Array(
      "{\"id\":\"a\",\"text\":\"sun\"}\n{\"id\":2,\"text\":\"a bird\"}\n{\"text\":\"sea\"}\n".utf8)
    let outcome = try Program.run(
      "--jsonl", "--task", "tokens", "--format", "npy", "--ids", ids, shop.model, input: input)
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(
      try String(decoding: readBytes(ids), as: UTF8.self) == """
        {"index":0,"id":"a","rows":[0,3]}
        {"index":1,"id":2,"rows":[3,7]}
        {"index":2,"rows":[7,10]}

        """)
    #expect(outcome.output.count == 128 + 10 * 20 * 4)
  }

  // MARK: Lines

  @Test func aLineIsAnsweredAsItComes() throws {
    let shop = try Workshop.converted()
    for (options, lines) in [
      ([], "sun\nmoon\nse"), (["--jsonl"], "{\"text\":\"sun\"}\n{\"text\":\"moon\"}\n{"),
      (["--csv"], "text\nsun\nmoon\n\"sea"),
    ] {
      // Somebody holds the pipe open and writes nothing more.
      let pipe = shop.folder / "pipe\(options.count)\(lines.count)"
      #expect(mkfifo(pipe, 0o600) == 0)
      let held = open(pipe, O_RDWR | O_CLOEXEC)
      defer { close(held) }
      let bytes = Array(lines.utf8)
      #expect(SystemLibrary.write(held, bytes, bytes.count) == bytes.count)
      let outcome = try Program.run.run(
        options + ["--input", pipe, shop.model], killedAfter: 2, by: SIGTERM)
      #expect(outcome.code == 128 + SIGTERM)
      #expect(outcome.lines.count == 2, "\(options): \(outcome.errors)")
    }
  }

  @Test func blankLinesOfJSONArePassedOverAndCounted() throws {
    let shop = try Workshop.converted()
    let input = "\n{\"text\":\"sun\"}\n\n  \t\r\n{\"text\":\"moon\"}\n\n"
    let outcome = try Program.run("--jsonl", shop.model, input: Array(input.utf8))
    #expect(outcome.code == 0 && outcome.lines.count == 2, "\(outcome.errors)")
    expectFailure(
      try Program.run("--jsonl", shop.model, input: Array((input + "x\n").utf8)), .malformed,
      ["line 7"])
    let text = try Program.run(shop.model, input: Array("sun\n\n\nmoon\n".utf8))
    #expect(text.lines.count == 4 && text.errors.contains("2 of the lines are empty"))
  }

  @Test func bytesThatAreNoUTF8AreNamedOrCounted() throws {
    let shop = try Workshop.converted()
    let latin = Array("the sun\nthe caf".utf8) + [0xE9] + Array("\nthe moon\n".utf8)
    expectFailure(
      try Program.run(shop.model, input: latin), .notUTF8,
      ["line 2, byte 8", "0xE9", "--invalid-utf8 replace"])
    let replaced = try Program.run("--invalid-utf8", "replace", shop.model, input: latin)
    #expect(replaced.code == 0 && replaced.lines.count == 3)
    #expect(replaced.errors.contains("replaced in 1 of the lines"), "\(replaced.errors)")
    let same = try Program.run(
      shop.model, input: Array("the sun\nthe caf\u{FFFD}\nthe moon\n".utf8))
    #expect(same.output == replaced.output)
    for (options, line) in [
      (["--jsonl"], "{\"text\":\"caf\u{1}\"}"), (["--csv"], "text\ncaf\u{1}"),
    ] {
      let bytes = line.utf8.map { $0 == 1 ? 0xE9 : $0 }
      expectFailure(try Program.run.run(options + [shop.model], input: bytes), .notUTF8, ["byte"])
      #expect(
        try Program.run.run(options + ["--invalid-utf8", "replace", shop.model], input: bytes).code
          == 0)
    }
    let argument = try shell("'\(Program.run.path)' '\(shop.model)' sun \"$(printf 'caf\\351')\"")
    expectFailure(argument, .notUTF8, ["text 2", "byte 4"])
  }

  // MARK: What is no text

  static let foreign: [(name: String, bytes: [UInt8], words: [String])] = [
    (
      "UTF-16 with a mark", [0xFF, 0xFE] + "sun\n".utf16.flatMap { [UInt8($0), 0] },
      ["UTF-16LE", "iconv"]
    ),
    ("big-endian", [0xFE, 0xFF, 0, 0x73], ["UTF-16BE", "iconv"]),
    ("UTF-32", [0xFF, 0xFE, 0, 0, 0x73, 0, 0, 0], ["UTF-32LE"]),
    ("UTF-32 big-endian", [0, 0, 0xFE, 0xFF, 0, 0, 0, 0x73], ["UTF-32BE"]),
    ("UTF-16 without one", "the sun\nthe moon\n".utf16.flatMap { [UInt8($0), 0] }, ["UTF-16LE"]),
    ("big-endian without one", "the sun\n".utf16.flatMap { [0, UInt8($0)] }, ["UTF-16BE"]),
    ("gzip", [0x1F, 0x8B, 8, 0, 0, 0], ["gzip"]),
    ("Parquet", Array("PAR1".utf8) + [0x15, 4], ["Parquet"]),
    ("zip", [0x50, 0x4B, 3, 4, 20, 0], ["ZIP"]), ("zstd", [0x28, 0xB5, 0x2F, 0xFD, 4], ["zstd"]),
    ("xz", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], ["xz"]), ("PDF", Array("%PDF-1.7\n".utf8), ["PDF"]),
    ("NumPy", [0x93] + Array("NUMPY".utf8), ["NumPy"]),
    ("bzip2", Array("BZh9".utf8) + [0x31, 0x41, 0x59, 0x26, 0x53, 0x59], ["bzip2"]),
    ("SQLite", Array("SQLite format 3\0".utf8), ["SQLite"]),
    ("JSON Lines", Array("{\"text\":\"sun\"}\n{\"text\":\"moon\"}\n".utf8), ["--jsonl"]),
    ("JSON Lines behind a blank one", Array("\n \n{ \"id\" : 1 }\n".utf8), ["--jsonl"]),
    ("a JSON array", Array("[{\"text\":\"sun\"}]".utf8), ["jq", "array"]),
    ("an array of strings", Array("[\"sun\",\"moon\"]\n".utf8), ["jq", "array"]),
    ("JSON over lines", Array("{\n  \"text\": \"sun\"\n}\n".utf8), ["several lines", "jq"]),
    ("old Macs' lines", Array("sun\rmoon\r".utf8), ["CR alone", "tr '\\r' '\\n'"]),
  ]

  /// Read as lines that end in LF, they would be a header and no row.
  @Test(arguments: [["--csv"], ["--tsv"], ["--csv", "--on-error", "report"]])
  func aTableIsNotPassedOver(_ options: [String]) throws {
    let shop = try Workshop.converted()
    let tab = options[0] == "--csv" ? "," : "\t"
    for text in ["text\(tab)id\ra\(tab)1\rb\(tab)2\r", "text\rsun", "text\rsun\r"] {
      let outcome = try Program.run.run(options + [shop.model], input: Array(text.utf8))
      expectFailure(outcome, .malformed, ["CR alone", "tr '\\r' '\\n'"])
    }
    for text in ["", "\n", "\n\n"] {
      let outcome = try Program.run.run(options + [shop.model], input: Array(text.utf8))
      expectFailure(outcome, .malformed, ["row of column names"])
    }
    let none = try Program.run.run(options + [shop.model], input: Array("text\n".utf8))
    #expect(none.code == 0 && none.output.isEmpty, "\(none.errors)")
    for text in ["text\r\nsun\r\n", "text\n\"sun\rmoon\"\n"] {
      let outcome = try Program.run.run(options + [shop.model], input: Array(text.utf8))
      #expect(outcome.code == 0 && outcome.lines.count == 1, "\(outcome.errors)")
    }
  }

  @Test(arguments: foreign.indices)
  func whatIsPlainlyNoTextIsRefusedWithTheWayOut(_ index: Int) throws {
    let (name, bytes, words) = Self.foreign[index]
    let shop = try Workshop.converted()
    for options in [[], ["--truncate"], ["--on-error", "report"]] {
      let outcome = try Program.run.run(options + [shop.model], input: bytes)
      expectFailure(outcome, .malformed, words)
      #expect(outcome.output.isEmpty, "\(name)")
    }
    let file = shop.folder / "in"
    try writeBytes(bytes, to: file)
    expectFailure(try Program.run("--input", file, shop.model), .malformed, words + [file])
    if !name.contains("JSON Lines") {
      expectFailure(try Program.run("--jsonl", "--input", file, shop.model), .malformed)
    }
  }

  @Test func tablesAreToldByTheirNames() throws {
    let shop = try Workshop.converted()
    for (name, option) in [("a.csv", "--csv"), ("b.TSV", "--tsv")] {
      try writeBytes(Array("text\nsun\n".utf8), to: shop.folder / name)
      expectFailure(
        try Program.run("--input", shop.folder / name, shop.model), .malformed,
        [option, "--text-field"])
      let table = try Program.run(option, "--input", shop.folder / name, shop.model)
      #expect(table.code == 0 && table.lines.count == 1)
    }
  }

  /// Texts that look a little like something else.
  @Test(arguments: [
    "{sun}", "[1] the sun", "{\"sun\"}", "[\"Sun,\" he said]", "PK is a name", "BZh is none", "[]",
  ])
  func whatMayBeTextIsText(_ text: String) throws {
    let shop = try Workshop.converted()
    let outcome = try Program.run(shop.model, input: Array((text + "\n").utf8))
    #expect(outcome.code == 0 && outcome.lines.count == 1, "\(outcome.errors)")
  }

  // MARK: Members

  static let understood: [(line: String, same: String)] = [
    ("{\"ids\":[2,9,3,0,0],\"attention_mask\":[1,1,1,0,0]}", "{\"ids\":[2,9,3]}"),
    ("{\"input_ids\":[2,9,3]}", "{\"ids\":[2,9,3]}"),
    (
      "{\"input_ids\":[2,9,3,0],\"token_type_ids\":[0,0,1,1],\"attention_mask\":[1,1,1,0]}",
      "{\"ids\":[2,9,3],\"types\":[0,0,1]}"
    ),
    ("{\"text\":\"sun\",\"text_pair\":\"moon\"}", "{\"text\":\"sun\",\"pair\":\"moon\"}"),
    ("{\"text\":\"sun\",\"prompt\":\"the \"}", "{\"text\":\"the sun\"}"),
    ("{\"text\":\"sun\",\"prompt\":\"\"}", "{\"text\":\"sun\"}"),
    ("{\"text\":\"sun\",\"truncate\":true}", "{\"text\":\"sun\"}"),
    ("{\"text\":\"sun\",\"attention_mask\":null,\"max_length\":null}", "{\"text\":\"sun\"}"),
  ]

  @Test(arguments: understood.indices)
  func membersOfOtherToolsAreUnderstood(_ index: Int) throws {
    let (line, same) = Self.understood[index]
    let shop = try Workshop.converted()
    let outcome = try Program.run("--jsonl", shop.model, input: Array("\(line)\n\(same)\n".utf8))
    #expect(outcome.code == 0, "\(outcome.errors)")
    let vectors = try jsonLines(outcome).map { $0["embedding"] }
    #expect(vectors.count == 2 && vectors[0] == vectors[1])
    #expect(!outcome.errors.contains("not read"))
  }

  @Test func aLineMayAskToBeCut() throws {
    let shop = try Workshop.converted()
    let long = Array(repeating: "sun", count: 40).joined(separator: " ")
    func line(_ flag: String) -> [UInt8] {
      Array("{\"text\":\"\(long)\",\"truncate\":\(flag)}\n".utf8)
    }
    #expect(try Program.run("--jsonl", shop.model, input: line("true")).code == 0)
    expectFailure(
      try Program.run("--jsonl", "--truncate", shop.model, input: line("false")), .tooLong)
    expectFailure(
      try Program.run("--jsonl", shop.model, input: line("1")), .malformed, ["truncate"])
  }

  static let refused: [(line: String, words: [String])] = [
    ("{\"ids\":[2,9,3],\"attention_mask\":[1,1]}", ["attention_mask", "3 ids"]),
    ("{\"ids\":[2,9,3],\"attention_mask\":[1,0,1]}", ["attention_mask"]),
    ("{\"ids\":[0,2,9],\"attention_mask\":[0,1,1]}", ["attention_mask", "before"]),
    ("{\"ids\":[2,9,3],\"attention_mask\":[1,1,2]}", ["attention_mask"]),
    ("{\"ids\":[2,9,3],\"attention_mask\":[1,1,NaN]}", []),
    ("{\"text\":\"sun\",\"attention_mask\":[1]}", ["attention_mask", "ids"]),
    ("{\"ids\":[2],\"input_ids\":[2]}", ["ids", "twice"]),
    ("{\"ids\":[2],\"pair_ids\":[3]}", ["pair_ids"]),
    ("{\"ids\":[2],\"position_ids\":[3]}", ["position_ids"]),
    ("{\"text\":\"sun\",\"max_length\":5}", ["max_length"]),
    ("{\"text\":\"sun\",\"prompt_name\":\"query\"}", ["query", "none"]),
    ("{\"text\":\"sun\",\"prompt\":\"a\",\"prompt_name\":\"b\"}", ["both"]),
    ("{\"ids\":[2],\"prompt\":\"a\"}", ["prompt"]), ("{\"text\":\"sun\",\"prompt\":5}", ["prompt"]),
    ("{\"text\":\"sun\",\"normalize\":true}", ["normalize"]),
    ("{\"text\":\"sun\",\"dimensions\":8}", ["--dimensions"]),
    ("{\"text\":\"sun\",\"text\":\"moon\"}", ["twice"]),
  ]

  @Test(arguments: refused.indices)
  func membersThatWouldChangeAnAnswerAreRefused(_ index: Int) throws {
    let (line, words) = Self.refused[index]
    let shop = try Workshop.converted()
    expectFailure(
      try Program.run("--jsonl", shop.model, input: Array((line + "\n").utf8)), .malformed,
      words + ["line 1"])
  }

  @Test func otherMembersAreListedOnceWhateverTheyHold() throws {
    let shop = try Workshop.converted()
    let line =
      "{\"_id\":1,\"text\":\"sun\",\"score\":NaN,\"more\":{\"x\":[-Infinity,\"\\ud800\",1e999]}}\n"
    let outcome = try Program.run(
      "--jsonl", shop.model, input: Array(String(repeating: line, count: 3).utf8))
    #expect(outcome.code == 0 && outcome.lines.count == 3)
    let notes = outcome.errors.split(separator: "\n").filter { $0.contains("not read") }
    #expect(notes == ["note: members that are not read: \"_id\", \"score\", \"more\""])
    #expect(
      try Program.run("--quiet", "--jsonl", shop.model, input: Array(line.utf8)).errors.isEmpty)
  }

  // MARK: Fields and tables

  static let fields: [(options: [String], input: String, texts: [String], ids: [JSON?])] = [
    (
      ["--jsonl", "--text-field", "title", "--text-field", "contents", "--id-field", "_id"],
      "{\"_id\":\"d1\",\"title\":\"The bird\",\"contents\":\"the sun\",\"text\":\"not this\"}\n"
        + "{\"_id\":\"d2\",\"title\":\"\",\"contents\":\"the moon\"}\n{\"_id\":\"d3\",\"contents\":\"sea\"}\n",
      ["The bird the sun", "the moon", "sea"], ["d1", "d2", "d3"]
    ),
    (
      ["--csv", "--text-field", "title", "--id-field", "sku"],
      "sku,title,price\r\n1,\"sun, moon\",3\r\n\r\n2,\"the \"\"bird\"\"\nsings\",4\r\n3,,5\r\n",
      ["sun, moon", "the \"bird\" sings", ""], ["1", "2", "3"]
    ),
    (["--csv"], "\u{FEFF}id,text\na,sun\nb,the moon", ["sun", "the moon"], ["a", "b"]),
    (
      ["--tsv"], "text\tid\nthe \"bird\" sings\t1\n\"sun\" he said\t2\n\"a \"\"sea\"\"\"\t3\n",
      ["the \"bird\" sings", "\"sun\" he said", "a \"sea\""], ["1", "2", "3"]
    ),
    (["--csv", "--text-field", "prompt"], "prompt,truncate\nsun,moon\n", ["sun"], [nil]),
  ]

  @Test(arguments: fields.indices)
  func fieldsAreNamed(_ index: Int) throws {
    let (options, input, texts, ids) = Self.fields[index]
    let shop = try Workshop.converted()
    let outcome = try Program.run.run(options + [shop.model], input: Array(input.utf8))
    #expect(outcome.code == 0, "\(outcome.errors)")
    let lines = try jsonLines(outcome)
    let expected = try jsonLines(
      Program.run(
        "--jsonl", shop.model,
        input: texts.flatMap { text in
          Array((JSON.object(["text": .string(text)]).text() + "\n").utf8)
        }))
    #expect(lines.map { $0["embedding"] } == expected.map { $0["embedding"] })
    #expect(lines.map { $0["id"] } == ids)
  }

  @Test func pairsAreNamedToo() throws {
    let shop = try Workshop.converted()
    let pair = try Program.run(
      "--jsonl", shop.model, input: Array("{\"text\":\"sun\",\"pair\":\"moon\"}\n".utf8))
    for (options, input) in [
      (["--csv"], "text,pair\nsun,moon\n"),
      (["--tsv", "--text-field", "q", "--pair-field", "d"], "d\tq\nmoon\tsun\n"),
      (["--jsonl", "--text-field", "q", "--pair-field", "d"], "{\"q\":\"sun\",\"d\":\"moon\"}\n"),
    ] {
      let outcome = try Program.run.run(options + [shop.model], input: Array(input.utf8))
      #expect(outcome.output == pair.output, "\(options): \(outcome.errors)")
    }
  }

  static let badTables: [(options: [String], input: String, words: [String])] = [
    (["--csv"], "sku,title\n1,sun\n", ["no column \"text\"", "sku", "title", "--text-field"]),
    (["--csv", "--text-field", "name"], "sku,title\n1,sun\n", ["\"name\"", "sku"]),
    (["--csv"], "text,text\nsun,moon\n", ["two columns"]),
    (["--csv"], "text,x\nsun\n", ["line 2", "1 fields", "2"]),
    (["--csv"], "text\n\"sun\" moon\n", ["line 2", "quote"]),
    (["--csv"], "text\nsun\n\"moon\n", ["quoted on line 3"]),
    (["--csv", "--id-field", "sku"], "text\nsun\n", ["\"sku\""]),
    (["--jsonl", "--text-field", "q"], "{\"q\":5}\n", ["\"q\"", "integer"]),
    (["--jsonl", "--text-field", "q"], "{\"title\":\"a\"}\n", ["\"q\"", "title"]),
    (["--jsonl", "--id-field", "sku"], "{\"text\":\"a\"}\n", ["\"sku\""]),
  ]

  @Test(arguments: badTables.indices)
  func whatATableLacksIsSaid(_ index: Int) throws {
    let (options, input, words) = Self.badTables[index]
    let shop = try Workshop.converted()
    expectFailure(
      try Program.run.run(options + [shop.model], input: Array(input.utf8)), .malformed, words)
  }

  @Test func optionsThatDoNotGoTogetherAreUsageErrors() throws {
    let shop = try Workshop.converted()
    for options in [
      ["--jsonl", "--csv"], ["--csv", "--tsv"], ["--text-field", "a"], ["--ids", "x"],
      ["--on-error", "sing"], ["--invalid-utf8", "sing"],
    ] {
      expectFailure(try Program.run.run(options + [shop.model], input: []), .usage)
    }
  }
}
