import BertErrors
import Fixtures
import JSONText
import Testing

/// `bert-convert --calibrate` and what belongs to it.
struct CalibrationTests {
  private func convert(_ shop: Workshop, _ texts: String?, _ options: String...) throws
    -> Program.Outcome
  {
    var arguments = [shop.input, shop.output] + options
    if let texts {
      try writeBytes(Array(texts.utf8), to: shop.folder / "texts.txt")
      arguments += ["--calibrate", shop.folder / "texts.txt"]
    }
    return try Program.convert.run(arguments)
  }

  @Test(arguments: ["", "\n\n", "  \n\t\r\n"])
  func aFileWithoutTextsIsRefused(_ texts: String) throws {
    expectFailure(try convert(try Workshop(), texts), .usage, ["no text"])
  }

  /// As `bert-run --input` refuses it, with a way that this program has.
  @Test func whatIsPlainlyNoTextIsRefused() throws {
    let shop = try Workshop.converted()
    let cases: [(name: String, bytes: [UInt8], words: [String])] = [
      ("a.bertq", try readBytes(shop.model), ["a .bertq model"]),
      ("a.gz", [0x1F, 0x8B, 8, 0, 0], ["gzip -dc", "bert-convert … --calibrate -"]),
      ("a.txt", [0xFF, 0xFE] + "sun\n".utf16.flatMap { [UInt8($0), 0] }, ["UTF-16LE", "iconv"]),
      ("a.jsonl", Array("{\"text\":\"sun\"}\n".utf8), ["JSON Lines", "jq -r .text"]),
      ("a.csv", Array("text\nsun\n".utf8), ["table by its name", "one a line"]),
      ("a.parquet", Array("PAR1".utf8) + [0x15, 4], ["Parquet", "one a line"]),
      ("b.txt", Array("sun\rmoon\r".utf8), ["CR alone", "bert-convert … --calibrate -"]),
    ]
    for (name, bytes, words) in cases {
      try writeBytes(bytes, to: shop.folder / name)
      let outcome = try Program.convert(
        shop.input, shop.output, "--calibrate", shop.folder / name)
      expectFailure(outcome, .malformed, words + [shop.folder / name])
      #expect(!outcome.errors.contains("--csv") && !outcome.errors.contains("--jsonl"), "\(name)")
    }
    try writeBytes(Array("sun\ncaf".utf8) + [0xE9, 10], to: shop.folder / "latin")
    let latin = try Program.convert(
      shop.input, shop.output, "--calibrate", shop.folder / "latin")
    expectFailure(latin, .notUTF8, ["line 2, byte 4", "0xE9", "iconv"])
    #expect(!latin.errors.contains("--invalid-utf8"))
  }

  @Test func aFileThatIsNotThereIsNotFound() throws {
    let shop = try Workshop()
    let outcome = try Program.convert(shop.input, shop.output, "--calibrate", shop.folder / "none")
    expectFailure(outcome, .notFound)
  }

  @Test func wordsThatTheVocabularyDoesNotKnowAreRefused() throws {
    expectFailure(
      try convert(try Workshop(), "\u{10FFFE}\u{10FFFE}\n⁂⁂⁂\n"), .usage, ["knows no word"])
  }

  @Test func textsThatAreTooLongAreCutAndCounted() throws {
    let shop = try Workshop()
    let text = String(repeating: "the a of ", count: 2000)
    let outcome = try convert(shop, text + "\n" + text + "\n")
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("2 calibration texts were cut"))
    #expect(try Program.run("--verify", shop.output).code == 0)
  }

  /// Also where every second text is long, which an even choice may hit each time.
  @Test(arguments: [0, 1])
  func noMoreTokensAreTakenThanTheLimit(_ parity: Int) throws {
    let shop = try Workshop()
    let path = shop.folder / "report.json"
    let long = String(repeating: "sun ", count: 40)
    let lines = (0..<6_000).map { $0 % 2 == parity ? long : "moon" }
    let outcome = try convert(shop, lines.joined(separator: "\n"), "--report", path)
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("of 6000 were used"))
    let settings = try JSON.parse(readBytes(path))["quantizer"]?["settings"]
    let tokens = try #require(Int(settings?["calibration.tokens"]?.stringValue ?? ""))
    #expect(30_000...65_536 ~= tokens, "\(tokens) tokens")
  }

  @Test func theReportSaysWhatWasDone() throws {
    let shop = try Workshop()
    let path = shop.folder / "report.json"
    #expect(try convert(shop, nil, "--report", path).code == 0)
    let json = try JSON.parse(readBytes(path))
    let quantizer = try #require(json["quantizer"])
    #expect(quantizer["settings"]?["calibration"]?.stringValue?.hasPrefix("built-in") == true)
    let linears = try #require(quantizer["linears"]?.arrayValue)
    #expect(!linears.isEmpty)
    for linear in linears {
      #expect(linear["precision"]?.stringValue == "int8")
      #expect((linear["sqnr_db"]?.numberValue ?? 0) > 20)
    }
  }

  @Test func theSameTextsGiveTheSameBytesOnAnyThreads() throws {
    let (first, second) = (try Workshop(), try Workshop())
    #expect(try convert(first, nil, "--threads", "1").code == 0)
    #expect(try convert(second, nil, "--threads", "3").code == 0)
    #expect(try readBytes(first.output) == readBytes(second.output))
    let many = try convert(second, nil, "--threads", "1000")
    #expect(many.code == 0 && many.errors.contains("--threads 1000 is more than 256"))
    #expect(try readBytes(first.output) == readBytes(second.output))
  }

  @Test(arguments: [["--weights", "both"], ["--weights", "int8"]])
  func aBudgetKeepsLinearsInFloatAndTheFileIsWhole(_ options: [String]) throws {
    let shop = try Workshop()
    let path = shop.folder / "report.json"
    let reached = try reachedSQNR(shop)
    let outcome = try Program.convert.run(
      [shop.input, shop.output, "--max-drift", "sqnr=\(reached + 1)", "--report", path] + options)
    #expect(outcome.code == 0, "\(outcome.errors)")
    let linears = try JSON.parse(readBytes(path))["quantizer"]?["linears"]?.arrayValue ?? []
    let kept = linears.filter { $0["precision"]?.stringValue == "float" }
    #expect(!kept.isEmpty, "\(outcome.errors)")
    #expect(kept.allSatisfy { $0["reason"]?.stringValue?.isEmpty == false })
    #expect(try Program.run("--verify", shop.output).code == 0)
    #expect(try Program.run("--int8", shop.output, "hello").code == 0)
  }

  @Test(.enabled(if: Program.hasNumPy, "needs python3 with NumPy"))
  func theIndependentReaderAcceptsAFileOfBothPrecisions() throws {
    let shop = try Workshop()
    let outcome = try convert(shop, nil, "--max-drift", "sqnr=\(try reachedSQNR(shop) + 1)")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let list = SharedData.packageRoot + "/tools/bertq-list"
    #expect(try shell("python3 '\(list)' '\(shop.output)'").code == 0)
  }

  /// The SQNR that conversion to int8 alone reaches, as it says.
  private func reachedSQNR(_ shop: Workshop) throws -> Double {
    let words = try convert(shop, nil, "--max-drift", "sqnr=1").errors.split(separator: " ")
    let place = try #require(words.firstIndex(of: "SQNR"))
    return try #require(Double(words[place + 1]))
  }

  @Test func aBudgetThatCannotBeKeptLeavesNothing() throws {
    let shop = try Workshop()
    let before = shop.folder.names
    let outcome = try Program.convert(shop.input, shop.output, "--max-drift", "sqnr=150")
    expectFailure(outcome, .driftGate, ["--max-drift"])
    #expect(shop.folder.names == before)
  }

  @Test(arguments: [
    ["--no-calibration", "--calibrate", "x"], ["--no-calibration", "--max-drift", "sqnr=30"],
    ["--weights", "float", "--max-drift", "sqnr=30"],
    ["--weights", "float", "--recipe", "nearest"],
    ["--max-drift", "speed=3"], ["--recipe", "magic"], ["--threads", "0"],
  ])
  func optionsThatContradictAreRefused(_ options: [String]) throws {
    let shop = try Workshop()
    expectFailure(try Program.convert.run([shop.input, shop.output] + options), .usage)
  }
}
