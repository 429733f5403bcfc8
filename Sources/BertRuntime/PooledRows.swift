import BertKernels
import BertModel

extension Pooling {
  /// The rows of a text that its vector is made of.
  package var wanted: WantedRows {
    switch self {
    case .cls, .pooler: .first
    case .mean, .max, .meanSqrtLength, .weightedMean, .lastToken: .all
    }
  }
}

extension EmbeddingRecipe {
  /// The rows of a text that its vector is made of.
  package var wanted: WantedRows {
    // The first token behind a prompt is not always the first.
    if !poolsPrompt && poolings.contains(.cls) { return .all }
    return poolings.allSatisfy { $0.wanted == .first } ? .first : .all
  }
}

/// A text's rows that pooling reads: those behind a prompt that is left out.
struct PooledRows {
  /// The first of them.
  let start: UnsafePointer<Float>
  /// From one row to the next.
  let stride: Int
  /// How many there are.
  let count: Int
  /// Rows of the text before them.
  let skipped: Int
  /// Numbers of a row.
  let width: Int

  subscript(row: Int) -> UnsafePointer<Float> { start + row * stride }

  /// The sums of the columns in the order of the rows, each from +0.
  func sum(into out: UnsafeMutablePointer<Float>) {
    out.update(repeating: 0, count: width)
    for row in 0..<count {
      let x = self[row]
      for k in 0..<width { out[k] += x[k] }
    }
  }

  /// The sums of the columns, each row times its place in the text, counted from 1.
  func weightedSum(into out: UnsafeMutablePointer<Float>) {
    out.update(repeating: 0, count: width)
    for row in 0..<count {
      let (x, weight) = (self[row], Float(skipped + row + 1))
      for k in 0..<width { out[k] = out[k].addingProduct(x[k], weight) }
    }
  }

  /// The sum of the weights, exact below 2²⁴ tokens.
  var weights: Float { Float(count * skipped + count * (count + 1) / 2) }

  /// The largest number of each column; rows must be finite.
  func largest(into out: UnsafeMutablePointer<Float>) {
    out.update(from: start, count: width)
    for row in 1..<max(count, 1) {
      let x = self[row]
      for k in 0..<width where x[k] > out[k] { out[k] = x[k] }
    }
  }
}
