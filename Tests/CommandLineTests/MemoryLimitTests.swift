import BertErrors
import BertModel
import Fixtures
import Testing

/// Too little memory for what was asked is an error that says what to ask for instead.
struct MemoryLimitTests {
  /// 20,000 tokens of 1,024 floats are 80 MB, of which the process may have some 50.
  @Test func aBudgetThatDoesNotFitIsNamed() throws {
    let configuration = BertConfiguration(
      vocabularySize: 64, hiddenSize: 1024, layerCount: 1, headCount: 16, intermediateSize: 32,
      maximumPositions: 512, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)
    let model = GeneratedModel(configuration)
    let store = try model.store(int8: model.rounded)
    let folder = try TemporaryFolder()
    try write(store, store.description, to: folder / "m.bertq")
    let ids = [String](repeating: "7", count: 500).joined(separator: ",")
    let lines = [String](repeating: "{\"ids\":[\(ids)]}\n", count: 40).joined()
    try writeBytes(Array(lines.utf8), to: folder / "in.jsonl")
    func run(_ options: String) throws -> Program.Outcome {
      try shell(
        "ulimit -v 100000; '\(Program.run.path)' --int8 --jsonl --threads 2 \(options) "
          + "--input '\(folder / "in.jsonl")' '\(folder / "m.bertq")'")
    }
    let refused = try run("--token-budget 1000000")
    expectFailure(refused, .system, ["20000 tokens", "80 MB", "--token-budget"])
    #expect(refused.output.isEmpty)
    let answered = try run("--token-budget 500")
    #expect(answered.code == 0, "\(answered.errors)")
    #expect(answered.lines.count == 40)
  }
}
