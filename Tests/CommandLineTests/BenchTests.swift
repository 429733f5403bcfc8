import BertErrors
import BertModel
import Fixtures
import JSONText
import Testing

/// `bert-bench`: what it accepts and says, not how fast anything is.
struct BenchTests {
  private static let quick = ["--rounds", "1", "--seconds", "0.01", "--cells", "1x16"]

  private func bench(_ model: String, _ options: [String]) throws -> Program.Outcome {
    try Program.bench.run(options + Self.quick + ["--threads", "1", "--", model])
  }

  private func record(_ shop: Workshop, _ path: String, _ model: String) throws {
    let outcome = try bench(model, ["--json"])
    #expect(outcome.code == 0, "\(outcome.errors)")
    try writeBytes(outcome.output, to: path)
  }

  @Test func anEarlierRunIsOneOfTheSameSizes() throws {
    let shop = try Workshop.converted()
    let earlier = shop.folder / "earlier.json"
    try record(shop, earlier, shop.model)
    let same = try bench(shop.model, ["--compare", earlier])
    // Tests run beside others, which it may say.
    let notes = same.errors.split(separator: "\n").filter { !$0.contains("too busy to measure") }
    #expect(same.code == 0 && notes.isEmpty && same.text.contains("vs earlier"))

    let configuration = BertConfiguration(
      vocabularySize: 97, hiddenSize: 32, layerCount: 3, headCount: 2, intermediateSize: 48,
      maximumPositions: 32, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu)
    let model = GeneratedModel(configuration)
    let store = try model.store(int8: model.rounded)
    let other = shop.folder / "other.bertq"
    try write(store, store.model, to: other)
    let outcome = try bench(other, ["--compare", earlier])
    expectFailure(outcome, .usage, [earlier, shop.model, other, "same sizes"])
    #expect(outcome.output.isEmpty)
  }

  @Test func aRunThatMeasuresNothingFails() throws {
    let shop = try Workshop.converted()
    let outcome = try Program.bench("--cells", "1x33", "8x64", "--", shop.model)
    expectFailure(outcome, .usage, ["1x33 left out", "32 positions", "no cell is left"])
    #expect(outcome.output.isEmpty)
  }

  @Test func otherWeightsKernelsAndProcessorsAreSaid() throws {
    let shop = try Workshop.converted()
    let earlier = shop.folder / "earlier.json"
    try record(shop, earlier, shop.model)
    #expect(try Program.convert(shop.input, shop.output, "--no-calibration").code == 0)
    let weights = try bench(shop.output, ["--compare", earlier])
    #expect(weights.code == 0)
    #expect(weights.errors.contains("other weights"), "\(weights.errors)")

    var object = try #require(try JSON.parse(readBytes(earlier)).objectValue)
    object["cpu"] = "Abacus 9000"
    object["kernel"] = "beads"
    try writeBytes(Array(JSON.object(object).text().utf8), to: earlier)
    let machine = try bench(shop.model, ["--compare", earlier])
    #expect(machine.code == 0)
    for words in ["another cpu: Abacus 9000, now ", "another kernel: beads, now "] {
      #expect(machine.errors.contains(words), "\(machine.errors)")
    }

    // As before sizes were recorded.
    object["sizes"] = nil
    try writeBytes(Array(JSON.object(object).text().utf8), to: earlier)
    let old = try bench(shop.model, ["--compare", earlier])
    #expect(old.code == 0 && old.errors.contains("does not say"), "\(old.errors)")
  }

  @Test func callersAndQueriesAreAllAnswered() throws {
    let shop = try Workshop.converted()
    let outcome = try bench(shop.model, ["--callers", "5", "--json"])
    #expect(outcome.code == 0, "\(outcome.errors)")
    let report = try JSON.parse(outcome.output)
    #expect(report["callers"]?.integerValue == 5 && report["threads"]?.integerValue == 1)
    for name in ["encoder_tokens_per_s", "library_tokens_per_s", "p99_ratio", "bulk_ratio"] {
      #expect((report[name]?.numberValue ?? 0) > 0, "\(name)")
    }
  }

  @Test func everyKernelSetHasTheKnownDigest() throws {
    let listed = try Program.bench("--check")
    #expect(listed.code == 0, "\(listed.errors)")
    let lines = listed.text.split(separator: "\n")
    #expect(
      lines.last?.hasPrefix("portable: ") == true && lines.allSatisfy { $0.hasSuffix(", right") })

    let outcome = try Program.bench("--check", "--json")
    let report = try JSON.parse(outcome.output)
    let digests = try #require(report["digests"]?.arrayValue)
    #expect(digests.count == lines.count)
    #expect(Set(digests.compactMap { $0["digest"]?.stringValue }).count == 1)
    #expect(digests.allSatisfy { $0["right"] == .bool(true) })
    let sets = try #require(report["machine"]?["kernel_sets"]?.arrayValue)
    #expect(sets.filter { $0["obstacle"] == .null }.count == digests.count)
    for key in ["system", "architecture"] {
      #expect(report["machine"]?[key]?.stringValue?.isEmpty == false)
    }
    #expect(report["version"]?.stringValue != nil && report["cpu"]?.stringValue != nil)
  }
}
