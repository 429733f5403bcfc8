import BertErrors
import Fixtures
import JSONText
import Testing

/// `bert-run --task`: what each head answers, and what is said of a text that it cannot answer.
struct TaskTests {
  /// A tiny checkpoint as a model in a folder.
  private func model(_ name: String, _ folder: TemporaryFolder) throws -> String {
    let path = folder / "\(name).bertq"
    let made = try Program.convert(
      SharedData.path("tiny/" + name), path, "--no-calibration")
    #expect(made.code == 0, "\(made.errors)")
    return path
  }

  /// Lines with what is wrong with each; nil where it is answered.
  struct Bad: Sendable {
    let name: String
    let options: [String]
    let lines: [(line: String, code: String?)]
  }

  static let table = [
    Bad(
      name: "tokencls", options: ["--task", "tag"],
      lines: [
        (#"{"text":"the sun"}"#, nil), (#"{"text":""}"#, nil), (#"{"text":"a\u0000b"}"#, nil),
        (#"{"words":["the","sun"]}"#, nil), (#"{"words":"the sun"}"#, "malformed"),
        (#"{"words":["the"],"text":"sun"}"#, "malformed"),
        (#"{"text":"the sun","prompt":"query: "}"#, "malformed"),
        ("{\"text\":\"\(String(repeating: "sun ", count: 60))\"}", "too-long"),
        (#"{"text":"the moon"}"#, nil),
      ]),
    Bad(
      name: "maskedlm", options: ["--task", "fill-mask"],
      lines: [
        (#"{"text":"the [MASK]"}"#, nil), (#"{"text":"the sun"}"#, "malformed"),
        (#"{"text":""}"#, "malformed"),
        ("{\"text\":\"\(String(repeating: "[MASK]", count: 5000))\"}", "too-long"),
        (#"{"text":"the sun","pair":"[MASK] [MASK]"}"#, nil),
      ]),
    Bad(
      name: "qa", options: ["--task", "answer"],
      lines: [
        (#"{"text":"who?","pair":"the sun"}"#, nil), (#"{"text":"who?","pair":""}"#, "malformed"),
        (#"{"text":"who?"}"#, "malformed"), (#"{"text":"","pair":"the sun"}"#, nil),
        ("{\"text\":\"\(String(repeating: "who ", count: 60))\",\"pair\":\"the sun\"}", "too-long"),
      ]),
    Bad(
      name: "seqcls1", options: ["--task", "rerank"],
      lines: [
        (#"{"query":"the sun","documents":["a","b"]}"#, nil),
        (#"{"query":"the sun","documents":[]}"#, "malformed"),
        (#"{"documents":["a"]}"#, "malformed"),
        (#"{"query":"the sun","documents":["a",7]}"#, "malformed"),
      ]),
    Bad(
      name: "multiplechoice", options: ["--task", "choose"],
      lines: [
        (#"{"text":"the sun","choices":["a","b"]}"#, nil),
        (#"{"text":"the sun","choices":[]}"#, "malformed"),
        (#"{"choices":["a"]}"#, "malformed"),
      ]),
    Bad(
      name: "nsp", options: ["--task", "next-sentence"],
      lines: [
        (#"{"text":"the sun","pair":"the moon"}"#, nil), (#"{"text":"the sun"}"#, "malformed"),
      ]),
  ]

  @Test(
    .enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"),
    arguments: table.indices)
  func aBadTextCostsTheOthersNothing(_ index: Int) throws {
    let bad = Self.table[index]
    let folder = try TemporaryFolder()
    let path = try model(bad.name, folder)
    let input = Array(bad.lines.map(\.line).joined(separator: "\n").utf8)
    let outcome = try Program.run.run(
      bad.options + ["--jsonl", "--on-error", "report", path], input: input)
    #expect(outcome.code == 4, "\(outcome.errors)")
    let codes = try jsonLines(outcome).map { $0["error"]?["code"]?.stringValue }
    #expect(codes == bad.lines.map(\.code), "\(outcome.text)")
    // What is answered among bad texts is what is answered alone.
    let good = bad.lines.filter { $0.code == nil }.map(\.line)
    let alone = try Program.run.run(
      bad.options + ["--jsonl", path], input: Array(good.joined(separator: "\n").utf8))
    #expect(alone.code == 0, "\(alone.errors)")
    func answers(_ outcome: Program.Outcome) throws -> [[String: String]] {
      try jsonLines(outcome).filter { $0["error"] == nil }.map { line in
        Dictionary(
          uniqueKeysWithValues: (line.objectValue ?? JSONObject()).filter { $0.key != "index" }
            .map { ($0.key, $0.value.text()) })
      }
    }
    #expect(try answers(outcome) == answers(alone))
    // Without the wish the run ends at the first.
    let stopped = try Program.run.run(bad.options + ["--jsonl", path], input: input)
    #expect(stopped.code == 65, "\(stopped.errors)")
  }

  /// Texts that may ask or answer are taken for the latter, and the option that says otherwise is named.
  @Test func whatIsTakenForGrantedIsSaid() throws {
    let shop = try Workshop()
    let parts = [
      ("Transformer", ""), ("Dense", "1_Dense"), ("MultiVectorMask", "2_Mask"), ("Normalize", "3"),
    ]
    let modules = parts.enumerated().map { index, part -> JSON in
      [
        "idx": .integer(index), "name": .string("\(index)"), "path": .string(part.1),
        "type": .string("sentence_transformers.models." + part.0),
      ]
    }
    let dense: JSON = [
      "in_features": 20, "out_features": 2, "bias": false,
      "activation_function": "torch.nn.modules.linear.Identity",
      "module_input_name": "token_embeddings",
    ]
    try shop.folder.write("checkpoint/modules.json", JSON.array(modules).text())
    try shop.folder.write("checkpoint/1_Dense/config.json", dense.text())
    try shop.folder.write("checkpoint/2_Mask/config.json", "{}")
    try shop.folder.write(
      "checkpoint/1_Dense/model.safetensors",
      safetensors([("linear.weight", [2, 20], (0..<40).map { Float($0 % 7) - 3 })]))
    let made = try Program.convert(shop.input, shop.model, "--no-calibration")
    #expect(made.code == 0, "\(made.errors)")
    func notes(_ options: String...) throws -> Bool {
      let outcome = try Program.run.run(options + [shop.model, "the sun"])
      #expect(outcome.code == 0, "\(outcome.errors)")
      return outcome.errors.contains("--as query")
    }
    #expect(try notes())
    #expect(try !notes("--as", "document"))
    #expect(try !notes("--as", "query"))
    #expect(try !notes("--quiet"))
  }

  @Test(.enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"))
  func bytesThatAreNoTextAreReportedInTheirPlaces() throws {
    let folder = try TemporaryFolder()
    let path = try model("tokencls", folder)
    var input = Array("the sun\nX\n\n".utf8)
    input[8] = 0xFF
    input += Array(repeating: UInt8(ascii: "a"), count: 10 << 20) + Array("\nthe moon\n".utf8)
    let outcome = try Program.run.run(
      ["--task", "tag", "--on-error", "report", path], input: input)
    let lines = try jsonLines(outcome)
    // A word of ten million letters is one unknown token.
    #expect(
      lines.map { $0["error"]?["code"]?.stringValue } == [nil, "not-utf8", nil, nil, nil])
    #expect(lines[2]["entities"]?.arrayValue?.count == 0)
  }

  /// An answer that windows cut, or share, is the text at its places.
  @Test(.enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"))
  func answersOfWindowsLieWhereTheySay() throws {
    let folder = try TemporaryFolder()
    let path = try model("qa", folder)
    let context = (0..<40).map { "the sün \($0) and the moon" }.joined(separator: ", ")
    let line = JSON.object(JSONObject([("text", "who?"), ("pair", .string(context))])).text()
    let outcome = try Program.run.run(
      ["--jsonl", "--window", "20", "--stride", "6", "--top", "50", path], input: Array(line.utf8))
    let answers = try jsonLines(outcome)[0]["answers"]?.arrayValue ?? []
    #expect(answers.count == 50)
    let scalars = Array(context.unicodeScalars)
    let bytes = Array(context.utf8)
    var last = Double.infinity
    for answer in answers {
      let numbers = ["start", "end", "byte_start", "byte_end"].map {
        answer[$0]?.integerValue ?? -1
      }
      var text = ""
      text.unicodeScalars.append(contentsOf: scalars[numbers[0]..<numbers[1]])
      #expect(answer["text"]?.stringValue == text)
      #expect(String(decoding: bytes[numbers[2]..<numbers[3]], as: UTF8.self) == text)
      let score = answer["score"]?.numberValue ?? .nan
      #expect(score <= last)
      last = score
    }
    let places = answers.map { "\($0["start"] ?? .null) \($0["end"] ?? .null)" }
    #expect(Set(places).count == 50, "each part once")
  }

  /// All texts are documents of one query; what cannot be ranked is behind the others.
  @Test(.enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"))
  func textsAreRankedForAQuery() throws {
    let folder = try TemporaryFolder()
    let path = try model("seqcls1", folder)
    let documents = ["the sun", "a moon", "the bird"]
    let ranked = try jsonLines(
      Program.run.run(["--task", "rerank", "--query", "who?", path] + documents))
    #expect(ranked.count == 1)
    // The option says what is asked, though the file is for something else.
    let implied = try jsonLines(Program.run.run(["--query", "who?", path] + documents))
    #expect(implied == ranked)
    let line = JSON.object(
      JSONObject([("query", "who?"), ("documents", .array(documents.map(JSON.string)))]))
    let other = try jsonLines(
      Program.run.run(["--task", "rerank", "--jsonl", path], input: Array(line.text().utf8)))
    #expect(ranked[0]["ranking"] == other[0]["ranking"])
    #expect(
      Set(ranked[0]["ranking"]?.arrayValue?.compactMap { $0["document"]?.integerValue } ?? []) == [
        0, 1, 2,
      ])
    let top = try jsonLines(
      Program.run.run(["--task", "rerank", "--query", "who?", "--top", "1", path] + documents))
    #expect(top[0]["ranking"]?.arrayValue?.count == 1)
    let bad = try Program.run.run(
      ["--task", "rerank", "--query", "who?", "--on-error", "report", path],
      input: Array("the sun\n\(String(repeating: "sun ", count: 90))\nthe moon\n".utf8))
    #expect(bad.code == 4, "\(bad.errors)")
    let ranking = try jsonLines(bad)[0]["ranking"]?.arrayValue ?? []
    #expect(ranking.count == 3 && ranking[2]["document"] == 1)
    #expect(ranking[2]["error"]?["code"] == "too-long")
    expectFailure(
      try Program.run.run(["--task", "rerank", "--query", "who?", path], input: []), .malformed,
      ["no documents"])
  }

  /// Options of other tasks are refused: they would be passed over.
  @Test(.enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"))
  func optionsBelongToTheirTasks() throws {
    let folder = try TemporaryFolder()
    let path = try model("pretraining", folder)
    expectFailure(try Program.run("--aggregate", "max", path, "a"), .usage, ["--aggregate", "tag"])
    expectFailure(try Program.run("--top", "0", path, "a"), .usage, ["--top"])
    expectFailure(
      try Program.run("--targets", "sunflowers", path, "a [MASK]"), .usage,
      ["sunflowers", "not one token"])
    expectFailure(try Program.run("--format", "npy", path, "a [MASK]"), .usage, ["npy"])
    expectFailure(
      try Program.run("--task", "tag", path, "a"), .unsupported,
      ["'tag'", "fill-mask", "next-sentence", "sparse"])
    expectFailure(try Program.run("--task", "zero-shot", path, "a"), .unsupported, ["zero-shot"])
  }
}
