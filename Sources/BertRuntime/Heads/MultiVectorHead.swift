import BertErrors
import BertKernels
import BertModel

/// A vector of length 1 for each token, of its own width: a linear over the token's hidden state, scaled
/// (ColBERT).
package final class MultiVectorHead: Head {
  package let subject = HeadSubject.token
  package var width: Int { linear.outputs }
  private let source: HeadSource
  private let linear: HeadLinear

  /// Prepares it; the weights it will use are verified now.
  ///
  /// A bias that is absent is 0.
  ///
  /// - Throws: `malformed` for missing or damaged tensors.
  package init(_ source: HeadSource) throws(BertError) {
    self.source = source
    let stem = CanonicalName.multiVector
    let name =
      source.weights.find(stem + FloatPart.weight)
      ?? source.weights.find(stem + QuantizedPart.weight)
    guard let width = name?.shape.first, width > 0 else {
      throw BertError(.malformed, "is missing; the head needs it", tensor: stem + FloatPart.weight)
    }
    if let said = source.settings.multiVector?.dimensions, said != width {
      throw BertError(
        .malformed, "has \(width) outputs; the header says \(said) dimensions",
        tensor: stem + FloatPart.weight)
    }
    linear = try HeadLinear(
      stem, outputs: width, inputs: source.configuration.hiddenSize, from: source, hasBias: false)
  }

  package func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError) {
    let width = self.width
    try scores.append(rows: texts.map(\.wanted.count)) { out throws(BertError) in
      try source.eachBlock(of: texts.flatMap(\.wanted), states) { places, x throws(BertError) in
        try linear.write(x, to: out + places.lowerBound * width, stride: width)
        for place in places { try normalize(out + place * width) }
      }
    }
  }

  private func normalize(_ row: UnsafeMutablePointer<Float>) throws(BertError) {
    let values = UnsafeBufferPointer(start: row, count: width)
    guard values.contains(where: { $0 != 0 }) else { return }
    source.kernels.calls.normalize_row(row, width)
    // A length beyond float32 makes zeros of everything.
    if values.allSatisfy({ $0 == 0 }) { throw HeadLinear.overflow }
  }
}
