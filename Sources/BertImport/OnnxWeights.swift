import BertErrors
import TensorFiles

/// Finds by an ONNX graph what its tensors are, and gives them their published names back.
///
/// Exporters fold a linear's transposed weight into a constant without a name. The bias that is
/// added to the product still has one: `X.bias` beside a product with a nameless matrix makes the
/// matrix `X.weight`, stored `[in, out]`. Quantising programs keep integers with scales in the
/// place of weights; those become `scale · (q − zero)` again.
struct OnnxWeights {
  private let checkpoint: Checkpoint
  /// Values that are made of constants alone, and how.
  private var constants: [String: TensorDerivation] = [:]
  /// Integers that were made floating-point and may still be scaled.
  private var unscaled: Set<String> = []
  private var makers: [String: OnnxGraph.Node] = [:]
  private var users: [String: [OnnxGraph.Node]] = [:]
  /// Names with their derivations, in the order in which they were found.
  private var found: [(name: String, derivation: TensorDerivation)] = []
  private var names = Set<String>()

  /// The checkpoint with its tensors named; any other than an ONNX file as it is.
  ///
  /// - Throws: `unsupported` for graphs whose operations were fused, and weights that are
  ///   quantised in a way that is not known.
  static func named(_ checkpoint: Checkpoint) throws(BertError) -> Checkpoint {
    guard let graph = checkpoint.graph else { return checkpoint }
    do throws(BertError) {
      var weights = OnnxWeights(checkpoint)
      try weights.follow(graph)
      return try weights.result()
    } catch {
      throw error.inFile(checkpoint.path)
    }
  }

  private init(_ checkpoint: Checkpoint) {
    self.checkpoint = checkpoint
    for tensor in checkpoint.tensors {
      constants[tensor.name] = TensorDerivation(source: tensor.name)
    }
  }

  private mutating func follow(_ graph: OnnxGraph) throws(BertError) {
    for node in graph.nodes {
      for output in node.outputs { makers[output] = node }
      for input in Set(node.inputs) { users[input, default: []].append(node) }
    }
    for node in graph.nodes { try fold(node) }
    for node in graph.nodes { try weigh(node) }
  }

  // MARK: Constants

  /// Notes what a node makes of constants.
  private mutating func fold(_ node: OnnxGraph.Node) throws(BertError) {
    if node.domain == "com.microsoft" && Self.fused.contains(node.operation) {
      throw BertError(
        .unsupported,
        "the graph was fused for ONNX Runtime (\(node.operation)): weights lie joined in it; convert "
          + "the model that it was made from", tensor: node.name.isEmpty ? nil : node.name)
    }
    guard let output = node.outputs.first, let first = node.inputs.first,
      let constant = constants[first]
    else {
      if node.operation == "Mul" { scale(node) }
      return
    }
    let isPlain = constant == TensorDerivation(source: constant.source)
    let isInteger = checkpoint[constant.source].map { Self.integers.contains($0.type) } ?? false
    switch node.operation {
    case "Identity": pass(first, to: output)
    case "Cast":
      if isInteger && isPlain { unscaled.insert(output) }
      // Floating-point numbers keep their values in a wider type.
      if isInteger || node.integers["to"] == [1] { pass(first, to: output) }
    case "Transpose":
      if node.integers["perm"] == [1, 0] || node.integers["perm"] == nil,
        checkpoint[constant.source]?.shape.count == 2
      {
        var turned = constant
        turned.isTransposed.toggle()
        constants[output] = turned
      }
    case "Sub":
      if unscaled.contains(first), let zero = node.inputs.dropFirst().first,
        let zeroSource = constants[zero]?.source
      {
        var moved = constant
        moved.zeroPoint = zeroSource
        constants[output] = moved
        unscaled.insert(output)
      }
    case "Mul": scale(node)
    case "DequantizeLinear":
      guard isPlain, isInteger, let scale = node.inputs.dropFirst().first,
        node.integers["block_size"] == nil || node.integers["block_size"] == [0]
      else { return }
      dequantize(
        constant.source, scale: scale, zero: node.inputs.dropFirst(2).first,
        axis: node.integers["axis"]?.first ?? 1, as: output)
    default: break
    }
  }

  private mutating func pass(_ input: String, to output: String) {
    constants[output] = constants[input]
  }

  /// `integers · scale` in either order.
  private mutating func scale(_ node: OnnxGraph.Node) {
    guard node.inputs.count == 2, let output = node.outputs.first,
      let place = node.inputs.firstIndex(where: unscaled.contains),
      var integers = constants[node.inputs[place]], let scale = constants[node.inputs[1 - place]],
      let factors = checkpoint[scale.source], factors.type == .float32
    else { return }
    integers.scale = scale.source
    integers.axis = axis(of: factors.shape, in: integers.source, else: nil)
    constants[output] = integers
  }

  private mutating func dequantize(
    _ source: String, scale: String, zero: String?, axis: Int, as output: String
  ) {
    var derivation = TensorDerivation(source: source)
    derivation.scale = constants[scale]?.source
    derivation.zeroPoint = zero.flatMap { $0.isEmpty ? nil : constants[$0]?.source }
    derivation.axis = self.axis(
      of: checkpoint[derivation.scale ?? ""]?.shape ?? [], in: source, else: axis)
    if derivation.scale != nil { constants[output] = derivation }
  }

  /// The axis along which scales of a shape differ.
  private func axis(of scales: [Int], in source: String, else stated: Int?) -> Int {
    let rank = checkpoint[source]?.shape.count ?? 0
    if let stated, scales.count == 1 { return stated < 0 ? stated + rank : stated }
    // As they are broadcast: counted from the last.
    let place = scales.lastIndex { $0 != 1 } ?? scales.count - 1
    return max(0, rank - scales.count + place)
  }

  private static let integers: Set<StoredType> = [.int8, .uint8, .int16, .uint16]
  private static let fused: Set<String> = [
    "Attention", "MultiHeadAttention", "QAttention", "EmbedLayerNormalization",
    "QEmbedLayerNormalization",
    "QOrderedAttention", "PackedAttention", "MatMulNBits", "FusedMatMul", "GemmFastGelu",
    "FusedGemm",
  ]

  // MARK: Products

  /// Names the matrix of a product by the bias that is added to it.
  private mutating func weigh(_ node: OnnxGraph.Node) throws(BertError) {
    switch node.operation {
    case "MatMul":
      guard node.inputs.count == 2, let weight = constants[node.inputs[1]],
        let output = node.outputs.first
      else { return }
      name(weight, node.inputs[1], bias: bias(after: output), isStoredTurned: true)
    case "Gemm":
      guard node.inputs.count >= 2, let weight = constants[node.inputs[1]] else { return }
      guard node.integers["transA"] ?? [0] == [0], node.reals["alpha"] ?? 1 == 1,
        node.reals["beta"] ?? 1 == 1
      else {
        throw BertError(
          .unsupported, "the graph scales or turns the inputs of a linear layer",
          tensor: String(node.inputs[1].prefix(200)))
      }
      let bias = node.inputs.dropFirst(2).first.flatMap { constants[$0]?.source }
      name(
        weight, node.inputs[1], bias: bias ?? node.outputs.first.flatMap { self.bias(after: $0) },
        isStoredTurned: node.integers["transB"] ?? [0] == [0])
    case "MatMulInteger": try weighIntegers(node)
    case "Gather":
      nameTiedTable(node)
      // A table of integers from which rows are taken before they are scaled.
      guard node.inputs.count == 2, let table = constants[node.inputs[0]], table.scale == nil,
        let output = node.outputs.first,
        let scaling = users[output]?.first(where: { $0.operation == "DequantizeLinear" }),
        scaling.inputs.count >= 2
      else { return }
      let name = Self.withoutSuffix(table.source)
      dequantize(
        table.source, scale: scaling.inputs[1], zero: scaling.inputs.dropFirst(2).first, axis: 0,
        as: name)
      if let derivation = constants[name] { add(name, derivation) }
    default: break
    }
  }

  /// Of tied matrices some exporters keep the decoder's name alone: the table from which rows are taken by the ids of
  /// tokens is the word embeddings.
  private mutating func nameTiedTable(_ node: OnnxGraph.Node) {
    let (words, positions) = ("word_embeddings.weight", "position_embeddings.weight")
    guard node.inputs.count == 2, node.inputs[1] == "input_ids",
      let table = constants[node.inputs[0]], table == TensorDerivation(source: table.source),
      checkpoint[table.source]?.shape.count == 2, !table.source.hasSuffix(words),
      !checkpoint.tensors.contains(where: { $0.name.hasSuffix(words) }),
      let place = checkpoint.tensors.first(where: { $0.name.hasSuffix(positions) })?.name
    else { return }
    add(place.dropLast(positions.count) + words, table)
  }

  /// A product of integers: scaled by what follows it.
  private mutating func weighIntegers(_ node: OnnxGraph.Node) throws(BertError) {
    guard node.inputs.count >= 2, var weight = constants[node.inputs[1]],
      let output = node.outputs.first, let cast = users[output]?.first,
      let product = cast.outputs.first.flatMap({ users[$0]?.first }), product.operation == "Mul",
      let other = product.inputs.first(where: { $0 != cast.outputs.first }),
      let factors = makers[other], factors.operation == "Mul",
      let scale = factors.inputs.compactMap({ constants[$0]?.source }).first,
      let scaled = product.outputs.first
    else {
      throw BertError(
        .unsupported, "a product of integers is not scaled as is known",
        tensor: String(node.inputs.dropFirst().first?.prefix(200) ?? ""))
    }
    weight.scale = scale
    weight.axis = axis(of: checkpoint[scale]?.shape ?? [], in: weight.source, else: 1)
    weight.zeroPoint = node.inputs.dropFirst(3).first.flatMap { constants[$0]?.source }
    name(weight, node.inputs[1], bias: bias(after: scaled), isStoredTurned: true)
  }

  /// The constant that is added to a value.
  private func bias(after value: String) -> String? {
    for user in users[value] ?? [] where user.operation == "Add" {
      if let other = user.inputs.first(where: { $0 != value }), let bias = constants[other] {
        return bias.source
      }
    }
    return nil
  }

  private mutating func name(
    _ weight: TensorDerivation, _ value: String, bias: String?, isStoredTurned: Bool
  ) {
    var weight = weight
    if isStoredTurned { weight.isTransposed.toggle() }
    if let bias, bias.hasSuffix(".bias") {
      var stem = String(bias.dropLast(5))
      // The decoder's bias is kept one level higher than its weight.
      if stem.hasSuffix("cls.predictions") { stem += ".decoder" }
      add(stem + ".weight", weight)
    } else if value.hasSuffix(".weight"), checkpoint[value] == nil || weight.isTransposed {
      add(value, weight)
    }
  }

  private mutating func add(_ name: String, _ derivation: TensorDerivation) {
    if names.insert(name).inserted { found.append((name, derivation)) }
  }

  // MARK: Result

  private mutating func result() throws(BertError) -> Checkpoint {
    // Constants whose names the graph kept, made of integers.
    for (name, constant) in constants.sorted(by: { $0.key < $1.key })
    where constant.scale != nil && (name.hasSuffix(".weight") || name.hasSuffix(".bias")) {
      add(name, constant)
    }
    var used = Set<String>()
    for (_, derivation) in found {
      used.formUnion([derivation.source, derivation.scale, derivation.zeroPoint].compactMap { $0 })
    }
    // A matrix may serve twice, under the name it has as well: tied embeddings.
    used = used.filter { name in !Self.isPublished(name) || found.contains { $0.name == name } }
    var ignored: [String: String] = [:]
    for tensor in checkpoint.tensors where !used.contains(tensor.name) {
      if !tensor.type.isFloat && !Self.integers.contains(tensor.type) || tensor.elementCount <= 1,
        !Self.isPublished(tensor.name)
      {
        ignored[tensor.name] = "a constant of the graph"
      }
    }
    return try checkpoint.deriving(found, used: used, ignored: ignored)
  }

  /// Whether a name looks like one of a model's parameters.
  private static func isPublished(_ name: String) -> Bool {
    name.hasSuffix(".weight") || name.hasSuffix(".bias")
      || name.hasSuffix("position_ids") || name.hasSuffix("token_type_ids")
  }

  /// What ONNX Runtime's quantiser puts behind a name.
  private static func withoutSuffix(_ name: String) -> String {
    for suffix in ["_quantized", "_q"] where name.hasSuffix(suffix) {
      return String(name.dropLast(suffix.count))
    }
    return name
  }
}
