import BertErrors
import BertModel

/// A text as weights of words: those above 0, by ascending id.
package struct SparseVector: Equatable, Sendable {
  /// The words' ids.
  package var ids: [Int32] = []
  /// A weight for each.
  package var weights: [Float] = []
}

/// The largest over a text's tokens of log(1 + max(x, 0)), x a word's logit in the masked-word head
/// (SPLADE), or log(1 + that), or the sum over the tokens, where the model says so.
package final class SparseHead {
  /// Words of the vocabulary.
  package var width: Int { words.width }
  private let words: MaskedWordsHead
  private let takesLogarithmTwice: Bool
  private let sums: Bool

  /// The most logits that are kept at once: the largest of each word, for some texts.
  private static let mostKept = 4 << 20

  /// Prepares it; the weights it will use are verified now.
  ///
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` for other ways to weigh.
  package init(_ source: HeadSource) throws(BertError) {
    let settings = source.settings
    let own = [FloatPart.weight, QuantizedPart.weight].map { CanonicalName.sparse + $0 }
    if settings.sparseWeight == .reluOfToken
      || own.contains(where: { source.weights.find($0) != nil })
    {
      throw BertError(
        .unsupported,
        "the model weighs tokens of its own ('\(SparseWeight.reluOfToken.rawValue)'), which is not "
          + "computed")
    }
    sums = settings.sumsSparseWeights
    takesLogarithmTwice = settings.sparseWeight == .log1pLog1pRelu
    words = try MaskedWordsHead(source)
  }

  /// Appends the vectors of some texts of a round, made of their wanted tokens.
  ///
  /// - Throws: `malformed` when a logit is NaN or infinite.
  package func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to vectors: inout [SparseVector]
  ) throws(BertError) {
    let atOnce = max(1, Self.mostKept / width)
    var found: [SparseVector] = []
    for first in stride(from: 0, to: texts.count, by: atOnce) {
      found += try some(texts[first..<min(first + atOnce, texts.count)], of: states)
    }
    vectors += found
  }

  private func some(
    _ texts: ArraySlice<HeadText>, of states: BertEncoder.HiddenStates
  ) throws(BertError) -> [SparseVector] {
    let width = self.width
    // The text of each wanted token, and of each word the largest logit, or 0, or the sum of its weights.
    let owners = texts.enumerated().flatMap { index, text in text.wanted.map { _ in index } }
    var found = [Float](repeating: 0, count: texts.count * width)
    let (sums, weight) = (sums, weight)
    try found.withUnsafeMutableBufferPointer { (buffer) throws(BertError) in
      guard let base = buffer.baseAddress else { return }
      // Blocks of the same words come in the order of the tokens, so that sums have one order.
      try words.decode(texts.flatMap(\.wanted), of: states) { first, block in
        for (index, row) in block.rows.enumerated() {
          let out = base + owners[first + row] * width + block.columns.lowerBound
          let logits = block.values + index * block.stride
          if sums {
            for column in 0..<block.columns.count where logits[column] > 0 {
              out[column] += weight(logits[column])
            }
          } else {
            for column in 0..<block.columns.count where logits[column] > out[column] {
              out[column] = logits[column]
            }
          }
        }
      }
    }
    // The logarithm grows with its argument, so that the largest logit gives the largest weight.
    return texts.indices.map { index in
      let row = (index - texts.startIndex) * width
      var vector = SparseVector()
      for (id, value) in found[row..<(row + width)].enumerated() where value > 0 {
        vector.ids.append(Int32(id))
        vector.weights.append(sums ? value : weight(value))
      }
      return vector
    }
  }

  /// The weight of a logit above 0.
  private var weight: (Float) -> Float {
    takesLogarithmTwice
      ? { Logarithm.ofOnePlus(Logarithm.ofOnePlus($0)) } : { Logarithm.ofOnePlus($0) }
  }
}
