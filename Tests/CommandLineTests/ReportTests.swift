import Fixtures
import FoundationEssentials
import JSONText
import Testing

/// `--report`, and what a conversion says at its end.
struct ReportTests {
  private func report(_ shop: Workshop, _ options: String...) throws -> JSON {
    let path = shop.folder / "report.json"
    let outcome = try Program.convert.run([shop.input, shop.output, "--report", path] + options)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return try JSON.parse(readBytes(path))
  }

  @Test func everyTensorHasItsStatistics() throws {
    let json = try report(Workshop(), "--no-calibration")
    let list = try #require(json["statistics"]?.arrayValue)
    let listed = try Program.convert("--list", "--json", PublishedCheckpoint.own)
    let names = try JSON.parse(listed.output).arrayValue?.map { $0["name"]?.stringValue }
    #expect(list.map { $0["name"]?.stringValue } == names)
    for tensor in list {
      let (low, high) = (tensor["min"]?.numberValue ?? .nan, tensor["max"]?.numberValue ?? .nan)
      #expect(low <= high && tensor["non_finite"] == 0, "\(tensor.text())")
      #expect(tensor["type"] == "F32" && tensor["file"] == "model.safetensors")
    }
  }

  @Test func changesOfTypeAreListed() throws {
    let json = try report(Workshop(), "--no-calibration", "--embeddings", "f16")
    let changes = try #require(json["type_changes"]?.arrayValue)
    let linear = changes.first { $0["name"] == "layer.0.attention.qkv.weight" }
    #expect(linear?["from"] == ["F32"] && linear?["to"] == ["F32", "I8"])
    let words = changes.first { $0["name"] == "embeddings.word" }
    #expect(
      words?["to"]?.arrayValue?.contains("F16") == true, "\(json["type_changes"]?.text() ?? "")")
    #expect(!changes.contains { $0["name"] == "embeddings.position" })
    #expect(try report(Workshop(), "--weights", "float")["type_changes"] == [])
  }

  @Test func everySettingNamesTheFileThatGaveIt() throws {
    let shop = try Workshop()
    try writeBytes(
      Array("{\"do_lower_case\":false,\"model_max_length\":17}".utf8),
      to: shop.input + "/tokenizer_config.json")
    let json = try report(shop, "--no-calibration")
    let settings = json["settings"]?.arrayValue ?? []
    func of(_ name: String) -> JSON? { settings.first { $0["name"]?.stringValue == name } }
    #expect(of("hidden_size")?["value"] == 20 && of("hidden_size")?["from"] == ["config.json"])
    #expect(of("do_lower_case")?["value"] == false)
    #expect(of("do_lower_case")?["from"] == ["tokenizer_config.json"])
    #expect(of("model_max_length")?["value"] == 17)
    #expect(of("vocabulary")?["from"] == ["vocab.txt"])
    #expect(of("pooling")?["from"] == "default" && of("mask_token")?["from"] == "default")
  }

  /// What makes a conversion fail is read in the report.
  @Test func aFailedConversionHasItsReport() throws {
    let shop = try Workshop()
    try shop.configure { $0["num_hidden_layers"] = 3 }
    let path = shop.folder / "report.json"
    let outcome = try Program.convert(shop.input, shop.output, "--report", path)
    #expect(outcome.code == 65)
    let json = try JSON.parse(readBytes(path))
    #expect(json["missing"]?.arrayValue?.isEmpty == false)
    #expect(json["problems"]?.arrayValue?.isEmpty == false)
  }

  @Test func aConversionSaysWhatTheFileIsFor() throws {
    let shop = try Workshop()
    let outcome = try Program.convert(shop.input, shop.output, "--no-calibration")
    for line in ["for: embeddings of 20 numbers, pooling mean", "answers: embedding, tokens"] {
      #expect(outcome.errors.contains(line), "\(outcome.errors)")
    }
  }

  @Test(.enabled(if: SharedData.isPresent("tiny/seqcls5"), "needs the shared data"))
  func aClassifierSaysItsLabels() throws {
    let folder = try TemporaryFolder()
    let outcome = try Program.convert(
      SharedData.path("tiny/seqcls5"), folder / "m.bertq", "--no-calibration")
    #expect(outcome.errors.contains("for: one of 5 labels of a text"), "\(outcome.errors)")
    #expect(outcome.errors.contains("\nlabels: ") && outcome.errors.contains("answers: classify, "))
  }
}
