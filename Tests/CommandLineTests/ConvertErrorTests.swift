import BertErrors
import Fixtures
import FoundationEssentials
import JSONText
import Testing

/// Bad input to `bert-convert`: the stated exit code, one message, nothing left behind.
struct ConvertErrorTests {
  @Test func aMissingFileIsNotFound() throws {
    let shop = try Workshop()
    let missing = shop.folder / "absent.safetensors"
    try shop.expectRefusal(.notFound, missing, of: missing)
    try shop.expectRefusal(.notFound, of: shop.folder / "no/such/folder")
  }

  @Test func anEmptyFolderIsNotFound() throws {
    let shop = try Workshop()
    try FileManager.default.removeItem(atPath: shop.input + "/model.safetensors")
    try shop.expectRefusal(.notFound, "model.safetensors")
  }

  @Test func aVocabularyWithoutAnUnknownTokenIsNamed() throws {
    let shop = try Workshop()
    let path = shop.input + "/vocab.txt"
    let lines = String(decoding: try readBytes(path), as: UTF8.self)
    try writeBytes(Array(lines.replacing("[UNK]\n", with: "xyzzy\n").utf8), to: path)
    try shop.expectRefusal(.malformed, "vocab.txt: a word is not in the vocabulary")
  }

  /// Of many problems some are shown.
  @Test func aWrongNumberOfLayersIsSaidInShort() throws {
    let shop = try Workshop()
    let path = shop.input + "/config.json"
    var config = try #require(try JSON.parse(readBytes(path)).objectValue)
    config["num_hidden_layers"] = 500
    try writeBytes(Array(JSON.object(config).text().utf8), to: path)
    let outcome = try Program.convert(shop.input, shop.output)
    #expect(outcome.code == 65)
    #expect(outcome.errors.split(separator: "\n").count < 40, "\(outcome.errors.prefix(2000))")
    #expect(outcome.errors.contains("more (the report lists all)"))
  }

  @Test func aTextFileIsMalformed() throws {
    let shop = try Workshop()
    for text in ["", "hello", "this is a text file that somebody renamed\n", "{\"json\": true}"] {
      try writeBytes(Array(text.utf8), to: shop.input + "/model.safetensors")
      try shop.expectRefusal(.malformed, "model.safetensors")
    }
  }

  @Test func everyTruncatedSafetensorsIsMalformed() throws {
    let shop = try Workshop()
    let path = shop.input + "/model.safetensors"
    let bytes = try readBytes(path)
    for count in [0, 1, 7, 8, 9, 100, 1000, bytes.count / 2, bytes.count - 4, bytes.count - 1] {
      try writeBytes(Array(bytes[..<count]), to: path)
      try shop.expectRefusal(.malformed, path)
    }
  }

  @Test(
    .enabled(if: Program.hasNumPy, "needs python3 with NumPy"),
    arguments: ["savez", "savez_compressed"])
  func everyTruncatedArchiveIsMalformed(_ function: String) throws {
    let shop = try Workshop()
    let path = shop.input + "/model.npz"
    let script = """
      import json, numpy, struct
      data = open('\(shop.input)/model.safetensors', 'rb').read()
      size = struct.unpack('<Q', data[:8])[0]
      header = json.loads(data[8:8 + size])
      arrays = {name: numpy.frombuffer(data[8 + size:][slice(*t['data_offsets'])], '<f4').reshape(t['shape'])
                for name, t in header.items() if name != '__metadata__'}
      numpy.\(function)('\(path)', **arrays)
      """
    try writeBytes(Array(script.utf8), to: shop.folder / "make.py")
    let made = try shell("python3 '\(shop.folder / "make.py")'")
    #expect(made.code == 0, "\(made.errors)")
    #expect(try Program.convert(path, shop.output).code == 0)
    try FileManager.default.removeItem(atPath: shop.output)
    let bytes = try readBytes(path)
    for count in [0, 1, 3, 30, 1000, bytes.count / 2, bytes.count - 22, bytes.count - 1] {
      try writeBytes(Array(bytes[..<count]), to: path)
      try shop.expectRefusal(.malformed, path, of: path)
    }
  }

  static let configurations:
    [(
      what: String, code: BertError.Code, words: [String],
      change: @Sendable (inout [String: JSON]) -> Void
    )] = [
      ("a wider hidden size", .malformed, ["40"], { $0["hidden_size"] = 40 }),
      (
        "heads that do not divide", .malformed, ["num_attention_heads"],
        { $0["num_attention_heads"] = 3 }
      ),
      ("more layers", .malformed, ["layer.2"], { $0["num_hidden_layers"] = 3 }),
      ("fewer layers", .malformed, ["layer.1"], { $0["num_hidden_layers"] = 1 }),
      ("another width between", .malformed, ["intermediate"], { $0["intermediate_size"] = 37 }),
      ("another vocabulary", .malformed, ["word_embeddings"], { $0["vocab_size"] = 4000 }),
      (
        "more positions", .malformed, ["position_embeddings"],
        { $0["max_position_embeddings"] = 64 }
      ),
      ("more token types", .malformed, ["token_type_embeddings"], { $0["type_vocab_size"] = 3 }),
      ("no hidden size", .malformed, ["hidden_size"], { $0["hidden_size"] = nil }),
      ("a hidden size in words", .malformed, ["hidden_size"], { $0["hidden_size"] = "twenty" }),
      ("a negative size", .malformed, ["hidden_size"], { $0["hidden_size"] = -20 }),
      ("a huge size", .unsupported, ["hidden_size"], { $0["hidden_size"] = 1_000_000_000_000 }),
      (
        "a family that is not taken", .unsupported, ["roformer"],
        {
          $0["model_type"] = "roformer"
          $0["architectures"] = ["RoFormerModel"]
        }
      ),
      ("DeBERTa", .unsupported, ["deberta"], { $0["model_type"] = "deberta" }),
      (
        "a model_type of null", .malformed, ["model_type is null"],
        {
          $0["model_type"] = .null
          $0["architectures"] = ["XLMRobertaModel"]
        }
      ),
      (
        "RoBERTa with a vocab.txt alone", .unsupported, ["tokenizer.json", "--ids-only"],
        {
          $0["model_type"] = "roberta"
          $0["architectures"] = ["RobertaModel"]
        }
      ),
      (
        "DistilBERT with BERT's tensors", .malformed, ["token_type_embeddings"],
        { $0["model_type"] = "distilbert" }
      ),
      (
        "relative positions", .unsupported, ["relative_key"],
        { $0["position_embedding_type"] = "relative_key" }
      ),
      ("a decoder", .unsupported, ["is_decoder"], { $0["is_decoder"] = true }),
      ("an unknown activation", .unsupported, ["mish"], { $0["hidden_act"] = "mish" }),
    ]

  @Test(arguments: configurations.indices)
  func configurationsThatContradictOrGoBeyondAreRefused(_ index: Int) throws {
    let (what, code, words, change) = Self.configurations[index]
    let shop = try Workshop()
    try shop.configure(change)
    let before = shop.folder.names
    let outcome = try Program.convert(shop.input, shop.output)
    #expect(outcome.code == code.exitCode, "\(what): \(outcome.errors)")
    expectFailure(outcome, code, words)
    #expect(shop.folder.names == before)
  }

  @Test func aMissingOrBrokenConfigurationIsNamed() throws {
    let shop = try Workshop()
    try writeBytes(Array("{\"hidden_size\": ".utf8), to: shop.input + "/config.json")
    try shop.expectRefusal(.malformed, "config.json")
    try FileManager.default.removeItem(atPath: shop.input + "/config.json")
    try shop.expectRefusal(.notFound, "config.json")
  }

  /// Every problem of an import comes at once.
  @Test func allProblemsComeInOneMessage() throws {
    let shop = try Workshop()
    try shop.configure {
      $0["num_hidden_layers"] = 3
      $0["type_vocab_size"] = 5
    }
    try shop.expectRefusal(
      .malformed, "token_type_embeddings", "layer.2.attention", "layer.2.output")
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func aWeightThatIsNotANumberIsNamedWithItsPlace(_ value: Float) throws {
    let shop = try Workshop()
    let path = shop.input + "/model.safetensors"
    let good = try readBytes(path)
    let headerSize = good[..<8].enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
    let header = try JSON.parse(Array(good[8..<(8 + headerSize)]))
    let tensors = (header.objectValue ?? JSONObject()).filter { $0.key != "__metadata__" }
    #expect(tensors.count > 30)
    for (name, tensor) in tensors {
      let bounds = tensor["data_offsets"]?.numbers.map { Int($0) } ?? []
      let place = 8 + headerSize + (bounds[0] + bounds[1] - 4) / 8 * 4
      var bytes = good
      withUnsafeBytes(of: value.bitPattern.littleEndian) {
        bytes.replaceSubrange(place..<(place + 4), with: $0)
      }
      try writeBytes(bytes, to: path)
      if name.contains("pooler.") {
        // Nothing of this model uses it.
        let outcome = try Program.convert(shop.input, shop.output)
        #expect(outcome.code == 0 && outcome.errors.contains("it is left out"))
        try FileManager.default.removeItem(atPath: shop.output)
        continue
      }
      try shop.expectRefusal(.malformed, path, name, "\(place)")
    }
  }

  @Test func outputsThatCannotBeWrittenAreRefused() throws {
    let shop = try Workshop()
    let nowhere = shop.folder / "absent/out.bertq"
    expectFailure(try Program.convert(shop.input, nowhere), .cannotWrite, [nowhere])
    expectFailure(try Program.convert(shop.input, shop.folder.path), .cannotWrite)
    expectFailure(try Program.convert(shop.input, "/dev/null"), .cannotWrite)
    expectFailure(try Program.convert(shop.input, ""), .cannotWrite)
    #expect(shop.folder.names == ["checkpoint"])
  }

  @Test func theFileThatWasThereStaysWhenAConversionFails() throws {
    let shop = try Workshop.converted()
    let before = try readBytes(shop.model)
    try shop.configure { $0["num_hidden_layers"] = 3 }
    expectFailure(try Program.convert(shop.input, shop.model), .malformed)
    #expect(try readBytes(shop.model) == before)
    #expect(shop.folder.names == ["checkpoint", "model.bertq"])
  }

  @Test(arguments: [
    [], ["only-one"], ["a", "b", "c"], ["--weights", "int4", "a", "b"],
    ["--no-such-option", "a", "b"],
  ])
  func commandLinesWithoutSenseAreUsageErrors(_ arguments: [String]) throws {
    expectFailure(try Program.convert.run(arguments), .usage, ["Usage:"])
  }

  @Test func theReportIsWrittenAlsoWhenTheImportFails() throws {
    let shop = try Workshop()
    let path = shop.folder / "report.json"
    #expect(try Program.convert(shop.input, shop.output, "--report", path).code == 0)
    let good = try JSON.parse(readBytes(path))
    #expect((good["mapped"]?.arrayValue?.count ?? good["mapped"]?.objectValue?.count ?? 0) > 30)
    try shop.configure { $0["num_hidden_layers"] = 3 }
    expectFailure(try Program.convert(shop.input, shop.output, "--report", path), .malformed)
    let bad = try JSON.parse(readBytes(path))
    #expect((bad["missing"]?.arrayValue?.count ?? bad["missing"]?.objectValue?.count ?? 0) > 10)
    try shop.configure { $0["num_hidden_layers"] = 2 }
    // Nothing is converted first.
    let nowhere = shop.folder / "absent/report.json"
    let fresh = shop.folder / "fresh.bertq"
    expectFailure(
      try Program.convert(shop.input, fresh, "--report", nowhere), .cannotWrite, [nowhere])
    #expect(!exists(fresh))
  }

  @Test func nothingThatIsReadIsReplaced() throws {
    let shop = try Workshop()
    let weights = shop.input + "/model.safetensors"
    let texts = shop.folder / "texts.txt"
    try writeBytes(Array("the sun\n".utf8), to: texts)
    let pooling = shop.input + "/1_Pooling/config.json"
    try FileManager.default.createDirectory(
      atPath: shop.input + "/1_Pooling", withIntermediateDirectories: true)
    try writeBytes(Array("{\"pooling_mode_mean_tokens\":true}".utf8), to: pooling)
    try writeBytes(
      Array(
        """
        [{"idx":0,"path":"","type":"sentence_transformers.models.Transformer"},
         {"idx":1,"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]
        """.utf8), to: shop.input + "/modules.json")
    let read = [
      "model.safetensors", "config.json", "vocab.txt", "modules.json", "1_Pooling/config.json",
    ]
    let before = try read.map { try readBytes(shop.input + "/" + $0) }
    for (arguments, target) in [
      ([shop.input, pooling], pooling), ([shop.input, shop.output, "--report", pooling], pooling),
      ([weights, weights], weights), ([shop.input, weights], weights),
      ([shop.input, shop.input + "/./config.json"], "config.json"),
      ([shop.input, shop.output, "--report", shop.input + "/vocab.txt"], "vocab.txt"),
      ([shop.input, shop.output, "--calibrate", texts, "--report", texts], texts),
      ([shop.input, texts, "--calibrate", texts], texts),
      ([shop.input, shop.output, "--report", shop.output], shop.output),
    ] {
      expectFailure(try Program.convert.run(arguments), .usage, [target])
    }
    let after = try read.map { try readBytes(shop.input + "/" + $0) }
    let isUntouched = before == after
    #expect(isUntouched)
    #expect(shop.folder.names == ["checkpoint", "texts.txt"])
  }
}
