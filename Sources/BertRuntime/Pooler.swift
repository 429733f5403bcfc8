import BertErrors
import BertKernels
import BertModel

/// Makes one vector of a text's hidden states.
///
/// Any number of threads may ask it for vectors.
package struct Pooler {
  private let source: any WeightSource
  private let configuration: BertConfiguration
  private let kernels: KernelSet
  private let linear: bk_linear_f32?

  /// Prepares for a kind of pooling; only `.pooler` needs weights.
  ///
  /// - Throws: `unsupported` when the model has no pooler and one is asked for.
  package init(
    _ pooling: Pooling, source: any WeightSource, kernels: KernelSet
  ) throws(BertError) {
    self.pooling = pooling
    self.source = source
    self.kernels = kernels
    let c = source.model.configuration
    configuration = c
    guard pooling == .pooler else {
      linear = nil
      return
    }
    guard source.find(CanonicalName.pooler + ".weight") != nil else {
      throw BertError(
        .unsupported, "the model has no pooler; ask for its tokens or its embedding instead")
    }
    let size = c.hiddenSize
    let weight = try source.require(
      CanonicalName.pooler + ".weight", .float32, [size, size], .floatPanels)
    let bias = try source.require(CanonicalName.pooler + ".bias", .float32, [size])
    linear = bk_linear_f32(outputs: size, depth: size, weights: weight.floats, bias: bias.floats)
  }

  /// How the vector is made.
  package let pooling: Pooling

  /// The vector of a text.
  ///
  /// - Parameters:
  ///   - states: the pass that computed the text.
  ///   - tokens: the text's tokens in the batch.
  ///   - normalizes: scales the vector to length 1.
  /// - Throws: `malformed` when a value is NaN or infinite: the weights overflow.
  package func vector(
    _ states: BertEncoder.HiddenStates, tokens: Range<Int>, normalizes: Bool
  ) throws(BertError) -> [Float] {
    let width = configuration.hiddenSize
    let first = states.row(tokens.lowerBound)
    let calls = kernels.calls
    // The pooler's tanh would turn an infinity into a plausible 1.
    if pooling == .pooler {
      try Self.requireFinite(UnsafeBufferPointer(start: first, count: width))
    }
    var vector = [Float](repeating: 0, count: roundUp(width, to: BK_PANEL))
    vector.withUnsafeMutableBufferPointer { buffer in
      guard let out = buffer.baseAddress else { return }
      switch pooling {
      case .mean: calls.mean_rows(first, states.stride, tokens.count, width, out)
      case .cls: out.update(from: first, count: width)
      case .pooler:
        guard var linear else { return }
        var output = bk_output(out, stride: buffer.count)
        var panels = bk_panels(columns: 0..<width)
        calls.linear_f32(&linear, first, states.stride, 1, &panels, 1, &output)
        calls.tanh_row(out, width)
      }
    }
    vector.removeLast(vector.count - width)
    try Self.requireFinite(vector)
    guard normalizes, vector.contains(where: { $0 != 0 }) else { return vector }
    vector.withUnsafeMutableBufferPointer { buffer in
      if let out = buffer.baseAddress { calls.normalize_row(out, width) }
    }
    // A length beyond float32 makes zeros of everything.
    if !vector.contains(where: { $0 != 0 }) { throw Self.overflow }
    return vector
  }

  private static let overflow = BertError(
    .malformed, "the result holds NaN or infinity: the model's weights overflow float32")

  private static func requireFinite(_ values: some Sequence<Float>) throws(BertError) {
    if !values.allSatisfy(\.isFinite) { throw overflow }
  }
}

extension Pooling {
  /// The rows of a text that its vector is made of.
  package var wanted: WantedRows {
    switch self {
    case .mean: .all
    case .cls, .pooler: .first
    }
  }
}
