import BertErrors
import BertModel
import Fixtures
import JSONText
import SystemLibrary
import Testing

/// Too little memory for what was asked is an error that says what to ask for instead.
struct MemoryLimitTests {
  /// One text of 20,000 tokens takes 80 MB for its states, of which the process may have some 50; as many
  /// tokens in 40 texts are computed a few texts at a time, whatever the budget.
  @Test func aTextThatDoesNotFitIsNamed() throws {
    let configuration = BertConfiguration(
      vocabularySize: 64, hiddenSize: 1024, layerCount: 1, headCount: 16, intermediateSize: 32,
      maximumPositions: 20_000, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)
    let model = GeneratedModel(configuration)
    let store = try model.store(int8: model.rounded)
    let folder = try TemporaryFolder()
    try write(store, store.model, to: folder / "m.bertq")
    func run(_ texts: Int, of tokens: Int, budget: Int) throws -> Program.Outcome {
      let ids = [String](repeating: "7", count: tokens).joined(separator: ",")
      let lines = [String](repeating: "{\"ids\":[\(ids)]}\n", count: texts).joined()
      try writeBytes(Array(lines.utf8), to: folder / "in.jsonl")
      return try shell(
        "ulimit -v 200000; '\(Program.run.path)' --int8 --jsonl --threads 2 --token-budget \(budget) "
          + "--input '\(folder / "in.jsonl")' '\(folder / "m.bertq")'")
    }
    let refused = try run(1, of: 20_000, budget: 500)
    expectFailure(refused, .system, ["20000 tokens", "80 MB", "--token-budget"])
    #expect(refused.output.isEmpty)
    for budget in [500, 1_000_000] {
      let answered = try run(40, of: 500, budget: budget)
      #expect(answered.code == 0, "\(answered.errors)")
      #expect(answered.lines.count == 40)
    }
  }

  /// Word embeddings of 128 MB, which are read in pieces: what does not fit is the file that is made.
  @Test func aFileThatDoesNotFitIsNamed() throws {
    let shop = try Workshop()
    let name = "embeddings.word_embeddings.weight"
    try shop.configure { $0["vocab_size"] = 1_677_722 }
    let path = shop.input + "/model.safetensors"
    let good = try readBytes(path)
    let size = good[..<8].enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
    let tensors = try #require(try JSON.parse(Array(good[8..<(8 + size)])).objectValue)
    // It comes first; now last, where the rest of the file is a hole.
    let key = try #require(tensors.first { $0.key.hasSuffix(name) }?.key)
    let old = try #require(tensors[key]?["data_offsets"]?.numbers.map { Int($0) })
    let (end, bytes) = (good.count - 8 - size - old[1], 1_677_722 * 20 * 4)
    #expect(old[0] == 0)
    var moved = JSONObject()
    for (name, tensor) in tensors where name != key && name != "__metadata__" {
      var tensor = try #require(tensor.objectValue)
      let place = JSON.object(tensor)["data_offsets"]?.numbers.map { Int($0) - old[1] } ?? []
      tensor["data_offsets"] = .array(place.map { .integer($0) })
      moved[name] = .object(tensor)
    }
    moved[key] = [
      "dtype": "F32", "shape": [1_677_722, 20],
      "data_offsets": [.integer(end), .integer(end + bytes)],
    ]
    let header = Array(JSON.object(moved).text().utf8)
    let length = withUnsafeBytes(of: header.count.littleEndian) { Array($0) }
    try writeBytes(length + header + good[(8 + size + old[1])...], to: path)
    #expect(truncate(path, off_t(8 + header.count + end + bytes)) == 0)
    let outcome = try shell(
      "ulimit -v 100000; '\(Program.convert.path)' '\(shop.input)' '\(shop.output)'")
    expectFailure(outcome, .system, ["out.bertq", "cannot be mapped", "allocate memory"])
    #expect(shop.folder.names == ["checkpoint"])
  }
}
