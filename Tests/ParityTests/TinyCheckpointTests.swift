import BertErrors
import BertModel
import Bertq
import Fixtures
import FoundationEssentials
import Testing

/// Every tiny checkpoint, in every container that is read, against the reference's outputs.
struct TinyCheckpointTests {
  static let folders = [
    "maskedlm", "maskedlm_untied", "model", "model64", "model_nopool", "multiplechoice", "nsp",
    "pretraining", "qa", "seqcls1", "seqcls2", "seqcls5", "tokencls",
  ]
  /// Files of a folder, and the prefix of the oracle's outputs where they differ.
  static let variants: [(file: String, prefix: String)] = [
    ("model.safetensors", ""), ("gamma_beta/model.safetensors", ""),
    ("sharded/model.safetensors.index.json", ""), ("model.npz", ""), ("model_compressed.npz", ""),
    ("tf_names.npz", ""), ("pytorch_model.bin", ""), ("legacy/pytorch_model.bin", ""),
    ("fp16/model.safetensors", "fp16."), ("bf16/model.safetensors", "bf16."),
  ]

  private func convert(_ path: String, config: String) throws -> ServedModel {
    let folder = path + "/" + config
    return try PublishedCheckpoint.converted(
      folder, "--config", path + "/config.json", "--vocab", path + "/vocab.txt")
  }

  /// Compares a model with every output of an oracle that it has; returns how many were there.
  private func compare(_ model: ServedModel, _ oracle: Oracle, _ prefix: String) throws -> Int {
    let width = model.description.configuration.hiddenSize
    var compared = 0
    for tag in oracle.tags {
      let inputs = try oracle.inputs(tag)
      let hidden = ["last_hidden_state", "hidden_last"].map { "\(prefix)\(tag).out.\($0)" }
        .first { oracle.has($0) }
      let pooler = "\(prefix)\(tag).out.pooler_output"
      guard hidden != nil || oracle.has(pooler) else { continue }
      let answers = try model.floatAnswers(
        inputs.map { TextInput(ids: $0.ids, types: $0.types) })
      for (index, (input, answer)) in zip(inputs, answers).enumerated() {
        if let hidden {
          let start = input.firstRow * width
          let expected = try oracle.floats(hidden)[start..<(start + input.ids.count * width)]
          #expect(largestDifference(answer.states, expected) <= parityTolerance, "\(tag) \(index)")
          compared += 1
        }
        if oracle.has(pooler) {
          let expected = try oracle.floats(pooler)[(index * width)..<((index + 1) * width)]
          #expect(largestDifference(answer.pooled, expected) <= parityTolerance, "\(tag) \(index)")
          compared += 1
        }
      }
    }
    return compared
  }

  @Test(.enabled(if: SharedData.isPresent("tiny"), "needs the shared data"), arguments: folders)
  func everyContainerGivesTheReferencesOutputs(_ name: String) throws {
    let path = SharedData.path("tiny/" + name)
    let oracle = try Oracle(path + "/oracle.safetensors")
    for (file, prefix) in Self.variants where exists(path + "/" + file) {
      let compared = try compare(convert(path, config: file), oracle, prefix)
      // Rounded checkpoints of models with heads have no hidden states in the oracle.
      #expect(compared > 0 || !prefix.isEmpty && !name.hasPrefix("model"), "\(file)")
    }
  }

  /// Containers and naming are wrapping: the same values give the same fingerprints.
  @Test(.enabled(if: SharedData.isPresent("tiny"), "needs the shared data"), arguments: folders)
  func everyContainerOfTheSameValuesGivesTheSameFingerprints(_ name: String) throws {
    let path = SharedData.path("tiny/" + name)
    var first: ServedModel?
    for (file, prefix) in Self.variants where exists(path + "/" + file) {
      let model = try convert(path, config: file)
      let wanted = first ?? model
      first = wanted
      #expect(model.fingerprint(.float32) != nil && model.fingerprint(.int8) != nil)
      let isSame = model.fingerprint(.float32) == wanted.fingerprint(.float32)
      #expect(isSame == prefix.isEmpty, "\(file)")
      if prefix.isEmpty { #expect(model.fingerprint(.int8) == wanted.fingerprint(.int8)) }
    }
  }

  /// Needs no data from elsewhere.
  @Test func theRepositorysOwnCheckpointGivesTheReferencesOutputs() throws {
    let own = PublishedCheckpoint.own
    let oracle = try Oracle(own + "/oracle.safetensors")
    #expect(try compare(PublishedCheckpoint.converted(own), oracle, "") > 20)
  }

  /// Checkpoints that other projects keep: an old pickle, a pickle in an archive, TensorFlow's.
  @Test(
    .enabled(if: SharedData.isPresent("checkpoints"), "needs the shared data"),
    arguments: [
      ("allennlp-bert-xsmall-dummy", true), ("keras-bert-tf-ckpt", true),
      // Its vocabulary has three tokens more than the model has rows, so it is compared by ids alone.
      ("camphr-ner_bert", false),
    ])
  func foreignCheckpointsGiveTheReferencesOutputs(_ name: String, hasVocabulary: Bool) throws {
    let path = SharedData.path("checkpoints/" + name)
    let folder = try TemporaryFolder()
    let omitted = ["oracle.safetensors", "expected.json"] + (hasVocabulary ? [] : ["vocab.txt"])
    try folder.copy(filesOf: path, except: omitted)
    let outcome = try Program.convert(folder.path, folder / "out.bertq")
    try #require(outcome.code == 0, "\(outcome.errors)")
    let model = try ServedModel(path: folder / "out.bertq")
    #expect(try compare(model, Oracle(path + "/oracle.safetensors"), "") > 0)
  }
}
