import BertErrors

/// How a text's token vectors become one vector; `formats/bertq.md` gives the arithmetic of each.
package enum Pooling: String, Sendable, CaseIterable {
  /// The mean over all tokens, `[CLS]` and `[SEP]` included.
  case mean
  /// The vector of `[CLS]`.
  case cls
  /// The pooler: tanh of a linear over the vector of `[CLS]`.
  case pooler
  /// The largest value of each column.
  case max
  /// The sum over all tokens, divided by the root of their number.
  case meanSqrtLength = "mean_sqrt_len"
  /// The mean with the tokens' positions, from 1 on, as weights.
  case weightedMean = "weightedmean"
  /// The vector of the last token.
  case lastToken = "lasttoken"
}

/// What a linear outside the encoder's layers is followed by.
package enum OutputActivation: String, Sendable, CaseIterable {
  /// Nothing.
  case identity
  /// The hyperbolic tangent.
  case tanh
  /// max(x, 0).
  case relu
  /// x·Φ(x).
  case gelu
  /// The tanh approximation of it.
  case geluTanh = "gelu_new"
  /// 1 / (1 + e⁻ˣ).
  case sigmoid
  /// x · sigmoid(x).
  case silu

  /// What an encoder has between its linears.
  package init(_ activation: Activation) {
    switch activation {
    case .gelu: self = .gelu
    case .geluTanh: self = .geluTanh
    case .relu: self = .relu
    case .silu: self = .silu
    }
  }
}

/// One step after pooling.
package enum EmbeddingModule: Equatable, Sendable {
  /// A linear with as many outputs, and what follows it.
  case dense(outputs: Int, OutputActivation)
  /// Scaling to length 1.
  case normalize
}

/// How an embedding is made of a text's token vectors, from pooling to the last module.
package struct EmbeddingRecipe: Equatable, Sendable {
  /// One or several poolings, whose vectors are put end to end.
  package var poolings: [Pooling] = [.mean]
  /// Whether the tokens of a prompt take part in pooling.
  package var poolsPrompt = true
  /// What is done to the pooled vector, in order.
  package var modules: [EmbeddingModule] = []
  /// How many of the result's numbers are kept; nil for all.
  package var dimensions: Int?

  /// The mean over all tokens.
  package init() {}

  /// One pooling, and perhaps scaling to length 1.
  package init(_ pooling: Pooling, normalizes: Bool = false) {
    poolings = [pooling]
    modules = normalizes ? [.normalize] : []
  }

  /// Whether the whole vector has length 1.
  package var normalizes: Bool { modules.last == .normalize }

  /// The width of the vector after so many modules, of a model of this hidden size.
  package func width(after modules: Int, hiddenSize: Int) -> Int {
    var width = poolings.count * hiddenSize
    for case .dense(let outputs, _) in self.modules.prefix(modules) { width = outputs }
    return width
  }

  /// The width of an embedding of a model of this hidden size.
  package func width(hiddenSize: Int) -> Int {
    let whole = width(after: modules.count, hiddenSize: hiddenSize)
    return dimensions ?? whole
  }

  /// The most poolings, and the most modules.
  package static let mostSteps = 16

  /// Refuses recipes that are impossible or beyond the limits.
  ///
  /// - Throws: `malformed` when values contradict each other, `unsupported` beyond a limit.
  package func validate(hiddenSize: Int) throws(BertError) {
    guard (1...Self.mostSteps).contains(poolings.count), modules.count <= Self.mostSteps else {
      throw BertError(
        .malformed,
        "has \(poolings.count) poolings and \(modules.count) modules; expected 1 to "
          + "\(Self.mostSteps) and at most \(Self.mostSteps)")
    }
    for case .dense(let outputs, _) in modules
    where !(1...BertConfiguration.largestWidth).contains(outputs) {
      throw BertError(
        .malformed,
        "has a dense module of \(outputs) outputs; expected 1 to \(BertConfiguration.largestWidth)")
    }
    let whole = width(after: modules.count, hiddenSize: hiddenSize)
    if let dimensions, !(1...whole).contains(dimensions) {
      throw BertError(.malformed, "keeps \(dimensions) dimensions of vectors of \(whole)")
    }
  }

  /// The tensors of the dense modules.
  package func tensors(hiddenSize: Int) -> [TensorRequirement] {
    modules.indices.flatMap { index -> [TensorRequirement] in
      guard case .dense(let outputs, _) = modules[index] else { return [] }
      return TensorRequirement.linear(
        CanonicalName.module(index), outputs: outputs,
        inputs: width(after: index, hiddenSize: hiddenSize))
    }
  }
}

extension CanonicalName {
  /// The stem of a dense module after pooling, by its place among the modules: `.weight`
  /// `[outputs, inputs]`, `.bias` `[outputs]`.
  package static func module(_ index: Int) -> String { "module.\(index)" }
}

/// Words put before a text, by name.
package struct Prompt: Equatable, Sendable {
  /// What it is asked for by.
  package var name: String
  /// What is put before the text.
  package var text: String

  /// Makes a prompt.
  package init(_ name: String, _ text: String) {
    self.name = name
    self.text = text
  }
}
