import BertErrors
import BertImport
import BertModel
import Fixtures
import FoundationEssentials
import JSONText
import SystemLibrary
import Testing

/// Folders and checkpoints that are something else than a model, or a model with something odd that it does not use.
struct LayoutTests {
  static let folders: [(files: [String], words: [String])] = [
    (["refs/main", "snapshots/abc/config.json"], ["download cache", "snapshots/abc"]),
    (["models--org--name/snapshots/1f/config.json"], ["models--org--name/snapshots/1f"]),
    (
      ["checkpoint-500/config.json", "checkpoint-1500/config.json"],
      ["training run", "checkpoint-1500"]
    ), (["adapter_config.json", "adapter_model.safetensors"], ["adapter alone", "merge"]),
    (
      ["adapter_config.json", "adapter_model.safetensors", "config.json", "model.safetensors"],
      ["adapter beside it", "merge"]
    ),
  ]

  @Test(arguments: folders)
  func saysWhatAFolderIsAndWhatToDo(files: [String], words: [String]) throws {
    let folder = try TemporaryFolder()
    for file in files { try folder.write(file, "{}") }
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: folder.path) }
    #expect(error?.code == .unsupported)
    for word in words { #expect(error?.message.contains(word) == true, "\(error?.message ?? "")") }
  }

  @Test func tensorsOfAnAdapterAreRecognised() throws {
    var model = try SmallModel()
    model.add("base_model.model.encoder.layer.0.attention.self.query.lora_A.weight", [2, 4])
    try model.expectError(.unsupported, ["a model with an adapter", "merge"])
  }

  @Test(arguments: ["vocab.txt", "config.json", "tokenizer_config.json", "modules.json"])
  func recognisesPointersInAnyFile(_ name: String) throws {
    let model = try SmallModel()
    let path = try model.write()
    try model.folder.write(
      name, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: path) }
    #expect(error?.code == .malformed && error?.description.contains("Git LFS pointer") == true)
  }

  @Test(arguments: [
    "config.json", "tokenizer_config.json", "modules.json", "tokenizer.json", "vocab.txt",
  ])
  func aCompanionThatCannotBeReadIsAnError(_ name: String) throws {
    let model = try SmallModel()
    let path = try model.write()
    let file = path + "/" + name
    try? FileManager.default.removeItem(atPath: file)
    try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: "absent")
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: path) }
    #expect(error?.code == .notFound && error?.description.contains(name) == true)
    try FileManager.default.removeItem(atPath: file)
    #expect(mkfifo(file, 0o600) == 0)
    let pipe = #expect(throws: BertError.self) { try ModelImport.read(input: path) }
    #expect(pipe?.description.contains("\(name): is a device, pipe or socket") == true)
  }

  @Test(arguments: ["encoder.", "model.bert.", "a.b."])
  func aHeadMayStandBesideAWrapper(_ prefix: String) throws {
    var model = try SmallModel(prefix: prefix)
    model.addLinear(prefix + "pooler.dense", 4, 4)
    model.addLinear("classifier", 2, 4)
    model.config["architectures"] = ["BertForSequenceClassification"]
    #expect(try model.read().heads == [.classifier])
  }

  @Test(arguments: [".", "/"], ["", "params.bert."])
  func namesOfFlaxAreRead(_ separator: String, _ prefix: String) throws {
    var model = try SmallModel(prefix: prefix.isEmpty ? "" : "bert.")
    model.addLinear((prefix.isEmpty ? "" : "bert.") + "pooler.dense", 4, 4)
    model.addLinear("classifier", 2, 4)
    model.config["architectures"] = ["BertForSequenceClassification"]
    let expected = try model.read()
    // Read now: the file is written anew below.
    let values = try expected.tensors.map { try expected.readTensor($0.name) }
    for place in model.tensors.indices {
      var (name, shape, numbers) = model.tensors[place]
      if name.hasSuffix("_embeddings.weight") {
        name = name.dropLast(6) + "embedding"
      } else if name.hasSuffix("LayerNorm.weight") {
        name = name.dropLast(6) + "scale"
      } else if name.hasSuffix(".weight") {
        let (rows, columns) = (shape[0], shape[1])
        name = name.dropLast(6) + "kernel"
        let turned = numbers
        numbers = (0..<(rows * columns)).map { turned[$0 % rows * columns + $0 / rows] }
        shape.reverse()
      }
      if !prefix.isEmpty { name = "params." + name }
      model.tensors[place] = (
        name.split(separator: ".").joined(separator: separator), shape, numbers
      )
    }
    let found = try model.read()
    #expect(found.heads == [.classifier] && found.tensors == expected.tensors)
    for (tensor, values) in zip(expected.tensors, values) {
      #expect(try found.readTensor(tensor.name) == values, "\(tensor.name)")
    }
  }

  @Test func labelsThatNothingUsesAreNoError() throws {
    var model = try SmallModel()
    model.config["id2label"] = ["0": "a", "2": "b"]
    let imported = try model.read()
    #expect(imported.report.notices.contains { $0.contains("id2label") })
  }

  /// Each would leave labels without their names.
  @Test(
    arguments: [("id2label", ["x", "y"]), ("label2id", ["x": 1, "y": 0])] as [(String, JSON)])
  func labelsThatCannotBeReadAreRefused(_ key: String, _ value: JSON) throws {
    var model = try Self.classifier()
    model.config[key] = value
    try model.expectError(.malformed, [key])
  }

  @Test func aLabelWithoutANameIsNoted() throws {
    var model = try Self.classifier()
    model.config["id2label"] = ["0": "x", "1": .null]
    let read = try model.read()
    #expect(read.report.notices.contains { $0.contains("none for 1") && $0.contains("LABEL_") })
    #expect(read.description.labels == ["x", "LABEL_1"])
  }

  private static func classifier() throws -> SmallModel {
    var model = try SmallModel(prefix: "bert.")
    model.addLinear("bert.pooler.dense", 4, 4)
    model.addLinear("classifier", 2, 4)
    model.config["architectures"] = ["BertForSequenceClassification"]
    return model
  }

  @Test func aPoolerThatNothingUsesMayBeDamaged() throws {
    var model = try SmallModel()
    model.addLinear("pooler.dense", 4, 4)
    model.tensors[model.position("pooler.dense.weight")].values[3] = .nan
    let imported = try model.read()
    #expect(!imported.hasPooler && !imported.tensors.contains { $0.name.hasPrefix("pooler") })
    #expect(imported.report.notices.contains { $0.contains("pooler") })
  }

  @Test func pythonsNumbersMayStandInMembersThatAreNotRead() throws {
    let model = try SmallModel()
    let path = try model.write()
    let text = JSON.object(model.config).text()
    try model.folder.write("config.json", text.dropLast() + ",\"loss\":NaN,\"limit\":-Infinity}")
    _ = try ModelImport.read(input: path)
  }

  @Test(arguments: [
    ("gelu_python", Activation.gelu), ("gelu_fast", .geluTanh), ("gelu_accurate", .geluTanh),
    ("gelu_python_tanh", .geluTanh),
  ])
  func knowsTheOtherNamesOfActivations(name: String, activation: Activation) throws {
    var model = try SmallModel()
    model.config["hidden_act"] = .string(name)
    #expect(try model.read().description.configuration.activation == activation)
  }

  @Test func readsKerasNames() throws {
    var model = try SmallModel()
    model.tensors = model.tensors.map { tensor in
      var name = tensor.name.replacing("encoder.layer.0.", with: "encoder/layer_._0/")
        .replacing(".", with: "/").replacing("layer_/_", with: "layer_._")
      name = name.replacing("LayerNorm/weight", with: "LayerNorm/gamma")
        .replacing("LayerNorm/bias", with: "LayerNorm/beta")
      var (shape, values) = (tensor.shape, tensor.values)
      if name.hasSuffix("_embeddings/weight") {
        if !name.contains("word") { name = name.dropLast(6) + "embeddings" }
      } else if name.hasSuffix("/weight") {
        name = name.dropLast(6) + "kernel"
        let (out, size) = (shape[0], shape[1])
        values = (0..<size * out).map { tensor.values[$0 % out * size + $0 / out] }
        shape = [size, out]
      }
      return ("bert/" + name + ":0", shape, values)
    }
    let keras = try model.read()
    let plain = try SmallModel().read()
    for tensor in plain.tensors {
      #expect(try keras.readTensor(tensor.name) == plain.readTensor(tensor.name), "\(tensor.name)")
    }
  }

  @Test(arguments: ["sentencepiece.bpe.model", "spiece.model"])
  func namesATokenizerThatItDoesNotRead(_ name: String) throws {
    let model = try SmallModel()
    let path = try model.write()
    try FileManager.default.removeItem(atPath: path + "/vocab.txt")
    try model.folder.write(name, "x")
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: path) }
    #expect(error?.code == .unsupported && error?.message.contains("SentencePiece") == true)
    #expect(error?.message.contains(name) == true)
    #expect(try ModelImport.read(input: path, idsOnly: true).vocabulary.isEmpty)
  }
}
