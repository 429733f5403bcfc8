import BertErrors
import BertImport
import Fixtures
import Testing

/// What training programs write around a model.
@Suite struct TrainingWrapperTests {
  /// A pickle of `{path: {…: {tensors}}, rest…}`.
  private func archive(
    _ model: SmallModel, _ wrappers: [String], prefix: String,
    beside: (PickleAssembler) -> PickleAssembler = { $0 }
  ) throws -> String {
    var pickle = PickleAssembler().raw("}")
    for wrapper in wrappers { pickle = pickle.text(wrapper).raw("}") }
    for (index, tensor) in model.tensors.enumerated() {
      var strides = [Int](repeating: 1, count: tensor.shape.count)
      for axis in strides.indices.dropLast().reversed() {
        strides[axis] = strides[axis + 1] * tensor.shape[axis + 1]
      }
      pickle = pickle.text(prefix + tensor.name)
        .tensor(String(index), count: tensor.values.count, tensor.shape, strides).raw("s")
    }
    pickle = beside(wrappers.reduce(pickle) { pickle, _ in pickle.raw("s") }).raw(".")
    try model.write()
    let storages = model.tensors.enumerated().map { (key: String($0), values: $1.values) }
    try model.folder.write("bin/weights", torchArchive(pickle.bytes, storages))
    return model.folder.path + "/bin/weights"
  }

  @Test(
    arguments: [
      ([], ""), (["state_dict"], ""), (["model"], "module."), (["state_dict"], "model.bert."),
      (["checkpoint", "model_state_dict"], "module.bert."),
    ] as [([String], String)])
  func findsTheModelInside(wrappers: [String], prefix: String) throws {
    let model = try SmallModel()
    let path = try archive(model, wrappers, prefix: prefix) { pickle in
      wrappers.isEmpty
        ? pickle
        : pickle.text("epoch").integer(3).raw("s").text("optimizer").raw("}").text("state").raw("}")
          .integer(0).raw("}").text("exp_avg").tensor("0", count: 20, [20], [1]).raw("ssss")
    }
    let (expected, found) = (try model.read(), try ModelImport.read(input: path))
    #expect(found.tensors == expected.tensors)
    for tensor in expected.tensors {
      #expect(try found.readTensor(tensor.name) == expected.readTensor(tensor.name))
    }
    let reasons = Set(found.report.ignored.map(\.reason))
    #expect(reasons == (wrappers.isEmpty ? [] : ["no tensor: a number", "optimiser state"]))
  }
}
