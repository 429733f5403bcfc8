import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import Fixtures
import JSONText
import Testing

/// The masked-word decoder in int8: there where it is large, and close to the same in float32.
struct Int8DecoderTests {
  static let width = 64

  /// A checkpoint of one layer with a masked-word head, tied or not, and so many words.
  private func checkpoint(words: Int, isTied: Bool, _ folder: TemporaryFolder) throws -> String {
    let h = Self.width
    var random = SeededGenerator(seed: UInt64(words))
    var tensors: [(name: String, shape: [Int], values: [Float])] = []
    func add(_ name: String, _ shape: [Int], _ deviation: Float, around mean: Float = 0) {
      let values = (0..<shape.reduce(1, *)).map { _ in mean + random.normal() * deviation }
      tensors.append((name, shape, values))
    }
    func linear(_ name: String, _ outputs: Int, _ inputs: Int) {
      add(name + ".weight", [outputs, inputs], 1 / Float(inputs).squareRoot())
      add(name + ".bias", [outputs], 0.1)
    }
    func norm(_ name: String) {
      add(name + ".weight", [h], 0.2, around: 1)
      add(name + ".bias", [h], 0.1)
    }
    add("bert.embeddings.word_embeddings.weight", [words, h], 0.3)
    add("bert.embeddings.position_embeddings.weight", [32, h], 0.3)
    add("bert.embeddings.token_type_embeddings.weight", [2, h], 0.3)
    norm("bert.embeddings.LayerNorm")
    let layer = "bert.encoder.layer.0."
    for name in ["self.query", "self.key", "self.value", "output.dense"] {
      linear(layer + "attention." + name, h, h)
    }
    linear(layer + "intermediate.dense", 2 * h, h)
    linear(layer + "output.dense", h, 2 * h)
    norm(layer + "attention.output.LayerNorm")
    norm(layer + "output.LayerNorm")
    linear("cls.predictions.transform.dense", h, h)
    norm("cls.predictions.transform.LayerNorm")
    add("cls.predictions.bias", [words], 0.1)
    if !isTied {
      linear("cls.predictions.decoder", words, h)
    }
    try folder.write("model.safetensors", safetensors(tensors))
    let config: JSON = [
      "model_type": "bert", "architectures": ["BertForMaskedLM"], "vocab_size": .integer(words),
      "hidden_size": .integer(h), "num_hidden_layers": 1, "num_attention_heads": 4,
      "intermediate_size": .integer(2 * h), "max_position_embeddings": 32, "type_vocab_size": 2,
      "hidden_act": "gelu", "tie_word_embeddings": .bool(isTied),
    ]
    try folder.write("config.json", config.text())
    return folder.path
  }

  private func scores(
    _ model: ServedModel, _ precision: Precision
  ) throws -> HeadScores {
    let kernels = try KernelSet.choose()
    let team = ThreadTeam(count: 2)
    let encoder = try model.encoder(.float32, kernels: kernels, team: team)
    let head = try MaskedWordsHead(
      HeadSource(model.file, precision: precision, kernels: kernels, team: team))
    var batch = TokenBatch()
    let input = TextInput(ids: (0..<20).map { Int32($0 * 37 % 500) })
    try model.append(input, to: &batch, truncates: false)
    var scores = HeadScores(width: head.width)
    try encoder.encode(batch) { states throws(BertError) in
      try head.append(states, of: batch, to: &scores)
    }
    return scores
  }

  @Test(arguments: [true, false])
  func aLargeDecoderIsCloseToItsOwnInFloat(_ isTied: Bool) throws {
    let folder = try TemporaryFolder()
    let path = try checkpoint(words: 1 << 14, isTied: isTied, folder)
    let model = try PublishedCheckpoint.converted(path, "--ids-only", "--no-calibration")
    #expect(model.file.find(CanonicalName.maskedDecoder + QuantizedPart.weight) != nil)
    let (float, int8) = (try scores(model, .float32), try scores(model, .int8))
    #expect(float.rowCount == 20 && int8.rowCount == 20 && float.values != int8.values)
    for row in 0..<20 {
      #expect(cosine(Array(int8[row]), Array(float[row])) > 0.9998)
    }
    // Each precision answers for itself: two files that differ in it have other fingerprints.
    #expect(model.fingerprint(.float32) != model.fingerprint(.int8))
    let other = try PublishedCheckpoint.converted(path, "--ids-only", "--weights", "float")
    #expect(other.file.find(CanonicalName.maskedDecoder + QuantizedPart.weight) == nil)
    #expect(try scores(other, .float32).values == float.values)
    let small = try PublishedCheckpoint.converted(
      path, "--ids-only", "--weights", "int8", "--no-calibration")
    #expect(try scores(int8Only: small).values == scores(int8Only: model).values)
  }

  /// Both encoder and head in int8.
  private func scores(int8Only model: ServedModel) throws -> HeadScores {
    let kernels = try KernelSet.choose()
    let team = ThreadTeam(count: 1)
    let encoder = try model.encoder(.int8, kernels: kernels, team: team)
    let head = try MaskedWordsHead(
      HeadSource(model.file, precision: .int8, kernels: kernels, team: team))
    var batch = TokenBatch()
    try model.append(TextInput(ids: [1, 2, 3]), to: &batch, truncates: false)
    var scores = HeadScores(width: head.width)
    try encoder.encode(batch) { states throws(BertError) in
      try head.append(states, of: batch, to: &scores)
    }
    return scores
  }

  @Test func aSmallDecoderStaysInFloat() throws {
    let folder = try TemporaryFolder()
    let path = try checkpoint(words: 600, isTied: true, folder)
    let model = try PublishedCheckpoint.converted(path, "--ids-only", "--no-calibration")
    #expect(model.file.find(CanonicalName.maskedDecoder + QuantizedPart.weight) == nil)
  }
}
