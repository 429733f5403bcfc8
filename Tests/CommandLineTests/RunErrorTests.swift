import BertErrors
import BertModel
import Fixtures
import Testing

/// What `bert-run` refuses, and how.
struct RunErrorTests {
  static let usage: [(arguments: [String], words: [String])] = [
    (["--threads", "0"], ["--threads", "0"]),
    (["--threads", "-3"], ["--threads"]),
    (["--threads", "two"], ["two"]),
    (["--threads", "99999999999999999999"], ["--threads"]),
    (["--token-budget", "0"], ["--token-budget"]),
    (["--int8", "--float"], ["--int8", "--float"]),
    (["--task", "sing"], ["sing"]),
    (["--format", "xml"], ["xml"]),
    (["--kernels", "mmx"], ["mmx"]),
    (["--require", "accuracy=1"], ["accuracy", "cosine"]),
    (["--require", "cosine"], ["cosine"]),
    (["--require", "cosine=high"], ["cosine"]),
    (["--drift-report", "report.txt"], [".json"]),
    (["--input", "x.txt"], ["--input"]),
    (["--no-such-option"], ["--no-such-option"]),
    (["--verify"], ["--verify", "texts"]), (["--cpu"], ["--cpu", "texts"]),
  ]

  @Test(arguments: usage.indices)
  func commandLinesWithoutSenseAreUsageErrors(_ index: Int) throws {
    let (arguments, words) = Self.usage[index]
    let shop = try Workshop.converted()
    let outcome = try Program.run.run(arguments + [shop.model, "text"])
    expectFailure(outcome, .usage, words)
    #expect(outcome.output.isEmpty)
  }

  @Test func aModelIsNeeded() throws {
    expectFailure(try Program.run.run([]), .usage, ["<model>"])
  }

  /// A gate that is not applied would pass.
  @Test(arguments: ["--verify", "--cpu"])
  func whatComputesNothingPassesNoGate(_ option: String) throws {
    let shop = try Workshop.converted()
    for others in [["--require", "cosine=1"], ["--drift"], ["--input", "x"]] {
      expectFailure(
        try Program.run.run([option, shop.model] + others), .usage, ["computes nothing"])
    }
  }

  @Test func unknownKernelsInTheEnvironmentAreUsageErrors() throws {
    let shop = try Workshop.converted()
    let outcome = try Program.run.run(
      [shop.model, "text"], environment: ["BERTQ_KERNELS": "mmx"])
    expectFailure(outcome, .usage, ["mmx"])
  }

  @Test func tooManyThreadsAreAsManyAsMayBe() throws {
    let shop = try Workshop.converted()
    let outcome = try Program.run("--threads", "1000", shop.model, "sun")
    #expect(outcome.code == 0)
    #expect(outcome.errors.contains("1000"))
    #expect(try Program.run(shop.model, "sun").output == outcome.output)
  }

  @Test func tooLongATextIsAnErrorWithBothCountsUnlessTruncated() throws {
    let shop = try Workshop.converted()
    let long = Array(repeating: "sun", count: 40).joined(separator: " ")
    let outcome = try Program.run(shop.model, "moon", long, "star")
    expectFailure(
      outcome, .tooLong, ["42", "32", "--truncate", "the command line: text 2, 'sun sun sun"])
    // What came before it is answered.
    #expect(outcome.lines.count == 1)
    let cut = try Program.run("--truncate", shop.model, "moon", long, "star")
    #expect(cut.code == 0 && cut.lines.count == 3)
    #expect(cut.errors.contains("10"))
    let fitting = Array(repeating: "sun", count: 30).joined(separator: " ")
    let same = try Program.run(shop.model, "moon", fitting, "star")
    #expect(same.output == cut.output)
  }

  @Test func inputsThatAreNotThereAreNotFound() throws {
    let shop = try Workshop.converted()
    let missing = shop.folder / "absent.txt"
    expectFailure(try Program.run("--input", missing, shop.model), .notFound, [missing])
    expectFailure(try Program.run("--input", shop.input, shop.model), .notFound, [shop.input])
  }

  static let lines: [(line: String, code: BertError.Code, words: [String])] = [
    ("{", .malformed, ["line 2"]), ("[]", .malformed, ["line 2", "object"]),
    ("null", .malformed, ["line 2"]),
    ("{}", .malformed, ["line 2", "text"]), ("{\"text\":5}", .malformed, ["line 2", "text"]),
    ("{\"text\":\"a\",\"ids\":[1]}", .malformed, ["line 2", "exactly one"]),
    ("{\"text\":\"a\",\"pair\":[]}", .malformed, ["line 2", "pair"]),
    ("{\"ids\":[1.5]}", .malformed, ["line 2", "ids"]), ("{\"ids\":[\"a\"]}", .malformed, ["ids"]),
    ("{\"ids\":[99999999999]}", .malformed, ["ids"]), ("{\"ids\":[]}", .malformed, ["line 2"]),
    ("{\"ids\":[5000]}", .malformed, ["line 2", "5000"]),
    ("{\"ids\":[-1]}", .malformed, ["line 2", "-1"]),
    ("{\"ids\":[5,6],\"types\":[0]}", .malformed, ["line 2", "2", "1"]),
    ("{\"ids\":[5],\"types\":[2]}", .malformed, ["line 2", "2"]),
    ("{\"ids\":[5],\"types\":[-1]}", .malformed, ["types"]),
    ("{\"text\":\"a\"} x", .malformed, ["line 2"]),
    ("{\"text\":\"a\",\"types\":[0]}", .malformed, ["line 2", "types", "ids"]),
    ("{\"ids\":[5],\"pair\":\"a\"}", .malformed, ["line 2", "pair", "text"]),
    ("{\"text\":\"a\",\"id\":18446744073709551615}", .malformed, ["line 2", "id", "string"]),
    ("{\"text\":\"a\",\"id\":0.10}", .malformed, ["line 2", "id", "string"]),
    ("{\"ids\":[5],\"pair\":7}", .malformed, ["line 2", "pair"]),
    ("{\"text\":\"a\",\"id\":[1]}", .malformed, ["line 2", "id", "array"]),
    ("{\"text\":\"a\",\"id\":true}", .malformed, ["line 2", "id", "boolean"]),
    ("{\"sku\":1,\"title\":\"a\"}", .malformed, ["line 2", "sku", "title", "--text-field"]),
  ]

  @Test(arguments: lines.indices)
  func badLinesAreNamedByTheirNumber(_ index: Int) throws {
    let (line, code, words) = Self.lines[index]
    let shop = try Workshop.converted()
    let outcome = try Program.run.run(
      ["--jsonl", shop.model], input: Array("{\"text\":\"sun\"}\n\(line)\n".utf8))
    expectFailure(outcome, code, words + ["standard input: line 2"])
    let file = shop.folder / "in.jsonl"
    try writeBytes(Array("{\"text\":\"sun\"}\r\n\(line)\r\n".utf8), to: file)
    expectFailure(
      try Program.run("--jsonl", "--token-budget", "1", "--input", file, shop.model), code,
      words + [file + ": line 2"])
  }

  /// Lines are counted as an editor does, also where some are passed over.
  @Test func everyMessageAboutALineNamesIt() throws {
    let shop = try Workshop.converted()
    let file = shop.folder / "texts"
    let long = Array(repeating: "sun", count: 40).joined(separator: " ")
    try writeBytes(Array("\n\nmoon\n\(long)\n".utf8), to: file)
    expectFailure(
      try Program.run("--input", file, shop.model), .tooLong, [file + ": line 4: a text has 42"])
    expectFailure(
      try Program.run(shop.model, input: Array("a\n\n\(long)".utf8)), .tooLong,
      ["standard input: line 3: a text has 42"])
    expectFailure(
      try Program.run("--jsonl", shop.model, input: Array("{\"text\":\"a\" \"b\"}".utf8)),
      .malformed, ["standard input: line 1, byte 13: "])
  }

  /// In one pass or in several, a bad line takes no answer away from those before it.
  @Test func whatComesBeforeABadLineIsAnswered() throws {
    let shop = try Workshop.converted()
    let good = (0..<7).map { "{\"text\":\"the bird \($0)\",\"id\":\($0)}\n" }
    let answers = try Program.run.run(
      ["--jsonl", shop.model], input: Array(good.joined().utf8))
    #expect(answers.lines.count == 7)
    for (line, code) in [("{\"text\":", BertError.Code.malformed), ("{\"ids\":[-1]}", .malformed)] {
      let lines = good + [line + "\n"] + good
      for options in [[], ["--token-budget", "1"], ["--token-budget", "20"]] {
        let outcome = try Program.run.run(
          ["--jsonl", shop.model] + options, input: Array(lines.joined().utf8))
        expectFailure(outcome, code)
        #expect(outcome.output == answers.output)
      }
    }
  }

  @Test func pathsThatTheFileDoesNotHoldAreUnsupported() throws {
    let float = try Workshop.converted("--weights", "float")
    expectFailure(try Program.run("--int8", float.model, "sun"), .unsupported, ["--weights"])
    expectFailure(try Program.run("--drift", float.model, "sun"), .unsupported, ["--weights both"])
    #expect(try Program.run(float.model, "sun").code == 0)
    let int8 = try Workshop.converted("--weights", "int8")
    expectFailure(try Program.run("--float", int8.model, "sun"), .unsupported, ["--weights"])
    expectFailure(try Program.run("--require", "cosine=0", int8.model, "sun"), .unsupported)
    #expect(try Program.run(int8.model, "sun").code == 0)
  }

  @Test func tasksThatTheModelCannotDoAreUnsupported() throws {
    let shop = try Workshop.converted()
    for task in ["fill-mask", "classify", "answer"] {
      expectFailure(
        try Program.run("--task", task, shop.model, "sun"), .unsupported,
        [task, "embedding, tokens, pooled"])
    }
    let unknown = try Program.run("--task", "sing", shop.model, "sun")
    expectFailure(unknown, .usage, ["embedding", "tokens", "pooled", "fill-mask", "zero-shot"])
  }

  @Test func outputsThatCannotBeWrittenAreRefused() throws {
    let shop = try Workshop.converted()
    let nowhere = shop.folder / "absent/report.json"
    let outcome = try Program.run("--drift-report", nowhere, shop.model, "sun")
    expectFailure(outcome, .cannotWrite, [nowhere])
    #expect(outcome.output.isEmpty, "before the long work")
    let full = try shell("'\(Program.run.path)' '\(shop.model)' sun > /dev/full")
    expectFailure(full, .cannotWrite, ["standard output"])
    let (run, bench) = (Program.run.path, Program.bench.path)
    for command in [
      "'\(run)' --cpu", "'\(run)' --format npy '\(shop.model)' sun",
      "'\(bench)' --rounds 1 --seconds 0.01 --cells 1x16 --threads 1 -- '\(shop.model)'",
      "'\(bench)' --json --rounds 1 --seconds 0.01 --cells 1x16 --threads 1 -- '\(shop.model)'",
    ] {
      expectFailure(try shell(command + " > /dev/full"), .cannotWrite, ["standard output"])
      expectFailure(try shell(command + " >&-"), .cannotWrite, ["standard output"])
    }
    let closed = try shell("'\(Program.run.path)' '\(shop.model)' sun >&-")
    expectFailure(closed, .cannotWrite, ["standard output"])
  }
}

/// Texts whose result is not finite.
struct UnfiniteResultTests {
  /// A model whose token 9 overflows.
  private func model() throws -> (folder: TemporaryFolder, path: String) {
    let configuration = BertConfiguration(
      vocabularySize: 50, hiddenSize: 16, layerCount: 1, headCount: 2, intermediateSize: 16,
      maximumPositions: 8, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)
    var generated = GeneratedModel(configuration)
    for i in 0..<16 { generated.values["embeddings.word"]?[9 * 16 + i] = 3e38 }
    let store = try generated.store()
    let folder = try TemporaryFolder()
    try write(store, store.model, to: folder / "m.bertq")
    return (folder, folder / "m.bertq")
  }

  /// However many are computed at once, those before it are answered.
  @Test func textsBeforeOneThatIsNotFiniteAreAnswered() throws {
    let (folder, path) = try model()
    let good = "{\"ids\":[1,2]}\n{\"ids\":[3]}\n"
    let lines = good + "{\"ids\":[4,9]}\n{\"ids\":[5]}\n{\n"
    let folderOutput = folder / "out.npy"
    for task in ["embedding", "tokens", "pooled"] {
      let answers = try Program.run(
        "--float", "--task", task, "--jsonl", path, input: Array(good.utf8))
      #expect(answers.code == 0 && answers.lines.count == 2, "\(answers.errors)")
      for options in [
        [], ["--token-budget", "1"], ["--token-budget", "3"], ["--threads", "1"],
        ["--threads", "3"],
      ] {
        let outcome = try Program.run.run(
          ["--float", "--task", task, "--jsonl", path] + options, input: Array(lines.utf8))
        expectFailure(outcome, .notFinite, ["line 3", "NaN or infinity"])
        #expect(outcome.output == answers.output, "\(options)")
      }
      try writeBytes(Array(good.utf8), to: folder / "good")
      try writeBytes(Array(lines.utf8), to: folder / "lines")
      func array(_ name: String) throws -> [UInt8] {
        _ = try shell(
          "'\(Program.run.path)' --float --task \(task) --format npy --jsonl --input "
            + "'\(folder / name)' '\(path)' > '\(folderOutput)'")
        return try readBytes(folderOutput)
      }
      #expect(try array("lines") == array("good"), "what an array holds can be read")
    }
  }
}
