import BertErrors
import BertImport
import Fixtures
import Testing

/// A small model as exporters write it to ONNX.
@Suite struct OnnxImportTests {
  typealias Linear = (weight: SmallModel.Tensor, bias: SmallModel.Tensor, value: String)

  /// How a linear's weight lies in a graph.
  enum Form: String, CaseIterable {
    case namelessProduct, namelessProductBiasFirst, turnedInTheGraph, gemm, gemmTurned, external
    case identity, constantNode
  }

  static func turned(_ tensor: SmallModel.Tensor) -> SmallModel.Tensor {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    let values = (0..<(rows * columns)).map { tensor.values[$0 % rows * columns + $0 / rows] }
    return (tensor.name, [columns, rows], values)
  }

  /// Writes a model's graph, each linear by `linear`, everything else under its name.
  private func write(
    _ model: SmallModel, _ linear: (inout OnnxForge, Linear) -> Void
  ) throws -> String {
    var forge = OnnxForge()
    for (index, tensor) in model.tensors.enumerated() {
      let bias = tensor.name.dropLast(6) + "bias"
      let isMatrix = tensor.shape.count == 2 && !tensor.name.contains("_embeddings")
      guard isMatrix, let match = model.tensors.first(where: { $0.name == bias }) else {
        forge.floats(tensor.name, tensor.shape, tensor.values)
        continue
      }
      linear(&forge, (tensor, match, "onnx::MatMul_\(index)"))
    }
    try model.write()
    try model.folder.write("onnx/model.onnx", forge.file)
    return model.folder.path + "/onnx/model.onnx"
  }

  private func expectSame(_ path: String, _ model: SmallModel, _ words: String) throws {
    let (expected, found) = (try model.read(), try ModelImport.read(input: path))
    #expect(found.tensors == expected.tensors, "\(words)")
    for tensor in expected.tensors {
      let (a, b) = (try expected.readTensor(tensor.name), try found.readTensor(tensor.name))
      #expect(a.map(\.bitPattern) == b.map(\.bitPattern), "\(words): \(tensor.name)")
    }
    #expect(found.report.unknown.isEmpty && found.report.missing.isEmpty)
  }

  @Test(arguments: Form.allCases, ["", "bert.", "model.0.auto_model."])
  func givesNamelessWeightsTheirNames(form: Form, prefix: String) throws {
    let model = try SmallModel(prefix: prefix)
    var outside: [UInt8] = []
    let path = try write(model) { forge, linear in
      let plain = linear.weight
      let turned = Self.turned(plain)
      let product = linear.value + "_product"
      let (sum, value) = (linear.value + "_sum", linear.value)
      switch form {
      case .namelessProduct, .namelessProductBiasFirst:
        forge.floats(value, turned.shape, turned.values)
        forge.node("MatMul", ["x", value], product)
        forge.node(
          "Add",
          form == .namelessProduct ? [product, linear.bias.name] : [linear.bias.name, product],
          sum)
      case .identity:
        forge.floats(value, turned.shape, turned.values)
        forge.node("Identity", [value], value + "_same")
        forge.node("MatMul", ["x", value + "_same"], product)
        forge.node("Add", [product, linear.bias.name], sum)
      case .constantNode:
        forge.constant(value, turned.shape, turned.values)
        // Numbers that steps compute with are no tensors of the model.
        forge.constant(value + "_half", [], [0.5])
        forge.node("MatMul", ["x", value], product)
        forge.node("Add", [product, linear.bias.name], sum)
      case .turnedInTheGraph:
        forge.floats(plain.name, plain.shape, plain.values)
        forge.node("Transpose", [plain.name], value, lists: ["perm": [1, 0]])
        forge.node("MatMul", ["x", value], product)
        forge.node("Add", [product, linear.bias.name], sum)
      case .gemm:
        forge.floats(value, turned.shape, turned.values)
        forge.node("Gemm", ["x", value, linear.bias.name], sum)
      case .gemmTurned:
        forge.floats(plain.name, plain.shape, plain.values)
        forge.node(
          "Gemm", ["x", plain.name, linear.bias.name], sum, integers: ["transB": 1],
          reals: ["alpha": 1, "beta": 1])
      case .external:
        forge.external(
          value, turned.shape, ["location": "weights", "offset": String(outside.count)])
        outside += floatBytes(turned.values)
        forge.node("MatMul", ["x", value], product)
        forge.node("Add", [product, linear.bias.name], sum)
      }
    }
    try model.folder.write("onnx/weights", outside)
    try expectSame(path, model, form.rawValue)
  }

  /// Some exporters keep one of two tied matrices, by the decoder's name.
  @Test(arguments: ["", "bert."])
  func wordEmbeddingsMayHaveTheDecodersName(prefix: String) throws {
    var model = try SmallModel(prefix: prefix)
    model.addMaskedWords()
    model.config["architectures"] = ["BertForMaskedLM"]
    model.config["tie_word_embeddings"] = true
    let words = model.tensors[model.position(prefix + "embeddings.word_embeddings.weight")]
    let tied = "cls.predictions.decoder.weight"
    var forge = OnnxForge()
    for tensor in model.tensors where tensor.name != words.name {
      forge.floats(tensor.name, tensor.shape, tensor.values)
    }
    forge.floats(tied, words.shape, words.values)
    forge.node("Gather", [tied, "input_ids"], "embedded")
    let turned = Self.turned(words)
    forge.floats("val_1", turned.shape, turned.values)
    forge.node("MatMul", ["x", "val_1"], "product")
    forge.node("Add", ["product", "cls.predictions.bias"], "scores")
    try model.write()
    try model.folder.write("onnx/model.onnx", forge.file)
    try expectSame(model.folder.path + "/onnx/model.onnx", model, "tied")
  }

  /// How int8 exports keep a weight: `[in, out]` integers, factors of each output or one for all.
  enum Quantized: String, CaseIterable {
    case castAndMultiplied, movedCastAndMultiplied, dequantizedByNode, dequantizedWhole
    case productOfIntegers
  }

  @Test(arguments: Quantized.allCases)
  func dequantisesWeightsExactly(form: Quantized) throws {
    let model = try SmallModel()
    var expected: [String: [Float]] = [:]
    let path = try write(model) { forge, linear in
      let outputs = linear.weight.shape[0]
      let shape = [linear.weight.shape[1], outputs]
      let count = shape[0] * outputs
      // Factors that are no powers of two, so that a product rounded twice would show.
      let isWhole = form == .dequantizedWhole
      let scales = (0..<(isWhole ? 1 : outputs)).map { 0.013 + Float($0) * 0.0071 }
      let zero: Float = form == .castAndMultiplied ? 0 : 117
      let integers = (0..<count).map { UInt8($0 * 37 % 251) }
      let isSigned = form == .castAndMultiplied
      let turned = (0..<count).map { place -> Float in
        let output = place % outputs
        let whole = isSigned ? Float(Int8(bitPattern: integers[place])) : Float(integers[place])
        return (whole - zero) * scales[isWhole ? 0 : output]
      }
      expected[linear.weight.name] = Self.turned(("", shape, turned)).values
      let q = linear.value + "_quantized"
      forge.tensor(q, shape, isSigned ? 3 : 2, raw: integers)
      forge.floats(
        linear.value + "_scale",
        form == .castAndMultiplied ? [1, outputs] : isWhole ? [] : [outputs],
        scales)
      forge.tensor(linear.value + "_zero", [], 2, raw: [117])
      let product = linear.value + "_product"
      switch form {
      case .castAndMultiplied:
        forge.node("Cast", [q], q + "_f", integers: ["to": 1])
        forge.node("Mul", [q + "_f", linear.value + "_scale"], linear.value)
        forge.node("MatMul", ["x", linear.value], product)
      case .movedCastAndMultiplied:
        forge.node("Cast", [q], q + "_f", integers: ["to": 1])
        forge.node("Sub", [q + "_f", linear.value + "_zero"], q + "_m")
        forge.node("Mul", [linear.value + "_scale", q + "_m"], linear.value)
        forge.node("MatMul", ["x", linear.value], product)
      case .dequantizedByNode, .dequantizedWhole:
        forge.node(
          "DequantizeLinear", [q, linear.value + "_scale", linear.value + "_zero"], linear.value,
          integers: ["axis": 1])
        forge.node("MatMul", ["x", linear.value], product)
      case .productOfIntegers:
        forge.node("MatMulInteger", ["xq", q, "xz", linear.value + "_zero"], q + "_i")
        forge.node("Cast", [q + "_i"], q + "_f", integers: ["to": 1])
        forge.node("Mul", ["xs", linear.value + "_scale"], q + "_s")
        forge.node("Mul", [q + "_f", q + "_s"], product)
      }
      forge.node("Add", [linear.bias.name, product], linear.value + "_sum")
    }
    let found = try ModelImport.read(input: path)
    #expect(found.report.unknown.isEmpty && found.report.missing.isEmpty)
    let layer = "encoder.layer.0."
    for (canonical, published) in [
      ("attention.qkv", ["attention.self.query", "attention.self.key", "attention.self.value"]),
      ("attention.output", ["attention.output.dense"]),
      ("feed_forward.up", ["intermediate.dense"]), ("feed_forward.down", ["output.dense"]),
    ] {
      let values = try found.readTensor("layer.0.\(canonical).weight")
      let wanted = published.flatMap { expected[layer + $0 + ".weight"] ?? [] }
      #expect(values.map(\.bitPattern) == wanted.map(\.bitPattern), "\(canonical)")
    }
  }

  @Test func refusesFusedGraphsByTheirNode() throws {
    let model = try SmallModel()
    let path = try write(model) { forge, linear in
      forge.floats(linear.weight.name, linear.weight.shape, linear.weight.values)
      forge.node("Attention", ["x", linear.weight.name], "y", domain: "com.microsoft")
    }
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: path) }
    #expect(error?.code == .unsupported && error?.message.contains("Attention") == true)
  }

  @Test func doesNotGuessAWeightThatNoBiasNames() throws {
    let model = try SmallModel()
    let path = try write(model) { forge, linear in
      let turned = Self.turned(linear.weight)
      forge.floats(linear.value, turned.shape, turned.values)
      forge.node("MatMul", ["x", linear.value], linear.value + "_product")
    }
    let error = #expect(throws: BertError.self) { try ModelImport.read(input: path) }
    #expect(error?.code == .malformed && error?.message.contains("onnx::MatMul_") == true)
  }
}
