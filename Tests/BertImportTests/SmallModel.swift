import BertErrors
import BertImport
import BertModel
import Fixtures
import FoundationEssentials
import JSONText
import Testing

/// A published model of one layer, to be bent in a test.
struct SmallModel {
  typealias Tensor = (name: String, shape: [Int], values: [Float])

  let folder: TemporaryFolder
  var config: JSONObject = [
    "model_type": "bert", "architectures": ["BertModel"], "vocab_size": 5, "hidden_size": 4,
    "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 6,
    "max_position_embeddings": 8, "type_vocab_size": 2, "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
  ]
  var tensors: [Tensor] = []
  var vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

  init(prefix: String = "") throws {
    folder = try TemporaryFolder()
    add(prefix + "embeddings.word_embeddings.weight", [5, 4])
    add(prefix + "embeddings.position_embeddings.weight", [8, 4])
    add(prefix + "embeddings.token_type_embeddings.weight", [2, 4])
    add(prefix + "embeddings.LayerNorm.weight", [4])
    add(prefix + "embeddings.LayerNorm.bias", [4])
    let layer = prefix + "encoder.layer.0."
    for name in ["self.query", "self.key", "self.value", "output.dense"] {
      addLinear(layer + "attention." + name, 4, 4)
    }
    addLinear(layer + "intermediate.dense", 6, 4)
    addLinear(layer + "output.dense", 4, 6)
    for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
      add(layer + name + ".weight", [4])
      add(layer + name + ".bias", [4])
    }
  }

  mutating func add(_ name: String, _ shape: [Int], _ values: [Float]? = nil) {
    let count = shape.reduce(1, *)
    let offset = Float(tensors.count)
    tensors.append((name, shape, values ?? (0..<count).map { offset + Float($0) / 64 }))
  }

  mutating func addLinear(_ name: String, _ outputs: Int, _ inputs: Int) {
    add(name + ".weight", [outputs, inputs])
    add(name + ".bias", [outputs])
  }

  mutating func addMaskedWords() {
    addLinear("cls.predictions.transform.dense", 4, 4)
    add("cls.predictions.transform.LayerNorm.weight", [4])
    add("cls.predictions.transform.LayerNorm.bias", [4])
    add("cls.predictions.bias", [5])
  }

  func position(_ name: String) -> Int { tensors.firstIndex { $0.name == name } ?? 0 }

  mutating func remove(_ name: String) { tensors.remove(at: position(name)) }

  /// Writes the model; gives the folder to import.
  @discardableResult func write() throws -> String {
    try folder.write("model.safetensors", safetensors(tensors))
    try folder.write("config.json", JSON.object(config).text())
    try folder.write("vocab.txt", vocabulary)
    return folder.path
  }

  func read() throws -> ImportedModel { try ModelImport.read(input: write()) }

  /// Expects an error of a code whose text has all these words.
  func expectError(_ code: BertError.Code, _ words: [String], at line: Int = #line) throws {
    let path = try write()
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: path) }
    #expect(error?.code == code, "line \(line): \(error?.description ?? "")")
    for word in words {
      #expect(
        error?.description.contains(word) == true,
        "'\(word)' at line \(line): \(error?.description ?? "")")
    }
  }
}
