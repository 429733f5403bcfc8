import Fixtures
import FoundationEssentials
import Testing

/// `--help` is part of the contract: it changes on purpose only.
struct HelpTests {
  @Test(arguments: ["bert-convert", "bert-run", "bert-bench"])
  func helpIsAsRecorded(_ name: String) throws {
    let outcome = try Program(name).run(["--help"], environment: ["COLUMNS": "80"])
    #expect(outcome.code == 0)
    let path = SharedData.packageRoot + "/Tests/CommandLineTests/Snapshots/\(name).txt"
    if ProcessInfo.processInfo.environment["BERTQ_RECORD"] != nil {
      try writeBytes(outcome.output, to: path)
    }
    let recorded = try String(decoding: readBytes(path), as: UTF8.self)
    #expect(
      outcome.text == recorded, "when this is meant, record it with BERTQ_RECORD=1 swift test")
  }

  @Test(arguments: ["bert-convert", "bert-run", "bert-bench"])
  func helpThatCannotBeWrittenIsAnError(_ name: String) throws {
    let outcome = try shell("'\(Program(name).path)' --help > /dev/full")
    expectFailure(outcome, .cannotWrite, [name, "standard output"])
  }

  @Test(arguments: ["bert-convert", "bert-run", "bert-bench"])
  func everyLineOfHelpFitsAScreen(_ name: String) throws {
    let outcome = try Program(name).run(["--help"], environment: ["COLUMNS": "80"])
    #expect(outcome.lines.allSatisfy { $0.count <= 80 || $0.hasPrefix("USAGE: ") })
    #expect(outcome.text.hasPrefix("OVERVIEW: "))
  }
}
