import BertErrors
import BertKernels
import BertModel

/// Makes one vector of a text's hidden states, by a recipe: pooling, modules, dimensions.
///
/// Any number of threads may ask it for vectors.
package struct Pooler {
  /// How vectors are made.
  package let recipe: EmbeddingRecipe
  private let source: any WeightSource
  private let hiddenSize: Int
  private let kernels: KernelSet
  /// Nil where no pooling needs it.
  private let pooler: bk_linear_f32?
  /// Those of the dense modules, by their places among the modules.
  private let linears: [Int: bk_linear_f32]

  /// Prepares for a recipe: the pooler and dense modules need weights, which are verified now.
  ///
  /// - Throws: `unsupported` when the model has no pooler and one is asked for; `malformed` for
  ///   missing or damaged tensors.
  package init(
    _ recipe: EmbeddingRecipe, source: any WeightSource, kernels: KernelSet
  ) throws(BertError) {
    self.recipe = recipe
    self.source = source
    self.kernels = kernels
    let size = source.model.configuration.hiddenSize
    hiddenSize = size
    if recipe.poolings.contains(.pooler) {
      guard source.find(CanonicalName.pooler + FloatPart.weight) != nil else {
        throw BertError(
          .unsupported, "the model has no pooler; ask for its tokens or its embedding instead")
      }
      pooler = try Self.linear(CanonicalName.pooler, outputs: size, inputs: size, from: source)
    } else {
      pooler = nil
    }
    var linears: [Int: bk_linear_f32] = [:]
    for (index, module) in recipe.modules.enumerated() {
      guard case .dense(let outputs, _) = module else { continue }
      linears[index] = try Self.linear(
        CanonicalName.module(index), outputs: outputs,
        inputs: recipe.width(after: index, hiddenSize: size), from: source)
    }
    self.linears = linears
  }

  /// Prepares for one pooling, with nothing behind it.
  package init(
    _ pooling: Pooling, source: any WeightSource, kernels: KernelSet
  ) throws(BertError) {
    try self.init(EmbeddingRecipe(pooling), source: source, kernels: kernels)
  }

  private static func linear(
    _ stem: String, outputs: Int, inputs: Int, from source: any WeightSource
  ) throws(BertError) -> bk_linear_f32 {
    let weight = try source.require(
      stem + FloatPart.weight, .float32, [outputs, inputs], .floatPanels)
    let bias = try source.require(stem + FloatPart.bias, .float32, [outputs])
    return bk_linear_f32(
      outputs: outputs, depth: inputs, weights: weight.floats, bias: bias.floats)
  }

  /// Numbers of a vector.
  package var width: Int { recipe.width(hiddenSize: hiddenSize) }

  /// The vector of a text.
  ///
  /// - Parameters:
  ///   - states: the pass that computed the text.
  ///   - tokens: the text's tokens in the batch.
  ///   - promptTokens: how many of them belong to a prompt, `[CLS]` included; they are left out
  ///     where the recipe says so.
  /// - Throws: `notFinite` when a value is NaN or infinite: the weights overflow. `malformed` when nothing is
  ///   left behind the prompt.
  package func vector(
    _ states: BertEncoder.HiddenStates, tokens: Range<Int>, promptTokens: Int = 0
  ) throws(BertError) -> [Float] {
    let skipped = recipe.poolsPrompt ? 0 : promptTokens
    guard skipped < tokens.count else {
      throw BertError(.malformed, "a text has no token behind its prompt")
    }
    var vector: [Float] = []
    for pooling in recipe.poolings {
      vector += try pool(pooling, states, tokens, skipped)
    }
    for (index, module) in recipe.modules.enumerated() {
      switch module {
      case .normalize: try normalize(&vector)
      case .dense(_, let activation):
        if let linear = linears[index] { vector = try apply(linear, activation, to: vector) }
      }
    }
    if let dimensions = recipe.dimensions { vector.removeLast(vector.count - dimensions) }
    return vector
  }

  private func pool(
    _ pooling: Pooling, _ states: BertEncoder.HiddenStates, _ tokens: Range<Int>, _ skipped: Int
  ) throws(BertError) -> [Float] {
    let size = hiddenSize
    if pooling == .pooler, let pooler {
      let first = UnsafeBufferPointer(start: states.row(tokens.lowerBound), count: size)
      // tanh would turn an infinity into a plausible 1.
      try Self.requireFinite(first)
      return try apply(pooler, .tanh, to: Array(first))
    }
    let pooled =
      switch pooling {
      case .pooler: tokens.prefix(1)
      case .cls: tokens.dropFirst(skipped).prefix(1)
      case .lastToken: tokens.suffix(1)
      case .mean, .max, .meanSqrtLength, .weightedMean: tokens.dropFirst(skipped)
      }
    let rows = PooledRows(
      start: states.row(pooled.lowerBound), stride: states.stride, count: pooled.count,
      skipped: skipped, width: size)
    // A comparison passes NaN over.
    if pooling == .max {
      for row in 0..<rows.count {
        try Self.requireFinite(UnsafeBufferPointer(start: rows[row], count: size))
      }
    }
    let vector = [Float](unsafeUninitializedCapacity: roundUp(size, to: BK_PANEL)) {
      buffer, count in
      guard let out = buffer.baseAddress else { return }
      count = size
      switch pooling {
      case .mean: kernels.calls.mean_rows(rows.start, rows.stride, rows.count, size, out)
      case .max: rows.largest(into: out)
      case .meanSqrtLength:
        rows.sum(into: out)
        let root = Float(rows.count).squareRoot()
        for k in 0..<size { out[k] /= root }
      case .weightedMean:
        rows.weightedSum(into: out)
        for k in 0..<size { out[k] /= rows.weights }
      case .cls, .lastToken, .pooler: out.update(from: rows.start, count: size)
      }
    }
    try Self.requireFinite(vector)
    return vector
  }

  /// A linear, and what follows it.
  private func apply(
    _ linear: bk_linear_f32, _ activation: OutputActivation, to vector: [Float]
  ) throws(BertError) -> [Float] {
    var result = multiply(linear, vector, BK_ACT_NONE)
    // What follows could hide an infinity.
    try Self.requireFinite(result)
    switch activation {
    case .identity: break
    case .tanh:
      let width = result.count
      result.withUnsafeMutableBufferPointer { buffer in
        if let out = buffer.baseAddress { kernels.calls.tanh_row(out, width) }
      }
    case .relu: result = multiply(linear, vector, BK_ACT_RELU)
    case .gelu: result = multiply(linear, vector, BK_ACT_GELU)
    case .geluTanh: result = multiply(linear, vector, BK_ACT_GELU_TANH)
    case .sigmoid: result = result.map(ContractMath.sigmoid)
    case .silu: result = result.map { $0 * ContractMath.sigmoid($0) }
    }
    return result
  }

  private func multiply(
    _ linear: bk_linear_f32, _ vector: [Float], _ activation: bk_activation
  ) -> [Float] {
    var linear = linear
    var panels = bk_panels(columns: 0..<linear.outputs)
    var result = [Float](unsafeUninitializedCapacity: panels.width) { buffer, count in
      var output = bk_output(buffer.baseAddress, stride: panels.width, activation: activation)
      kernels.calls.linear_f32(&linear, vector, vector.count, 1, &panels, 1, &output)
      count = panels.width
    }
    result.removeLast(result.count - linear.outputs)
    return result
  }

  private func normalize(_ vector: inout [Float]) throws(BertError) {
    guard vector.contains(where: { $0 != 0 }) else { return }
    let width = vector.count
    vector.withUnsafeMutableBufferPointer { buffer in
      if let out = buffer.baseAddress { kernels.calls.normalize_row(out, width) }
    }
    // A length beyond float32 makes zeros of everything.
    if !vector.contains(where: { $0 != 0 }) { throw Self.overflow }
  }

  private static let overflow = BertError(
    .notFinite, "the result holds NaN or infinity: the model's weights overflow float32")

  private static func requireFinite(_ values: some Sequence<Float>) throws(BertError) {
    if !values.allSatisfy(\.isFinite) { throw overflow }
  }
}
