import BertErrors
import BertKernels
import BertModel
import Fixtures
import FoundationEssentials
import JSONText
import SystemLibrary
import Testing

/// What `bert-run` answers, and how its output is written.
struct RunTests {
  static let texts = [
    "The bird sings.", "", "  ", "sun", "Is this the old road to the sea?",
    "The zebra reads a book",
    "Ünïcödé \u{0}\u{7F} \u{1F600} 北京", "one, two, three - and all the stars are out",
  ]

  @Test func everyWayInGivesTheSameResults() throws {
    let shop = try Workshop.converted()
    let text = Self.texts.filter { !$0.contains("\0") }
    let arguments = try Program.run.run([shop.model] + text)
    #expect(arguments.code == 0, "\(arguments.errors)")
    #expect(arguments.lines.count == text.count)
    let bytes = Array(text.joined(separator: "\n").utf8)
    let objects = text.map { JSON.object(["text": .string($0)]).text(pretty: false) }
    try writeBytes(bytes + [10], to: shop.folder / "in.txt")
    let crlf = Array((text.joined(separator: "\r\n") + "\r\n").utf8)
    let ways: [Program.Outcome] = [
      try Program.run("--input", shop.folder / "in.txt", shop.model),
      try Program.run("--input", "-", shop.model, input: bytes),
      try Program.run(shop.model, input: bytes), try Program.run(shop.model, input: bytes + [10]),
      try Program.run(shop.model, input: crlf),
      try Program.run(shop.model, input: [0xEF, 0xBB, 0xBF] + crlf),
      try Program.run(
        "--jsonl", shop.model,
        input: [0xEF, 0xBB, 0xBF] + Array(objects.joined(separator: "\r\n").utf8)),
      try Program.run("--jsonl", shop.model, input: Array(objects.joined(separator: "\n").utf8)),
    ]
    for outcome in ways {
      #expect(outcome.code == 0, "\(outcome.errors)")
      #expect(outcome.output == arguments.output)
    }
    #expect(try Program.run(shop.model).output.isEmpty)
  }

  @Test func resultsAreInOrderAndLikeThoseOfEachTextAlone() throws {
    let shop = try Workshop.converted()
    let lines = try jsonLines(
      Program.run(shop.model, input: Array(Self.texts.joined(separator: "\n").utf8)))
    #expect(lines.map { $0["index"]?.integerValue } == Self.texts.indices.map { $0 })
    for (text, line) in zip(Self.texts, lines) {
      let alone = try jsonLines(Program.run(shop.model, input: Array((text + "\n").utf8)))
      #expect(alone.first?["embedding"] == line["embedding"])
      #expect(line["embedding"]?.numbers.count == 20)
    }
  }

  @Test func threadsBudgetsAndKernelsDoNotChangeAByte() throws {
    let shop = try Workshop.converted()
    let input = Array(Self.texts.joined(separator: "\n").utf8)
    for path in ["--int8", "--float"] {
      let expected = try Program.run(path, shop.model, input: input).output
      var options = [["--threads", "1"], ["--threads", "3"], ["--token-budget", "1"]]
      options += KernelSet.available.map { ["--kernels", $0.name] }
      for option in options {
        #expect(try Program.run.run([path, shop.model] + option, input: input).output == expected)
      }
      for kernels in KernelSet.available {
        let forced = try Program.run.run(
          [path, shop.model], input: input, environment: ["BERTQ_KERNELS": kernels.name])
        #expect(forced.output == expected)
      }
    }
  }

  @Test func int8IsTheDefaultWhereTheFileHasIt() throws {
    let shop = try Workshop.converted()
    let int8 = try Program.run("--int8", shop.model, "sun").output
    let float = try Program.run("--float", shop.model, "sun").output
    #expect(try Program.run(shop.model, "sun").output == int8)
    #expect(int8 != float)
  }

  /// Lines of every length, some far longer than a buffer: each is read whole, and once.
  @Test func longInputsAreReadLineByLine() throws {
    let shop = try Workshop.converted()
    let words = ["sun", "moon", "star", "sea", "stone", "bird"]
    var random = SeededGenerator(seed: 4)
    let lines = (0..<2_000).map { line in
      let count = line % 500 == 77 ? 40_000 : Int.random(in: 0...9, using: &random)
      return (0..<count).map { _ in words[Int.random(in: 0..<6, using: &random)] }
        .joined(separator: " ")
    }
    let outcome = try Program.run(
      "--truncate", shop.model, input: Array(lines.joined(separator: "\n").utf8))
    #expect(outcome.code == 0, "\(outcome.errors)")
    let found = try jsonLines(outcome)
    #expect(found.map { $0["index"]?.integerValue } == Array(0..<2_000))
    let picked = [0, 1, 77, 78, 577, 1_999]
    let alone = try jsonLines(
      Program.run(
        "--truncate", shop.model,
        input: Array(picked.map { lines[$0] }.joined(separator: "\n").utf8)
      ))
    #expect(picked.map { found[$0]["embedding"] } == alone.map { $0["embedding"] })
  }

  @Test func pairsIdsAndNamesPassThrough() throws {
    let shop = try Workshop.converted()
    let input = """
      {"text":"a ship","pair":"a sail","id":"first"}
      {"ids":[2,9,3],"id":7,"pair":null,"text":null}
      {"ids":[2,9,3],"types":[0,0,1],"id":"é\\n"}
      {"text":"sun","id":null}
      {"text":"a ship"}
      """
    let outcome = try Program.run("--jsonl", shop.model, input: Array(input.utf8))
    #expect(outcome.code == 0, "\(outcome.errors)")
    let lines = try jsonLines(outcome)
    #expect(lines.map { $0["index"]?.integerValue } == [0, 1, 2, 3, 4])
    #expect(lines[0]["id"] == "first" && lines[1]["id"] == 7)
    #expect(lines[2]["id"] == "é\n")
    #expect(lines[4]["id"] == nil)
    #expect(outcome.lines[0].hasPrefix("{\"index\":0,\"id\":\"first\",\"embedding\":["))
    #expect(outcome.lines[4].hasPrefix("{\"index\":4,\"embedding\":["))
    #expect(lines[1]["embedding"] != lines[2]["embedding"])
    #expect(lines[0]["embedding"] != lines[4]["embedding"])
  }

  /// The oracle's vectors of the tiny checkpoint, through the whole program.
  @Test func floatVectorsAreThoseOfTheReference() throws {
    let shop = try Workshop.converted()
    let oracle = try Oracle(PublishedCheckpoint.own + "/oracle.safetensors")
    for tag in oracle.tags {
      let inputs = try oracle.inputs(tag)
      let lines = inputs.map { input in
        let ids = input.ids.map { "\($0)" }.joined(separator: ",")
        let types = input.types.map { "\($0)" }.joined(separator: ",")
        return "{\"ids\":[\(ids)],\"types\":[\(types)]}\n"
      }
      let given = Array(lines.joined().utf8)
      let tokens = try jsonLines(
        Program.run("--float", "--task", "tokens", "--jsonl", shop.model, input: given))
      let pooled = try jsonLines(
        Program.run("--float", "--task", "pooled", "--jsonl", shop.model, input: given))
      let hidden = try oracle.floats(tag + ".out.last_hidden_state")
      let pooler = try oracle.floats(tag + ".out.pooler_output")
      for (index, input) in inputs.enumerated() {
        let vectors = tokens[index]["vectors"]?.arrayValue?.map(\.numbers) ?? []
        #expect(vectors.count == input.ids.count)
        let first = input.firstRow * 20
        for (at, value) in vectors.flatMap({ $0 }).enumerated() {
          #expect(abs(value - Double(hidden[first + at])) <= 2e-5)
        }
        for (at, value) in (pooled[index]["pooled"]?.numbers ?? []).enumerated() {
          #expect(abs(value - Double(pooler[index * 20 + at])) <= 2e-5)
        }
      }
    }
  }

  @Test func tokensNeedNoPooler() throws {
    let configuration = BertConfiguration(
      vocabularySize: 50, hiddenSize: 16, layerCount: 1, headCount: 2, intermediateSize: 16,
      maximumPositions: 8, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)
    let store = try GeneratedModel(configuration, hasPooler: false).store()
    var description = store.model
    description.embedding = EmbeddingRecipe(.pooler)
    let folder = try TemporaryFolder()
    try write(store, description, to: folder / "m.bertq")
    for (task, code) in [("tokens", nil), ("embedding", BertError.Code.unsupported)] {
      let outcome = try Program.run.run(
        ["--task", task, "--jsonl", folder / "m.bertq"], input: Array("{\"ids\":[1,2]}".utf8))
      if let code { expectFailure(outcome, code, ["pooler"]) } else { #expect(outcome.code == 0) }
    }
  }

  @Test func tokensComeWithTheirText() throws {
    let shop = try Workshop.converted()
    let line = try jsonLines(Program.run("--task", "tokens", shop.model, "Slower birds")).first
    let tokens = line?["tokens"]?.arrayValue?.compactMap(\.stringValue)
    #expect(tokens == ["[CLS]", "slow", "##er", "bird", "##s", "[SEP]"])
    #expect(line?["vectors"]?.arrayValue?.map { $0.numbers.count } == [20, 20, 20, 20, 20, 20])
  }

  @Test(.enabled(if: Program.hasNumPy, "needs python3 with NumPy"))
  func arraysAreReadByNumPy() throws {
    let shop = try Workshop.converted()
    for (task, rows) in [("embedding", 3), ("pooled", 3), ("tokens", 13)] {
      let lines = try jsonLines(
        Program.run("--task", task, shop.model, "sun", "a bird", "The moon is bright"))
      let file = shop.folder / "out.npy"
      let made = try shell(
        "'\(Program.run.path)' --format npy --task \(task) '\(shop.model)' sun 'a bird' "
          + "'The moon is bright' > '\(file)'")
      #expect(made.code == 0)
      let read = try shell(
        "python3 -c \"import numpy, json; a = numpy.load('\(file)'); assert a.dtype == '<f4'; "
          + "print(json.dumps([list(a.shape)] + a.astype(float).tolist()))\"")
      let json = try JSON.parse(read.output)
      #expect(json.arrayValue?[0].numbers == [Double(rows), 20])
      let expected = lines.flatMap { line in
        line["vectors"]?.arrayValue ?? [line["embedding"] ?? line["pooled"] ?? .null]
      }
      for (row, wanted) in zip(json.arrayValue?.dropFirst() ?? [], expected) {
        #expect(row.numbers.map { Float($0) } == wanted.numbers.map { Float($0) })
      }
    }
  }

  @Test func dimensionsOfWhatIsNoEmbeddingAreRefused() throws {
    let shop = try Workshop.converted()
    expectFailure(
      try Program.run("--task", "tokens", "--dimensions", "3", shop.model, "sun"), .usage,
      ["--dimensions belongs to embedding"])
  }

  /// One would be lost.
  @Test func noFileIsWrittenTwice() throws {
    let shop = try Workshop.converted()
    let (run, file) = ("'\(Program.run.path)'", shop.folder / "x.json")
    for other in [file, shop.folder.path + "/./x.json"] {
      expectFailure(
        try Program.run(
          "--format", "npy", "--ids", file, "--drift-report", other, shop.model, "sun"), .usage,
        ["written twice"])
    }
    for option in ["--drift-report", "--format npy --ids", "--resume"] {
      expectFailure(
        try shell("\(run) \(option) '\(file)' '\(shop.model)' sun > '\(file)'"), .usage,
        ["standard output"])
    }
  }

  @Test func aNameThatIsNoUTF8IsNotTakenForAnother() throws {
    let shop = try Workshop.converted()
    try writeBytes(readBytes(shop.model), to: shop.folder / "\u{FFFD}")
    for command in [
      "'\(Program.run.path)' \"$name\" sun", "'\(Program.convert.path)' \"$name\" '\(shop.output)'",
    ] {
      expectFailure(
        try shell("name=$(printf '\(shop.folder.path)/\\377'); \(command)"), .usage, ["no UTF-8"])
    }
  }

  @Test func aQuietGateSaysOnlyThatItFails() throws {
    let shop = try Workshop.converted()
    let texts = ["--quiet", shop.model, "sun", "moon"]
    let passed = try Program.run.run(["--require", "cosine=0.1"] + texts)
    #expect(passed.code == 0 && passed.errors.isEmpty)
    let failed = try Program.run.run(["--require", "sqnr=900"] + texts)
    #expect(failed.code == 3 && failed.errors.split(separator: "\n").count == 1)
  }

  /// Through a pipe, into a file, behind what a file holds: the same bytes, whatever their number.
  @Test(arguments: [0, 3, 20_000])
  func arraysAreTheSameThroughPipesAndInFiles(_ count: Int) throws {
    let shop = try Workshop.converted()
    let texts = shop.folder / "texts"
    let lines = (0..<count).map { "the bird sings over \($0 % 7) stones\n" }
    try writeBytes(Array(lines.joined().utf8), to: texts)
    let command = "'\(Program.run.path)' --quiet --format npy --input '\(texts)' '\(shop.model)'"
    let file = try Program.run("--format", "npy", "--input", texts, shop.model)
    #expect(file.code == 0, "\(file.errors)")
    #expect(file.output.count == 128 + count * 20 * 4)
    let header = String(decoding: file.output.prefix(128).dropFirst(10), as: UTF8.self)
    #expect(header.contains("'shape': (\(count), 20), }") && header.hasSuffix(" \n"))
    let names = shop.folder.names
    let other = shop.folder.path
    #expect(try shell("TMPDIR='\(other)' \(command) | cat").output == file.output)
    #expect(shop.folder.names == names)
    #expect(try shell("printf '12345'; \(command)").output == Array("12345".utf8) + file.output)
    let added = shop.folder / "added"
    let outcome = try shell("printf '12345' > '\(added)'; \(command) >> '\(added)'")
    #expect(outcome.code == 0 && outcome.errors.isEmpty)
    #expect(try readBytes(added) == Array("12345".utf8) + file.output)
    // What is short waits in memory and needs no place.
    let nowhere = try shell("TMPDIR=/nowhere \(command) | cat")
    #expect(nowhere.errors.contains("/nowhere") == (count > 15_000))
  }

  @Test func anArrayHoldsWhatComesBeforeABadLine() throws {
    let shop = try Workshop.converted()
    let good = "{\"text\":\"sun\"}\n{\"text\":\"moon\"}\n"
    let whole = try Program.run.run(
      ["--format", "npy", "--jsonl", shop.model], input: Array(good.utf8))
    let cut = try Program.run.run(
      ["--format", "npy", "--jsonl", shop.model], input: Array((good + "{\n" + good).utf8))
    expectFailure(cut, .malformed, ["line 3"])
    #expect(cut.output == whole.output)
  }

  /// Results of more megabytes than the memory may grow by, in every form.
  @Test func memoryDoesNotGrowWithTheNumberOfTexts() throws {
    let shop = try Workshop.converted()
    func peak(_ lines: Int, _ command: String) throws -> Int {
      let text = String(repeating: "the bird sings over the old road to the sea\n", count: lines)
      try writeBytes(Array(text.utf8), to: shop.folder / "texts")
      let outcome = try shell(
        "'\(Program.run.path)' --task tokens --input '\(shop.folder / "texts")' '\(shop.model)' "
          + command)
      #expect(outcome.code == 0, "\(outcome.errors)")
      return outcome.peakMemory
    }
    let file = "'\(shop.output)'"
    for command in ["> /dev/null", "--format npy | cat > /dev/null", "--format npy > \(file)"] {
      let (few, many) = (try peak(500, command), try peak(30_000, command))
      #expect(many - few < 8 << 20, "\(command): \(few) bytes, then \(many)")
    }
  }

  @Test func theKernelsAreListedAndTheChoiceMarked() throws {
    let outcome = try Program.run("--cpu")
    #expect(outcome.code == 0)
    let names = outcome.lines.filter { !$0.hasPrefix("   ") }
    #expect(KernelSet.all.allSatisfy { set in names.contains { $0.contains(set.name) } })
    #expect(outcome.lines.count { $0.hasPrefix("*") } == 1)
    for set in KernelSet.available {
      let forced = try Program.run("--cpu", "--kernels", set.name)
      #expect(forced.lines.first { $0.hasPrefix("*") }?.contains(set.name) == true)
    }
  }

  @Test func aClosedPipeEndsTheRunQuietly() throws {
    let shop = try Workshop.converted()
    let lines = Array(repeating: "The moon is bright over the sea.\n", count: 20_000).joined()
    try writeBytes(Array(lines.utf8), to: shop.folder / "many.txt")
    let outcome = try shell(
      "'\(Program.run.path)' --input '\(shop.folder / "many.txt")' '\(shop.model)' | head -1")
    #expect(outcome.code == 0 && outcome.lines.count == 1 && outcome.errors.isEmpty)
    // However much there is to come, and the signal is seen by whoever started it.
    for (options, reader) in [("", "head -1"), ("--task tokens", "head -c 9")] {
      let endless = try shell(
        "yes 'the moon' | ('\(Program.run.path)' \(options) '\(shop.model)'; echo $? >&2) "
          + "| \(reader)")
      #expect(!endless.output.isEmpty)
      #expect(endless.errors == "\(128 + SIGPIPE)\n")
    }
    let array = try shell(
      "('\(Program.run.path)' --format npy --input '\(shop.folder / "many.txt")' '\(shop.model)'; "
        + "echo $? >&2) | head -c 9")
    #expect(array.output.starts(with: [0x93] + Array("NUMPY".utf8)))
    #expect(array.errors == "\(128 + SIGPIPE)\n")
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func anInterruptEndsTheRunAtOnceAndQuietly(_ signal: Int32) throws {
    let shop = try Workshop.converted()
    let pipe = shop.folder / "pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    // Somebody holds the pipe open and writes nothing more.
    let held = open(pipe, O_RDWR | O_CLOEXEC)
    defer { close(held) }
    let line = Array("the moon is bright\n".utf8)
    #expect(SystemLibrary.write(held, line, line.count) == line.count)
    for format in ["jsonl", "npy"] {
      let clock = ContinuousClock()
      let begin = clock.now
      let outcome = try Program.run.run(
        ["--format", format, "--input", pipe, shop.model], killedAfter: 1, by: signal)
      #expect(outcome.code == 128 + signal)
      #expect(outcome.errors.isEmpty)
      // A file of results that was cut short is no array.
      #expect(format == "jsonl" || !outcome.output.starts(with: [0x93]))
      #expect(clock.now - begin < .seconds(60))
    }
  }

  /// From an input that never ends.
  @Test func resultsAreWrittenAsTheyAreMade() throws {
    let shop = try Workshop.converted()
    let outcome = try shell(
      "yes 'the bird sings' | '\(Program.run.path)' '\(shop.model)' | head -10000 | tail -1")
    #expect(outcome.text.hasPrefix("{\"index\":9999,"))
  }

  @Test(.enabled(if: Program.hasTerminals, "needs script(1), which makes a terminal"))
  func theBarIsShownOnATerminalOnly() throws {
    let shop = try Workshop.converted()
    let texts = shop.folder / "texts"
    try writeBytes(
      Array(String(repeating: "the moon is bright\n", count: 5_000).utf8), to: texts)
    let command = "\(Program.run.path) --input \(texts) \(shop.model)"
    func terminal(_ command: String) throws -> String {
      try shell("script -qec '\(command)' /dev/null < /dev/null").text
    }
    let bar = try terminal("\(command) > /dev/null")
    #expect(bar.contains("texts/s") && bar.contains("tokens/s") && !bar.contains("index"))
    #expect(!bar.contains("encoding ["))
    // Results on the same terminal are progress enough, and are not written through.
    let results = try terminal("\(command) --format jsonl")
    #expect(results.contains("index") && !results.contains("texts/s"))
    let log = try shell("\(command) > /dev/null").errors
    #expect(log.hasPrefix("bert-run: 5,000 texts, ") && log.contains(" tokens/s, in 0:"), "\(log)")
    #expect(try shell("\(command) --quiet > /dev/null").errors.isEmpty)
    let array = try terminal("\(command) --format npy; echo ended with $?")
    #expect(array.contains("is binary") && array.contains("ended with 64"), "\(array)")
  }

  @Test func nothingButResultsGoesToStandardOutput() throws {
    let shop = try Workshop.converted()
    let outcome = try Program.run(
      "--drift", "--threads", "1000", "--truncate", shop.model, "sun", "moon", "star")
    #expect(try jsonLines(outcome).count == 3)
    #expect(try jsonLines(outcome).allSatisfy { $0["embedding"] != nil })
    #expect(try Program.run("--verify", shop.model).output.isEmpty)
  }
}
