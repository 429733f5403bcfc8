import BertErrors
import BertModel
import BertqFile

/// Writes a model as a `.bertq` file.
package func write(_ store: TensorStore, _ description: ModelDescription, to path: String) throws {
  let views = store.names.compactMap { store.find($0) }
  let writer = try BertqWriter(
    path: path, description: description,
    tensors: views.map { BertqTensor($0.name, $0.elementType, $0.layout, $0.shape) },
    producer: "tests")
  for view in views { try writer.append(view.name, view.bytes) }
  _ = try writer.finish()
}
