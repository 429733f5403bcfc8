import BertErrors
import BertModel
import Fixtures
import FoundationEssentials
import JSONText
import Testing

/// How `bert-run` speaks to people: what is in a file, answers on a terminal, the next step.
struct RunMannersTests {
  /// A sentence-transformers folder of the tiny checkpoint.
  private func prompted(_ pooling: String = "") throws -> Workshop {
    let shop = try Workshop()
    func put(_ name: String, _ text: String) throws {
      try writeBytes(Array(text.utf8), to: shop.input + "/" + name)
    }
    try put(
      "config_sentence_transformers.json",
      "{\"prompts\":{\"query\":\"the sun \",\"none\":\"\",\"passage\":\"sea \"},\"default_prompt_name\":\"query\"}"
    )
    try put(
      "modules.json",
      """
      [{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
      {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]
      """)
    try FileManager.default.createDirectory(
      atPath: shop.input + "/1_Pooling", withIntermediateDirectories: false)
    try put(
      "1_Pooling/config.json",
      "{\"word_embedding_dimension\":20,\"pooling_mode_mean_tokens\":true\(pooling)}")
    let outcome = try Program.convert(shop.input, shop.model, "--no-calibration")
    #expect(outcome.code == 0, "\(outcome.errors)")
    return shop
  }

  private func vectors(_ arguments: [String]) throws -> [JSON?] {
    let outcome = try Program.run.run(arguments)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return try jsonLines(outcome).map { $0["embedding"] ?? $0["pooled"] ?? $0["tokens"] }
  }

  @Test func aPromptStandsBeforeTexts() throws {
    let shop = try prompted()
    let plain = try vectors([shop.model, "--prompt", "", "the sun bird", "bird", "sea bird"])
    #expect(plain[0] != plain[1])
    #expect(try vectors([shop.model, "bird"]) == [plain[0]])
    #expect(try vectors([shop.model, "--prompt", "query", "bird"]) == [plain[0]])
    #expect(try vectors([shop.model, "--prompt", "none", "bird"]) == [plain[1]])
    #expect(try vectors([shop.model, "--prompt", "passage", "bird"]) == [plain[2]])
    #expect(try vectors([shop.model, "--prompt", "sea ", "bird"]) == [plain[2]])
    expectFailure(
      try Program.run(shop.model, "--prompt", "search", "bird"), .usage,
      ["search", "query", "passage"])
    let lines = """
      {"text":"bird","prompt_name":"passage"}
      {"text":"bird","prompt":"the sun "}
      {"text":"bird","prompt":""}
      """
    let own = try jsonLines(Program.run("--jsonl", shop.model, input: Array(lines.utf8)))
    #expect(own.map { $0["embedding"] } == [plain[2], plain[0], plain[1]])
  }

  /// It belongs to embeddings and to the tokens that they are made of.
  @Test func aDefaultPromptStandsWhereItBelongs() throws {
    let shop = try prompted()
    let tokens = try vectors([shop.model, "--task", "tokens", "bird"]).first??.arrayValue
    #expect(tokens?.compactMap(\.stringValue) == ["[CLS]", "the", "sun", "bird", "[SEP]"])
    #expect(
      try vectors([shop.model, "--task", "pooled", "bird"])
        == vectors([shop.model, "--task", "pooled", "--prompt", "", "bird"]))
  }

  /// The mean of the tokens behind the prompt, the separator included, as sentence-transformers takes it.
  @Test func aPromptCanBeLeftOutOfPooling() throws {
    let shop = try prompted(",\"include_prompt\":false")
    let lines = try jsonLines(Program.run("--float", shop.model, "--task", "tokens", "the bird"))
    let rows = (lines[0]["vectors"]?.arrayValue ?? []).map(\.numbers)
    #expect(lines[0]["tokens"]?.arrayValue?.count == 6)
    let mean = (0..<20).map { k in rows[3...].reduce(0) { $0 + $1[k] } / 3 }
    let found = try vectors(["--float", shop.model, "the bird"])[0]?.numbers ?? []
    for (a, b) in zip(found, mean) { #expect(abs(a - b) < 1e-5) }
    // Without a prompt all tokens count.
    let all = try jsonLines(
      Program.run("--float", shop.model, "--task", "tokens", "--prompt", "", "the bird"))
    let whole = (all[0]["vectors"]?.arrayValue ?? []).map(\.numbers)
    let plain = try vectors(["--float", shop.model, "--prompt", "", "the bird"])[0]?.numbers ?? []
    for k in 0..<20 {
      #expect(abs(plain[k] - whole.reduce(0) { $0 + $1[k] } / Double(whole.count)) < 1e-5)
    }
  }

  @Test func dimensionsAreTheFirstOfTheVector() throws {
    let shop = try Workshop.converted()
    let whole = try vectors([shop.model, "sun"])[0]?.numbers ?? []
    #expect(
      try vectors([shop.model, "--dimensions", "5", "sun"])[0]?.numbers == Array(whole[..<5]))
    #expect(try vectors([shop.model, "--dimensions", "20", "sun"])[0]?.numbers == whole)
    for bad in ["0", "21"] {
      expectFailure(
        try Program.run(shop.model, "--dimensions", bad, "sun"), .usage, [bad, "dimensions", "20"])
    }
    let array = try Program.run("--format", "npy", "--dimensions", "5", shop.model, "sun")
    #expect(array.output.count == 128 + 5 * 4)
  }

  @Test func whatIsInAFileIsSaid() throws {
    let shop = try prompted()
    let text = try Program.run("--info", shop.model)
    #expect(text.code == 0, "\(text.errors)")
    for word in [
      "2 layers of 20", "WordPiece", "mean", "query (default)", "fingerprint", "embedding",
    ] {
      #expect(text.text.contains(word), "no '\(word)' in \(text.text)")
    }
    let json = try JSON.parse(Program.run("--info", "--json", shop.model).output)
    #expect(json["task"] == "embedding" && json["token_limit"] == 32)
    #expect(json["default_prompt"] == "query" && json["prompts"]?["passage"] == "sea ")
    #expect(json["embedding"]?["poolings"] == ["mean"] && json["embedding"]?["dimensions"] == 20)
    #expect(json["tasks"] == ["embedding", "tokens", "pooled"])
    #expect(json["fingerprints"]?["int8"]?.stringValue?.utf8.count == 16)
    expectFailure(
      try Program.run("--info", shop.model, "sun"), .usage, ["--info", "computes nothing"])
    expectFailure(try Program.run("--json", shop.model, "sun"), .usage, ["--info"])
  }

  @Test(.enabled(if: Program.hasTerminals, "needs script(1), which makes a terminal"))
  func aPersonSeesHowAlikeTextsAre() throws {
    let shop = try Workshop.converted()
    func terminal(_ arguments: String, typing: String = "") throws -> String {
      try shell(
        "printf '\(typing)' | script -qec \"'\(Program.run.path)' \(arguments)\" /dev/null"
      ).text
    }
    let table = try terminal("'\(shop.model)' 'the sun' 'the moon' 'the sun'")
    #expect(table.contains("1.00") && table.contains("the moon") && !table.contains("embedding"))
    #expect(try terminal("'\(shop.model)' 'the sun'").contains("20 numbers: "))
    #expect(try terminal("--format jsonl '\(shop.model)' 'the sun'").contains("{\"index\":0"))
    let tokens = try terminal("--task tokens '\(shop.model)' 'the sun'")
    #expect(tokens.contains("[CLS]: ") && !tokens.contains("{\"index\""))
    // Typed texts are compared as they come.
    let typed = try terminal("'\(shop.model)'", typing: "the sun\\nthe moon\\n\\004")
    #expect(typed.contains("Ctrl-D") && typed.contains("  the sun"), "\(typed)")
  }

  @Test func messagesNameTheNextStep() throws {
    let shop = try Workshop.converted()
    let safetensors = shop.input + "/model.safetensors"
    for (arguments, code, words) in [
      ([shop.input], .notFound, ["is a folder", "bert-convert"]),
      ([shop.input + "/"], .notFound, ["is a folder", "bert-convert"]),
      ([safetensors], .malformed, ["not a .bertq file", "bert-convert"]),
      (["a text", shop.model], .notFound, ["the model comes before"]),
      (["org/name"], .notFound, ["hf download org/name", "bert-convert"]),
      (["--info", "org/name"], .notFound, ["hf download org/name"]),
      (["absent.bertq"], .notFound, ["absent.bertq"]),
    ] as [([String], BertError.Code, [String])] {
      expectFailure(try Program.run.run(arguments), code, words)
    }
    expectFailure(
      try Program.convert.run(["org/name", shop.folder / "o.bertq"]), .notFound,
      ["hf download org/name"])
  }

  static let typos: [(program: String, arguments: [String], words: [String])] = [
    ("bert-run", ["--verison"], ["--verison", "Did you mean '--version'"]),
    ("bert-run", ["--in8", "m.bertq"], ["--in8", "Did you mean '--int8'"]),
    ("bert-run", ["--threads", "-1", "m.bertq"], ["--threads=-1"]),
    ("bert-run", ["-v"], ["Unknown option '-v'"]),
    ("bert-convert", ["--verison"], ["Did you mean '--version'"]),
    ("bert-bench", ["--treads=2"], ["--treads"]),
  ]

  @Test(arguments: typos.indices)
  func aTypoIsToldBeforeWhatIsMissing(_ index: Int) throws {
    let (program, arguments, words) = Self.typos[index]
    expectFailure(try Program(program).run(arguments), .usage, words + ["\(program): error: "])
  }

  /// What a shell completes: files where files go, kernel sets by name.
  @Test(arguments: ["bash", "zsh", "fish"])
  func completionKnowsFiles(_ shellName: String) throws {
    let script = try Program.run("--generate-completion-script", shellName)
    #expect(script.code == 0)
    let words =
      switch shellName {
      case "bash": ["add_completions -f", "@(bertq)", "portable"]
      case "zsh": ["_files", "portable"]
      default: ["__fish_complete", "portable"]
      }
    for word in words { #expect(script.text.contains(word), "no \(word)") }
  }
}
