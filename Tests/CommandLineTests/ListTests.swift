import BertErrors
import Fixtures
import JSONText
import Testing

/// `bert-convert --list`: what a file holds, without converting it.
struct ListTests {
  @Test func listsACheckpointAndItsConversionWithTheSameSums() throws {
    let shop = try Workshop.converted()
    let published = try list(shop.input)
    let converted = try list(shop.model)
    // A table is the same in both; a linear's weight comes out of its panels as it went in.
    for (name, canonical) in [
      ("bert.embeddings.word_embeddings.weight", "embeddings.word"),
      ("bert.embeddings.LayerNorm.bias", "embeddings.norm.bias"),
      ("bert.encoder.layer.0.intermediate.dense.weight", "layer.0.feed_forward.up.weight"),
    ] {
      let sum = published[name] ?? published[String(name.dropFirst(5))]
      #expect(sum != nil && sum == converted[canonical], "\(canonical)")
    }
  }

  /// Sums by name.
  private func list(_ path: String) throws -> [String: String] {
    let outcome = try Program.convert.run(["--list", path, "--json"])
    #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
    let entries = try #require(JSON.parse(outcome.output).arrayValue)
    var sums: [String: String] = [:]
    for entry in entries {
      let name = try #require(entry["name"]?.stringValue)
      #expect(entry["dtype"]?.stringValue != nil && entry["shape"]?.arrayValue != nil)
      sums[name] = entry["sha256_f32le"]?.stringValue
      #expect(sums[name]?.utf8.count == 64)
    }
    let text = try Program.convert.run(["--list", path])
    #expect(text.lines.count == entries.count)
    return sums
  }

  /// Files of others through the whole program: the stated values or a refusal, and never much memory.
  @Test(
    .enabled(if: SharedData.isPresent("foreign"), "needs the shared data"),
    arguments: ["safetensors", "npz", "pytorch"])
  func readsForeignFilesInLittleMemory(_ kind: String) throws {
    let place = "foreign/\(kind)/"
    let facts = try JSON.parse(SharedData.bytes(place + "expected.json"))
    let cases = try #require(facts["cases"]?.arrayValue)
    #expect(cases.count > 50)
    for entry in cases {
      let name = try #require(entry["file"]?.stringValue)
      let expectation =
        entry["expect"]?.stringValue ?? (entry["error"] == nil ? "accept" : "reject")
      let outcome = try Program.convert.run(["--list", SharedData.path(place + name), "--json"])
      #expect(outcome.peakMemory < 200 << 20, "\(name): \(outcome.peakMemory >> 20) MB")
      if outcome.code != 0 {
        #expect(expectation != "accept" && [65, 69].contains(outcome.code), "\(name)")
        #expect(outcome.errors.contains("error: ") && outcome.errors.contains(name), "\(name)")
        continue
      }
      #expect(expectation != "reject", "\(name)")
      var sums: [String: JSON] = [:]
      for tensor in try #require(JSON.parse(outcome.output).arrayValue) {
        sums[try #require(tensor["name"]?.stringValue)] = tensor["sha256_f32le"]
      }
      // What may be read in one way or refused says how it is read.
      let tensors = entry["if_read_as_bf16"].map { [$0] } ?? entry["tensors"]?.arrayValue ?? []
      for tensor in tensors where tensor["not_an_array"] == nil {
        guard let name = tensor["name"]?.stringValue, let sum = tensor["sha256_f32le"] else {
          continue
        }
        #expect(sums[name] == sum, "\(entry["file"] ?? .null): \(name.prefix(80))")
      }
    }
  }

  @Test func refusesAsAConversionDoes() throws {
    let shop = try Workshop()
    for (arguments, code) in [
      (["--list", shop.folder / "absent"], BertError.Code.notFound), (["--list"], .usage),
      (["--list", shop.input, shop.output], .usage), ([shop.input], .usage),
      (["--json", shop.input, shop.output], .usage),
    ] {
      let outcome = try Program.convert.run(arguments)
      expectFailure(outcome, code)
      #expect(outcome.output.isEmpty)
    }
    try writeBytes(Array("hello".utf8), to: shop.folder / "m.bin")
    expectFailure(try Program.convert.run(["--list", shop.folder / "m.bin"]), .malformed, ["text"])
  }
}
