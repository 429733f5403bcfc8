import BertErrors

/// What an ONNX file says of its computation, as far as finding weights needs it.
package struct OnnxGraph: Sendable {
  /// One step of the computation.
  package struct Node: Sendable {
    /// What it does: "MatMul".
    package var operation = ""
    /// Who defined that; empty for ONNX itself.
    package var domain = ""
    /// Its name; may be empty.
    package var name = ""
    /// Names of the values it takes, empty for one left out.
    package var inputs: [String] = []
    /// Names of the values it makes.
    package var outputs: [String] = []
    /// Whole numbers among its attributes.
    package var integers: [String: [Int]] = [:]
    /// Numbers among its attributes.
    package var reals: [String: Float] = [:]
  }

  /// The steps, each behind those whose values it takes.
  package internal(set) var nodes: [Node] = []

  private var edges = 0
  private var text = 0

  /// Adds the node that a message describes.
  ///
  /// - Returns: the tensor that it is, where it is a constant: its value's name, and its message.
  mutating func append(
    _ message: ProtobufReader
  ) throws(BertError) -> (name: String, tensor: ProtobufReader)? {
    var message = message
    var node = Node()
    var constant: ProtobufReader?
    while let (field, value) = try message.next() {
      switch field {
      case 1: node.inputs.append(try name(message, value, "input"))
      case 2: node.outputs.append(try name(message, value, "output"))
      case 3: node.name = try name(message, value, "name")
      case 4: node.operation = try name(message, value, "op_type")
      case 5:
        let part = try message.message(value, "attribute", as: "an attribute")
        constant = try attribute(part, &node) ?? constant
      case 7: node.domain = try name(message, value, "domain")
      default: break
      }
    }
    edges += node.inputs.count + node.outputs.count
    if nodes.count >= FileLimits.graphNodes || edges > FileLimits.graphEdges {
      throw message.damaged("the graph has more nodes than an encoder can need")
    }
    nodes.append(node)
    guard node.operation == "Constant", node.domain.isEmpty, let output = node.outputs.first,
      let constant
    else { return nil }
    return (output, constant)
  }

  private mutating func name(
    _ message: ProtobufReader, _ value: ProtobufReader.Value, _ field: String
  ) throws(BertError) -> String {
    let name = try message.text(value, field, limit: FileLimits.tensorName)
    text += name.utf8.count
    if text > FileLimits.graphText {
      throw message.damaged("the graph's names are longer than an encoder can need")
    }
    return name
  }

  /// Reads an attribute; gives the message of a tensor that is its value.
  private mutating func attribute(
    _ message: ProtobufReader, _ node: inout Node
  ) throws(BertError) -> ProtobufReader? {
    var message = message
    var name = ""
    var integers: [Int] = []
    var tensor: ProtobufReader?
    while let (field, value) = try message.next() {
      switch field {
      case 1: name = try self.name(message, value, "name")
      case 2: node.reals[name] = Float(bitPattern: try message.fixed32(value, "f"))
      case 3: integers = [try message.integer(value, "i")]
      case 5: tensor = try message.message(value, "t", as: "a tensor")
      case 8: try message.append(value, "ints", to: &integers, limit: FileLimits.rank)
      default: break
      }
    }
    if !integers.isEmpty { node.integers[name] = integers }
    return name == "value" ? tensor : nil
  }
}
