import BertErrors
import BertModel
import BertqFile
import Fixtures
import JSONText
import Testing

/// `--drift`, `--drift-report` and `--require`.
struct DriftCommandTests {
  static let texts = [
    "The bird sings.", "sun", "Is this the old road to the sea?", "", "a ship sail",
  ]

  @Test func theReportIsTheFormatsAndTheResultsAreAsWithoutIt() throws {
    let shop = try Workshop.converted()
    let path = shop.folder / "drift.json"
    let outcome = try Program.run.run(["--drift-report", path, shop.model] + Self.texts)
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(try Program.run.run([shop.model] + Self.texts).output == outcome.output)
    #expect(outcome.errors.contains("SQNR"))
    let json = try JSON.parse(readBytes(path))
    #expect(
      json.objectValue?.keys.filter { $0 != "head" }.prefix(7) == [
        "fingerprint", "texts", "tokens", "hidden", "embedding", "ranking", "layers",
      ])
    #expect(json["fingerprint"]?.stringValue == (try ModelFile.open(shop.model).fingerprints.int8))
    #expect(json["texts"] == 5)
    #expect(json["layers"]?.arrayValue?.count == 2)
    #expect((json["hidden"]?["sqnr_db"]?.numberValue ?? 0) > 20)
    #expect((json["embedding"]?["cosine_worst"]?.numberValue ?? 0) > 0.99)
    #expect((json["ranking"]?["spearman"]?.numberValue ?? 0) > 0.9)
    // Both paths run either way, so either way the drift is the same.
    let other = shop.folder / "float.json"
    _ = try Program.run.run(["--float", "--drift-report", other, shop.model] + Self.texts)
    #expect(try JSON.parse(readBytes(other))["hidden"] == json["hidden"])
  }

  @Test func theGateDecidesTheExitCode() throws {
    let shop = try Workshop.converted()
    for (gate, passes) in [
      ("cosine=0.9,sqnr=15,spearman=0.5", true), ("hidden.max_abs=5", true),
      ("cosine=1", false), ("sqnr=200", false), ("hidden.max_abs=0", false),
      ("cosine=0.9,sqnr=200", false),
    ] {
      let path = shop.folder / "gate.json"
      let outcome = try Program.run.run(
        ["--require", gate, "--drift-report", path, shop.model] + Self.texts)
      #expect(outcome.code == (passes ? 0 : 3), "\(gate): \(outcome.errors)")
      #expect(outcome.lines.count == Self.texts.count)
      #expect(exists(path))
      if !passes { #expect(outcome.errors.contains("required at ")) }
    }
  }

  @Test func gatesAndReportsComeInFiles() throws {
    let shop = try Workshop.converted()
    try writeBytes(
      Array("cosine = 0.9\n[hidden]\nsqnr_db = 200\n".utf8), to: shop.folder / "g.toml")
    try writeBytes(
      [0xEF, 0xBB, 0xBF] + Array("{\"cosine\": 0.9}\r\n".utf8), to: shop.folder / "g.json")
    try writeBytes(Array("accuracy = 1\n".utf8), to: shop.folder / "bad.toml")
    func run(_ gate: String, _ options: String...) throws -> Program.Outcome {
      try Program.run.run(
        ["--require-file", shop.folder / gate] + options + [shop.model] + Self.texts)
    }
    let page = shop.folder / "drift.html"
    #expect(
      try run("g.toml", "--drift-report", page, "--drift-report", shop.folder / "d.json").code == 3)
    let html = try String(decoding: readBytes(page), as: UTF8.self)
    #expect(html.hasPrefix("<!") && html.contains("</html>"))
    #expect(exists(shop.folder / "d.json"))
    #expect(try run("g.json").code == 0)
    expectFailure(try run("bad.toml"), .usage, ["accuracy", "bad.toml"])
    expectFailure(try run("absent.toml"), .notFound, ["absent.toml"])
  }

  @Test func reportsReplaceNothingThatIsRead() throws {
    let shop = try Workshop.converted()
    let model = try readBytes(shop.model)
    let files = [
      ("in.json", "--input", "[\"a\"]"), ("gate.json", "--require-file", "{\"cosine\":0.1}"),
      ("vectors.json", "--reference", "no array"),
    ]
    for (name, option, content) in files {
      let path = try shop.folder.write(name, content)
      let texts = option == "--input" ? [] : ["a"]
      let outcome = try Program.run.run(
        [option, path, "--drift-report", path, shop.model] + texts)
      expectFailure(outcome, .usage, ["would be replaced", name])
      #expect(try readBytes(path) == Array(content.utf8))
    }
    try shop.folder.link("model.json", to: "model.bertq")
    expectFailure(
      try Program.run("--drift-report", shop.folder / "model.json", shop.model, "a"), .usage,
      ["would be replaced"])
    #expect(try readBytes(shop.model) == model)
  }

  @Test func theVerdictIsInEveryReportAndOnStandardError() throws {
    let shop = try Workshop.converted()
    let names = ["d.json", "d.html", "d.md"].map { shop.folder / $0 }
    let outcome = try Program.run.run(
      names.flatMap { ["--drift-report", $0] } + ["--require", "cosine=0.9", shop.model]
        + Self.texts)
    #expect(outcome.code == 0, "\(outcome.errors)")
    let texts = try names.map { String(decoding: try readBytes($0), as: UTF8.self) }
    for text in texts.dropFirst() + [outcome.errors] {
      #expect(text.contains("The gate passed: its threshold is kept."))
      #expect(text.contains("at least 0.9"))
    }
    let verdict = try JSON.parse(Array(texts[0].utf8))["verdict"]
    #expect(verdict?["passes"]?.boolValue == true)
    #expect(verdict?["checks"]?.arrayValue?.first?["threshold"]?.numberValue == 0.9)
  }

  /// The model's own vectors stand in for another program's.
  @Test func vectorsOfAnotherProgramAreComparedWithBothPaths() throws {
    let shop = try Workshop.converted()
    let (vectors, path) = (shop.folder / "v.npy", shop.folder / "d.json")
    for precision in ["--float", "--int8"] {
      let made = try Program.run.run([precision, "--format", "npy", shop.model] + Self.texts)
      try writeBytes(made.output, to: vectors)
      let outcome = try Program.run.run(
        ["--reference", vectors, "--drift-report", path, shop.model] + Self.texts)
      #expect(outcome.code == 0 && outcome.errors.contains("beside"), "\(outcome.errors)")
      let json = try JSON.parse(readBytes(path))
      let own = precision == "--float" ? "parity_float" : "parity_int8"
      let other = precision == "--float" ? "parity_int8" : "parity_float"
      #expect(json[own]?["max_abs"]?.numberValue == 0)
      #expect((json[own]?["cosine_worst"]?.numberValue ?? 0) > 0.9999999)
      // The other path is as far off as the drift says.
      #expect(json[other]?["max_abs"] == json["embedding"]?["max_abs"])
      #expect((json[other]?["max_abs"]?.numberValue ?? 0) > 0)
    }
    func gate(_ text: String, _ texts: [String]) throws -> Program.Outcome {
      try Program.run.run(["--reference", vectors, "--require", text, shop.model] + texts)
    }
    #expect(try gate("parity_int8.max_abs=0", Self.texts).code == 0)
    // They are those of int8 now, and float32 is not.
    #expect(try gate("parity=1", Self.texts).code == 3)
    #expect(try gate("parity=1.1", Self.texts).code == 64)
    #expect(try Program.run.run(["--require", "parity=0.1", shop.model] + Self.texts).code == 3)
    expectFailure(try gate("parity=0", Self.texts + ["more"]), .malformed, ["v.npy", "5 vectors"])
    expectFailure(
      try gate("parity=0", Array(Self.texts.dropLast())), .malformed, ["v.npy", "5 vectors"])
  }

  /// Scores of every word for every token of a text would be 240 MB here.
  @Test func scoresOfWordsAreNotKept() throws {
    let configuration = BertConfiguration(
      vocabularySize: 60_000, hiddenSize: 16, layerCount: 1, headCount: 2, intermediateSize: 16,
      maximumPositions: 512, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)
    let model = GeneratedModel(configuration)
    let store = try model.store(task: .fillMask, head: .maskedWords, int8: model.rounded)
    let folder = try TemporaryFolder()
    try write(store, store.model, to: folder / "m.bertq")
    func run(_ tokens: Int) throws -> Program.Outcome {
      let ids = model.ids(tokens).map { "\($0)" }.joined(separator: ",")
      let outcome = try Program.run.run(
        ["--drift", "--task", "embedding", "--jsonl", folder / "m.bertq"],
        input: Array("{\"ids\":[\(ids)]}\n".utf8))
      #expect(outcome.code == 0 && outcome.errors.contains("masked-words"), "\(outcome.errors)")
      return outcome
    }
    let (few, many) = (try run(4), try run(500))
    #expect(many.peakMemory - few.peakMemory < 40 << 20)
  }

  /// Two texts have one similarity: there is no ranking, and what is not measured does not pass.
  @Test func aGateOnWhatIsNotMeasuredFails() throws {
    let shop = try Workshop.converted()
    let outcome = try Program.run("--require", "spearman=-1", shop.model, "sun", "moon")
    #expect(outcome.code == 3)
    #expect(outcome.errors.contains("spearman"))
  }

  /// The samples of the documents ask for nothing that their kind of model does not have.
  @Test func theThresholdsOfTheDocumentsAreMeasured() throws {
    let page = SharedData.packageRoot + "/docs/drift-in-ci.md"
    let samples = try String(decoding: readBytes(page), as: UTF8.self)
      .split(separator: "```toml\n").dropFirst().map { $0.split(separator: "```")[0] }
    #expect(samples.count == 2)
    let headless = try Workshop.converted()
    let configuration = BertConfiguration(
      vocabularySize: 97, hiddenSize: 16, layerCount: 1, headCount: 2, intermediateSize: 16,
      maximumPositions: 32, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)
    let model = GeneratedModel(configuration)
    let store = try model.store(task: .classify, head: .classifier, int8: model.rounded)
    let headed = headless.folder / "headed.bertq"
    try write(store, store.model, to: headed)
    let lines = (0..<12).map { "{\"ids\":[2,\($0 + 5),3]}\n" }.joined()
    for (model, sample) in zip([headless.model, headed], samples) {
      let gate = headless.folder / "gate.toml"
      try writeBytes(Array(sample.utf8), to: gate)
      let outcome = try Program.run.run(
        ["--task", "embedding", "--jsonl", "--require-file", gate, model], input: Array(lines.utf8))
      #expect([0, 3].contains(outcome.code), "\(outcome.errors)")
      #expect(!outcome.errors.contains("could not be measured"), "\(outcome.errors)")
    }
  }

  /// No drift at all and no texts at all are not the same.
  @Test func whatMeasuresNothingDoesNotPass() throws {
    let shop = try Workshop.converted()
    let path = shop.folder / "drift.html"
    for options in [["--drift"], ["--drift-report", path], ["--drift", "--jsonl"]] {
      let outcome = try Program.run.run(options + [shop.model])
      expectFailure(outcome, .usage, ["no texts"])
    }
    expectFailure(
      try Program.run.run(["--require", "cosine=-1", "--drift-report", path, shop.model]),
      .driftGate, ["no texts"])
    #expect(!exists(path))
    try writeBytes([], to: shop.folder / "none.txt")
    expectFailure(
      try Program.run("--drift", "--input", shop.folder / "none.txt", shop.model), .usage,
      ["none.txt"])
    for (name, text) in [("g.toml", "[hidden]\n# sqnr_db = 3\n"), ("g.json", "{\"hidden\":{}}")] {
      try writeBytes(Array(text.utf8), to: shop.folder / name)
      let outcome = try Program.run.run(
        ["--require-file", shop.folder / name, shop.model] + Self.texts)
      expectFailure(outcome, .usage, [name, "asks for nothing"])
      #expect(outcome.output.isEmpty)
    }
  }
}
