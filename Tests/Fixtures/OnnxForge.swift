/// Writes messages of Protocol Buffers, well formed or not.
package struct ProtobufWriter {
  /// What was written.
  package private(set) var bytes: [UInt8] = []

  /// An empty message.
  package init() {}

  /// An integer of seven bits a byte.
  package static func varint(_ value: Int) -> [UInt8] {
    var bits = UInt(bitPattern: value)
    var bytes: [UInt8] = []
    while bits > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: bits) | 0x80)
      bits >>= 7
    }
    return bytes + [UInt8(bits)]
  }

  package mutating func integer(_ field: Int, _ value: Int) {
    bytes += Self.varint(field << 3) + Self.varint(value)
  }

  package mutating func real(_ field: Int, _ value: Float) {
    bytes += Self.varint(field << 3 | 5) + floatBytes([value])
  }

  package mutating func bytes(_ field: Int, _ value: [UInt8]) {
    bytes += Self.varint(field << 3 | 2) + Self.varint(value.count) + value
  }

  package mutating func text(_ field: Int, _ value: String) { bytes(field, Array(value.utf8)) }

  package mutating func message(_ field: Int, _ fill: (inout ProtobufWriter) -> Void) {
    var inner = ProtobufWriter()
    fill(&inner)
    bytes(field, inner.bytes)
  }
}

/// Numbers as little-endian float32.
package func floatBytes(_ values: [Float]) -> [UInt8] {
  values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
}

/// Writes ONNX models: a graph of nodes and initialisers.
package struct OnnxForge {
  /// The graph's message; fields may be added to it.
  package var graph = ProtobufWriter()

  /// A graph without nodes.
  package init() {}

  /// The file.
  package var file: [UInt8] {
    var model = ProtobufWriter()
    model.integer(1, 8)
    model.text(2, "forge")
    model.bytes(7, graph.bytes)
    return model.bytes
  }

  package mutating func node(
    _ operation: String, _ inputs: [String], _ output: String, domain: String = "",
    integers: [String: Int] = [:], lists: [String: [Int]] = [:], reals: [String: Float] = [:]
  ) {
    graph.message(1) { node in
      for input in inputs { node.text(1, input) }
      node.text(2, output)
      node.text(4, operation)
      if !domain.isEmpty { node.text(7, domain) }
      for (name, value) in integers.sorted(by: { $0.key < $1.key }) {
        node.message(5) {
          $0.text(1, name); $0.integer(3, value)
        }
      }
      for (name, values) in lists.sorted(by: { $0.key < $1.key }) {
        node.message(5) { attribute in
          attribute.text(1, name)
          for value in values { attribute.integer(8, value) }
        }
      }
      for (name, value) in reals.sorted(by: { $0.key < $1.key }) {
        node.message(5) {
          $0.text(1, name); $0.real(2, value)
        }
      }
    }
  }

  /// An initialiser whose elements lie in it as they are.
  package mutating func tensor(_ name: String, _ shape: [Int], _ type: Int, raw: [UInt8]) {
    tensor(name, shape, type) { $0.bytes(9, raw) }
  }

  /// An initialiser whose elements a field holds.
  package mutating func tensor(
    _ name: String, _ shape: [Int], _ type: Int, _ fill: (inout ProtobufWriter) -> Void
  ) {
    graph.message(5) { tensor in
      for size in shape { tensor.integer(1, size) }
      tensor.integer(2, type)
      tensor.text(8, name)
      fill(&tensor)
    }
  }

  package mutating func floats(_ name: String, _ shape: [Int], _ values: [Float]) {
    tensor(name, shape, 1, raw: floatBytes(values))
  }

  /// A node whose output is a tensor of float32.
  package mutating func constant(_ name: String, _ shape: [Int], _ values: [Float]) {
    graph.message(1) { node in
      node.text(2, name)
      node.text(4, "Constant")
      node.message(5) { attribute in
        attribute.text(1, "value")
        attribute.message(5) { tensor in
          for size in shape { tensor.integer(1, size) }
          tensor.integer(2, 1)
          tensor.bytes(9, floatBytes(values))
        }
      }
    }
  }

  /// An initialiser in a file beside the graph's.
  package mutating func external(
    _ name: String, _ shape: [Int], _ entries: [String: String]
  ) {
    tensor(name, shape, 1) { tensor in
      for (key, value) in entries.sorted(by: { $0.key < $1.key }) {
        tensor.message(13) {
          $0.text(1, key); $0.text(2, value)
        }
      }
      tensor.integer(14, 1)
    }
  }
}
