import BertErrors
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
  func versionIsThatOfTheRelease(_ name: String) throws {
    let outcome = try Program(name).run(["--version"])
    #expect(outcome.code == 0)
    let version = try String(
      decoding: readBytes(SharedData.packageRoot + "/VERSION"), as: UTF8.self)
    #expect(outcome.text == "bertq \(version)")
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

  /// A text that begins with a dash may hold the letter that asks for help.
  @Test(arguments: [
    "-dash", "-h is short for hour", "-1 is cold", "-5", "--no text", "-v", "--no-such-option",
  ])
  func whatLooksLikeAnOptionAndIsNoneIsAUsageError(_ text: String) throws {
    let shop = try Workshop.converted()
    for (program, arguments) in [
      (Program.run, [shop.model]), (.run, []), (.convert, []), (.convert, [shop.input]),
      (.convert, [shop.input, shop.output]), (.bench, []), (.bench, [shop.model]),
    ] {
      // Where the command misses an argument too, the parser complains of that.
      if text.hasPrefix("--") && arguments.count < (program.path == Program.convert.path ? 2 : 1) {
        continue
      }
      let outcome = try program.run(arguments + [text])
      expectFailure(outcome, .usage, ["Unknown option '\(text)'", "behind '--'"])
      #expect(outcome.output.isEmpty)
    }
    let answer = try Program.run(shop.model, "--", text)
    #expect(answer.code == 0 && answer.lines.count == 1)
    #expect(try Program.run(shop.model, input: Array(text.utf8)).output == answer.output)
  }

  @Test(arguments: [["-h"], ["-help"], ["--help"], ["model", "-dash", "--help"]])
  func whoeverAsksForHelpGetsIt(_ arguments: [String]) throws {
    let outcome = try Program.run.run(arguments)
    #expect(outcome.code == 0 && outcome.text.hasPrefix("OVERVIEW: "))
  }
}
