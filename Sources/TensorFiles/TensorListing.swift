import BertErrors
import CBertqChecksum

/// A tensor as it is listed: whatever holds it, equal values have equal sums.
package struct ListedTensor: Sendable, Equatable {
  /// Its published name.
  package let name: String
  /// What its elements are, as safetensors names it.
  package let elementType: String
  /// Its sizes, outermost first.
  package let shape: [Int]
  /// SHA-256 of its values as little-endian float32 in C order, in hexadecimal; nil for elements
  /// that have no meaning as float32.
  package let sha256: String?

  /// Lists a tensor with these values.
  ///
  /// - Parameter values: in C order; nil where there are none as float32.
  package init(name: String, elementType: String, shape: [Int], values: [Float]?) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    sha256 = values.map(Self.sum)
  }

  private static func sum(_ values: [Float]) -> String {
    var sha = bq_sha256()
    bq_sha256_begin(&sha)
    if 1.littleEndian == 1 {
      values.withUnsafeBytes { bq_sha256_update(&sha, $0.baseAddress, $0.count) }
    } else {
      let bits = values.map(\.bitPattern.littleEndian)
      bits.withUnsafeBytes { bq_sha256_update(&sha, $0.baseAddress, $0.count) }
    }
    var digest = [UInt8](repeating: 0, count: 32)
    bq_sha256_end(&sha, &digest)
    return digest.map { byte in
      let hexadecimal = String(byte, radix: 16)
      return hexadecimal.count == 1 ? "0" + hexadecimal : hexadecimal
    }.joined()
  }
}

/// Lists what a file holds, BERT or not.
package enum TensorListing {
  /// Reads every tensor of a checkpoint whole.
  ///
  /// - Parameter path: as for `Checkpoint.open`.
  /// - Throws: as `Checkpoint.open` and `Checkpoint.readFloat32`; damage in any tensor is an error.
  package static func read(_ path: String) throws(BertError) -> [ListedTensor] {
    let checkpoint = try Checkpoint.open(path)
    var list: [ListedTensor] = []
    for tensor in checkpoint.tensors {
      let values = tensor.type.isReadable ? try checkpoint.readFloat32(tensor.name) : nil
      list.append(
        ListedTensor(
          name: tensor.name, elementType: tensor.type.rawValue, shape: tensor.shape, values: values)
      )
    }
    return list
  }
}
