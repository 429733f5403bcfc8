import BertErrors
import BertModel
import ByteFiles
import JSONText
import TensorFiles

/// A dense module of sentence-transformers: a linear, and what follows it.
struct DenseModule {
  let outputs: Int
  let activation: OutputActivation
  let checkpoint: Checkpoint
  let hasBias: Bool

  /// The files that its weights are read from.
  var files: [String] { [checkpoint.path] + checkpoint.tensors.map(\.file) }

  /// Reads its configuration and finds its weights.
  ///
  /// - Parameters:
  ///   - path: its `config.json`.
  ///   - width: numbers of what comes in.
  ///   - input: the name of what it reads, and writes in its place.
  /// - Throws: `malformed`, or `unsupported` with the member.
  init(_ path: String, inputs width: Int, of input: String) throws(BertError) {
    let json = try ModelFiles.readJSON(path, limit: 1 << 20)
    do throws(BertError) {
      guard let inputs = json["in_features"]?.integerValue,
        let outputs = json["out_features"]?.integerValue, outputs >= 1,
        outputs <= BertConfiguration.largestWidth
      else {
        throw BertError(
          .malformed,
          "in_features and out_features are to be whole numbers, at most "
            + "\(BertConfiguration.largestWidth)")
      }
      if inputs != width {
        throw BertError(.malformed, "in_features is \(inputs), but what comes in is \(width) wide")
      }
      if try json.flag("use_residual") == true {
        throw BertError(.unsupported, "use_residual is true; only false is supported")
      }
      for key in ["module_input_name", "module_output_name"] {
        if let name = try json.text(key), name != input {
          throw BertError(
            .unsupported, "\(key) is '\(name.prefix(80))'; only \(input) is supported")
        }
      }
      self.outputs = outputs
      hasBias = try json.flag("bias") ?? true
      activation = try Self.activation(json["activation_function"], absent: .tanh)
    } catch {
      throw error.inFile(path)
    }
    checkpoint = try Checkpoint.open(Folder.parent(of: path))
    try checkShapes(inputs: width)
  }

  private func checkShapes(inputs: Int) throws(BertError) {
    var expected: [(String, [Int])] = [("linear.weight", [outputs, inputs])]
    if hasBias { expected.append(("linear.bias", [outputs])) }
    for (name, shape) in expected {
      guard let tensor = checkpoint[name] else {
        throw BertError(
          .malformed, "is missing; a dense module has it", file: checkpoint.path, tensor: name)
      }
      if tensor.shape != shape || !tensor.type.isFloat {
        throw BertError(
          .malformed,
          "has shape \(tensor.shape) of \(tensor.type.rawValue); expected \(shape) of floats",
          file: tensor.file, tensor: name)
      }
    }
    if let other = checkpoint.tensors.first(where: { tensor in
      !expected.contains { $0.0 == tensor.name }
    }) {
      throw BertError(
        .malformed, "is not a tensor of a dense module", file: other.file,
        tensor: String(other.name.prefix(200)))
    }
  }

  /// The activation of a class's name.
  ///
  /// - Throws: `unsupported` for what is not known, or no class of PyTorch.
  static func activation(
    _ value: JSON?, absent: OutputActivation
  ) throws(BertError) -> OutputActivation {
    guard let value, !value.isNull else { return absent }
    let name = value.stringValue ?? ""
    let known: [String: OutputActivation] = [
      "Identity": .identity, "Tanh": .tanh, "ReLU": .relu, "GELU": .gelu, "Sigmoid": .sigmoid,
      "SiLU": .silu,
    ]
    guard name.hasPrefix("torch."), let last = name.split(separator: ".").last,
      let activation = known[String(last)]
    else {
      throw BertError(
        .unsupported,
        "the activation is \(value.text().prefix(120)); torch.nn's "
          + known.keys.sorted().joined(separator: ", ") + " are supported")
    }
    return activation
  }
}
