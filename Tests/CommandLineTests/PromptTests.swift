import Fixtures
import JSONText
import Testing

/// Where a file's default prompt stands, and that no prompt is passed over.
///
/// The reference is a text with the words written before it: that is what sentence-transformers does, before the first text
/// of a pair.
@Suite(.enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"))
struct PromptTests {
  private static let words = "the moon "

  /// A tiny checkpoint as a model, with a default prompt that sentence-transformers would have saved.
  private func model(_ name: String, _ folder: TemporaryFolder) throws -> String {
    let checkpoint = try TemporaryFolder()
    try checkpoint.copy(filesOf: SharedData.path("tiny/" + name))
    let settings: JSON = ["prompts": ["web": .string(Self.words)], "default_prompt_name": "web"]
    try writeBytes(
      Array(settings.text().utf8), to: checkpoint / "config_sentence_transformers.json")
    let path = folder / "\(name).bertq"
    let made = try Program.convert(checkpoint.path, path, "--no-calibration")
    #expect(made.code == 0, "\(made.errors)")
    return path
  }

  private func answers(_ arguments: [String], _ lines: [JSON]) throws -> [UInt8] {
    let input = Array(lines.map { $0.text() + "\n" }.joined().utf8)
    let outcome = try Program.run.run(["--jsonl"] + arguments, input: input)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return outcome.output
  }

  @Test(arguments: [("seqcls5", "classify"), ("maskedlm", "sparse"), ("model", "embedding")])
  func theDefaultPromptStandsBeforeTexts(_ name: String, _ task: String) throws {
    let folder = try TemporaryFolder()
    let arguments = ["--task", task, try model(name, folder)]
    let written = try answers(["--prompt", ""] + arguments, [["text": "the moon sun"]])
    let bare = try answers(["--prompt", ""] + arguments, [["text": "sun"]])
    #expect(written != bare)
    #expect(try answers(arguments, [["text": "sun"]]) == written)
    #expect(try answers(arguments, [["text": "sun", "prompt": ""]]) == bare)
    #expect(try answers(["--prompt", "web"] + arguments, [["text": "sun"]]) == written)
  }

  @Test func itStandsBeforeAQuery() throws {
    let folder = try TemporaryFolder()
    let path = try model("seqcls1", folder)
    let query: JSON = ["query": "sun", "documents": ["the sea", "a bird"]]
    let whole: JSON = [
      "query": .string(Self.words + "sun"), "documents": ["the sea", "a bird"], "prompt": "",
    ]
    let written = try answers(["--task", "rerank", path], [whole])
    #expect(try answers(["--task", "rerank", path], [query]) == written)
    #expect(try answers(["--task", "rerank", "--prompt", "", path], [query]) != written)
    // All texts as documents of one query.
    let one = try Program.run("--query", "sun", path, "the sea", "a bird")
    #expect(one.code == 0 && one.output == written, "\(one.errors)")
    let bare = try Program.run("--query", "the moon sun", "--prompt", "", path, "the sea", "a bird")
    #expect(bare.output == written)
  }

  @Test(arguments: [("tokencls", "tag"), ("maskedlm", "fill-mask"), ("qa", "answer")])
  func aTaskThatTakesNoneRefusesIt(_ name: String, _ task: String) throws {
    let folder = try TemporaryFolder()
    let path = try model(name, folder)
    expectFailure(
      try Program.run("--task", task, "--prompt", "the ", path, "[MASK]"), .usage,
      ["--prompt belongs to", "the task is \(task)"])
    let line: JSON = ["text": "[MASK]", "pair": "the sun", "prompt": "the "]
    let lines = Array(line.text().utf8)
    expectFailure(
      try Program.run("--task", task, "--jsonl", path, input: lines), .malformed, ["a prompt"])
  }

  @Test func aLongDocumentIsCutWhereItsRecordSaysSo() throws {
    let folder = try TemporaryFolder()
    let long = String(repeating: "sea ", count: 100)
    for (name, task, members) in [
      ("seqcls1", "rerank", ["query": "sun", "documents": [.string(long)]]),
      ("multiplechoice", "choose", ["text": "sun", "choices": [.string(long), "moon"]]),
    ] as [(String, String, JSONObject)] {
      let path = try model(name, folder)
      var members = members
      let refused = try Program.run(
        "--task", task, "--jsonl", path, input: Array(JSON.object(members).text().utf8))
      expectFailure(refused, .tooLong)
      members["truncate"] = true
      #expect(try !answers(["--task", task, path], [.object(members)]).isEmpty)
    }
  }
}
