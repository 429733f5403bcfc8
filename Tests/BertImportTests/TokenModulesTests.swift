import BertErrors
import BertImport
import BertModel
import Fixtures
import JSONText
import Testing

/// Models that make a vector of each token, as three libraries write them.
struct TokenModulesTests {
  private static let weight = (0..<8).map { Float($0) / 4 }

  /// A model whose linear is a module.
  private static func model(
    _ last: [String] = ["MultiVectorMask", "Normalize"], dense: JSON = [:], mask: JSON = [:],
    transformer: JSON = [:], own: JSON = [:]
  ) throws -> SmallModel {
    let list = [(type: "Transformer", path: ""), (type: "Dense", path: "1_Dense")]
    let model = try SmallModel()
    let all = list + last.enumerated().map { (type: $1, path: "\($0 + 2)_\($1)") }
    try model.folder.write("modules.json", SentenceModulesTests.modules(all).text())
    var config: JSONObject = JSONObject([
      ("in_features", 4), ("out_features", 2), ("bias", false),
      ("activation_function", "torch.nn.modules.linear.Identity"),
      ("module_input_name", "token_embeddings"),
    ])
    for (key, value) in dense.objectValue ?? JSONObject() { config[key] = value }
    try model.folder.write("1_Dense/config.json", JSON.object(config).text())
    try model.folder.write(
      "1_Dense/model.safetensors", safetensors([("linear.weight", [2, 4], weight)]))
    try model.folder.write("2_MultiVectorMask/config.json", mask.text())
    try model.folder.write("sentence_bert_config.json", transformer.text())
    try model.folder.write("config_sentence_transformers.json", own.text())
    return model
  }

  @Test func readsWhatSentenceTransformersWrites() throws {
    let model = try Self.model(
      mask: ["skiplist_words": [".", "!"], "skiplist_tasks": ["document"]],
      transformer: [
        "document_length": 9,
        "query_expansion": ["strategy": "fixed", "attend": false, "token": .null, "length": 7],
      ],
      own: ["prompts": ["query": "[Q] ", "document": "[D] "], "model_type": "MultiVectorEncoder"])
    let imported = try model.read()
    var expected = MultiVectorSettings(dimensions: 2)
    (expected.queryLength, expected.documentLength) = (7, 9)
    (expected.fillsQueries, expected.hidesFilling) = (true, true)
    expected.skippedTokens = [".", "!"]
    #expect(imported.description.head?.multiVector == expected)
    #expect(imported.description.task == .multiVector)
    #expect(imported.heads == [.multiVector])
    #expect(imported.description.prompts.map(\.text) == ["[Q] ", "[D] "])
    #expect(try imported.readTensor("head.multi_vector.weight") == Self.weight)
    #expect(try imported.readTensor("head.multi_vector.bias") == [0, 0])
    #expect(imported.files.contains { $0.hasSuffix("1_Dense/model.safetensors") })
  }

  @Test func readsWhatPyLateWrites() throws {
    let model = try Self.model(
      [], dense: ["module_input_name": .null],
      own: [
        "model_type": "ColBERT", "query_prefix": "[Q] ", "document_prefix": "[SEP] ",
        "query_length": 6, "document_length": 8, "attend_to_expansion_tokens": true,
        "prompts": ["query": "find: ", "document": ""],
      ])
    let imported = try model.read()
    let settings = try #require(imported.description.head?.multiVector)
    // What is a token marks; what is none stands before the text as words.
    #expect(settings.queryMarker == "" && settings.documentMarker == "[SEP]")
    #expect(imported.description.prompts == [Prompt("query", "[Q] find: ")])
    #expect(settings.queryLength == 6 && settings.documentLength == 8)
    #expect(settings.fillsQueries && !settings.hidesFilling)
    #expect(settings.skippedTokens.count == 32 && settings.skippedTokens.contains("\\"))
  }

  /// The linear lies among the encoder's tensors.
  @Test(arguments: [true, false])
  func readsTheOriginalColBERT(_ hasMetadata: Bool) throws {
    var model = try SmallModel()
    model.config["architectures"] = ["HF_ColBERT"]
    model.add("linear.weight", [3, 4], (0..<12).map { Float($0) })
    if hasMetadata {
      let metadata: JSON = [
        "query_token_id": "[CLS]", "doc_token_id": "[SEP]", "query_maxlen": 5, "doc_maxlen": 11,
        "dim": 3, "mask_punctuation": false, "attend_to_mask_tokens": true,
      ]
      try model.folder.write("artifact.metadata", metadata.text())
    }
    let imported = try model.read()
    let settings = try #require(imported.description.head?.multiVector)
    #expect(settings.dimensions == 3)
    #expect(settings.queryLength == (hasMetadata ? 5 : 32))
    #expect(settings.documentLength == (hasMetadata ? 11 : nil))
    #expect(settings.queryMarker == (hasMetadata ? "[CLS]" : ""))
    #expect(settings.hidesFilling != hasMetadata && settings.fillsQueries)
    #expect(settings.skippedTokens.isEmpty == hasMetadata)
    #expect(imported.heads == [.multiVector] && imported.description.task == .multiVector)
    #expect(try imported.readTensor("head.multi_vector.weight") == (0..<12).map { Float($0) })
    #expect(try imported.readTensor("head.multi_vector.bias") == [0, 0, 0])
  }

  @Test func aLinearOfNoColBERTIsRefusedByName() throws {
    var model = try SmallModel()
    model.add("linear.weight", [3, 4])
    try model.expectError(.malformed, ["linear.weight"])
  }

  static let refused: [(String, [String], JSON, JSON, JSON, JSON)] = [
    ("Normalize", ["MultiVectorMask"], [:], [:], [:], [:]),
    ("MultiVectorMask", ["Normalize"], [:], [:], [:], [:]),
    (
      "HierarchicalTokenPooling", ["MultiVectorMask", "Normalize", "HierarchicalTokenPooling"], [:],
      [:], [:], [:]
    ),
    ("tanh", all, ["activation_function": "torch.nn.modules.activation.Tanh"], [:], [:], [:]),
    ("use_residual", all, ["use_residual": true], [:], [:], [:]),
    ("sentence_embedding", all, ["module_input_name": "sentence_embedding"], [:], [:], [:]),
    ("skiplist_tasks", all, [:], ["skiplist_words": ["."], "skiplist_tasks": ["query"]], [:], [:]),
    ("keep_only_token_ids", all, [:], ["keep_only_token_ids": [3]], [:], [:]),
    ("'min'", all, [:], [:], ["query_expansion": ["strategy": "min", "length": 5]], [:]),
    (
      "'[SEP]'", all, [:], [:],
      ["query_expansion": ["strategy": "fixed", "length": 5, "token": "[SEP]"]], [:]
    ),
    ("length", all, [:], [:], ["query_expansion": ["strategy": "fixed"]], [:]),
    ("document_length", all, [:], [:], ["document_length": 0], [:]),
    ("query_prefix", all, [:], [:], [:], ["query_prefix": 7]),
  ]
  private static let all = ["MultiVectorMask", "Normalize"]

  @Test(arguments: refused.indices)
  func whatIsNotComputedIsRefusedByName(_ index: Int) throws {
    let (word, last, dense, mask, transformer, own) = Self.refused[index]
    let model = try Self.model(last, dense: dense, mask: mask, transformer: transformer, own: own)
    let error = #expect(throws: BertError.self) { _ = try model.read() }
    #expect(error?.message.contains(word) == true, "\(String(describing: error))")
  }
}
