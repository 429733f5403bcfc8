import BertErrors
import BertModel

/// Probabilities of some logits: e to each less the largest, over the sum of all.
///
/// The sum is in double precision, in the order of the logits, so that its bits are the same everywhere.
package struct Softmax: Sendable {
  /// The largest logit; −∞ where there is none.
  package let largest: Float
  private let sum: Double

  /// Looks at all logits; they are finite.
  package init(_ logits: some Sequence<Float>) {
    var largest = -Float.infinity
    for logit in logits where logit > largest { largest = logit }
    self.largest = largest
    var sum = 0.0
    for logit in logits { sum += Double(ContractMath.exp(logit - largest)) }
    self.sum = sum
  }

  /// The probability of one of them.
  package func probability(_ logit: Float) -> Float {
    Float(Double(ContractMath.exp(logit - largest)) / sum)
  }

  /// The probabilities of all of them.
  package static func probabilities(_ logits: some Collection<Float>) -> [Float] {
    let softmax = Softmax(logits)
    return logits.map(softmax.probability)
  }
}

extension OutputActivation {
  /// What it makes of a score.
  ///
  /// - Throws: `unsupported` for what no publisher makes scores with.
  package func apply(toScore x: Float) throws(BertError) -> Float {
    switch self {
    case .identity: return x
    case .relu: return x > 0 ? x : 0
    case .sigmoid: return ContractMath.sigmoid(x)
    case .silu: return x * ContractMath.sigmoid(x)
    case .tanh: return ContractMath.tanh(x)
    case .gelu, .geluTanh:
      throw BertError(
        .unsupported, "the model makes scores with '\(rawValue)', which is not computed")
    }
  }
}

/// A probability of its own for each label: 1 / (1 + e⁻ˣ).
package func sigmoid(_ x: Float) -> Float { ContractMath.sigmoid(x) }
