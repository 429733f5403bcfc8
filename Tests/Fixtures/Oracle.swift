import BertErrors
import TensorFiles

/// Outputs of a reference implementation, `<tag>.in.*` and `<tag>.out.*` in a safetensors file.
package struct Oracle: Sendable {
  private let checkpoint: Checkpoint

  /// One text of a tag, without its pads.
  package struct Input: Sendable {
    /// Its token ids.
    package let ids: [Int32]
    /// Its token types.
    package let types: [UInt8]
    /// The row of the padded matrices that is its first token's.
    package let firstRow: Int
  }

  /// Opens a file.
  package init(_ path: String) throws(BertError) { checkpoint = try Checkpoint.open(path) }

  /// The tags that have inputs, sorted.
  package var tags: [String] {
    let end = ".in.input_ids"
    return checkpoint.tensors.map(\.name).filter { $0.hasSuffix(end) }
      .map { String($0.dropLast(end.count)) }.sorted()
  }

  /// Names of all tensors.
  package var names: [String] { checkpoint.tensors.map(\.name) }

  /// Whether there is a tensor of this name.
  package func has(_ name: String) -> Bool { checkpoint[name] != nil }

  /// The values of a tensor, row-major.
  package func floats(_ name: String) throws(BertError) -> [Float] {
    try checkpoint.readFloat32(name)
  }

  /// The texts of a tag; the reference puts pads on the right.
  package func inputs(_ tag: String) throws(BertError) -> [Input] {
    let ids = try integers(tag + ".in.input_ids")
    let mask = try integers(tag + ".in.attention_mask")
    let types = try integers(tag + ".in.token_type_ids")
    let width = checkpoint[tag + ".in.input_ids"]?.shape.last ?? 1
    return stride(from: 0, to: ids.count, by: width).map { first in
      let row = first..<(first + mask[first..<(first + width)].reduce(0) { $0 + Int($1) })
      return Input(
        ids: Array(ids[row]), types: types[row].map { UInt8($0) }, firstRow: first)
    }
  }

  private func integers(_ name: String) throws(BertError) -> [Int32] {
    try checkpoint.readFloat32(name).map { Int32($0) }
  }
}
