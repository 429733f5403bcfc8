import BertErrors
import BertModel

/// The parts of the quantiser that may be left out, to see what each is worth.
package struct Recipe: OptionSet, Hashable, Sendable {
  /// One bit a part.
  package let rawValue: Int

  /// A combination of parts.
  package init(rawValue: Int) { self.rawValue = rawValue }

  /// Widths of inputs and weights are brought closer to each other.
  package static let balance = Recipe(rawValue: 1)
  /// Inputs are rotated.
  package static let rotation = Recipe(rawValue: 2)
  /// Half of the inputs change sign before they are rotated.
  package static let signs = Recipe(rawValue: 4)
  /// GPTQ-style error compensation: each weight is rounded to offset the rounding errors of the weights
  /// before it.
  package static let compensation = Recipe(rawValue: 8)

  /// All parts.
  package static let standard: Recipe = [.balance, .rotation, .signs, .compensation]

  /// Raised whenever the same model and texts give other bytes.
  package static let version = 1

  private static let omissions: [(name: String, part: Recipe)] = [
    ("no-balance", .balance), ("no-rotation", .rotation), ("no-signs", .signs),
    ("nearest", .compensation),
  ]

  /// Reads `no-rotation,nearest`: what to leave out, separated by commas.
  ///
  /// - Throws: `usage` for an unknown part.
  package static func parse(_ text: String) throws(BertError) -> Recipe {
    var recipe = standard
    for name in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let omission = omissions.first(where: { $0.name == name }) else {
        throw BertError(
          .usage,
          "'\(name)' is nothing that a recipe can leave out; there are: "
            + omissions.map(\.name).joined(separator: ", "))
      }
      recipe.remove(omission.part)
    }
    return recipe
  }

  /// What is left out, as `parse` takes it; empty for the standard recipe.
  package var omitted: String {
    Self.omissions.filter { !contains($0.part) }.map(\.name).joined(separator: ",")
  }

  /// The rotation of a site's inputs.
  package func rotation(_ site: LinearSite, inputs: Int) -> Rotation {
    contains(.rotation) ? .standard(site, inputs: inputs) : []
  }

  /// Balance and signs of a linear's inputs, by its inputs' and its weights' energies.
  func balance(inputs: [Double], weights: [Double]) -> [Float] {
    let factors = Balance.factors(
      inputs: inputs, weights: weights, exponent: contains(.balance) ? Balance.exponent : 0)
    return signed(factors)
  }

  /// The factors with the recipe's signs.
  func signed(_ factors: [Float]) -> [Float] {
    contains(.signs) ? zip(factors, Rotation.signs(factors.count)).map { $0 * $1 } : factors
  }
}
