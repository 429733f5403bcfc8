import BertErrors
import BertKernels
import BertModel

/// A linear before a head's own, what follows it, and perhaps a norm: the pooler, or a classifier's first linear.
struct HeadFront {
  private let source: HeadSource
  private let linear: HeadLinear
  /// Part of the linear's kernel; none where it is a tanh behind it.
  private let activation: bk_activation
  private let endsInTanh: Bool
  private let norm: NormWeights?

  /// The pooler: a linear and tanh.
  ///
  /// - Throws: `unsupported` when the model has none.
  init(poolerOf source: HeadSource) throws(BertError) {
    let stems = [FloatPart.weight, QuantizedPart.weight].map { CanonicalName.pooler + $0 }
    if stems.allSatisfy({ source.weights.find($0) == nil }) {
      throw BertError(.unsupported, "the model has no pooler, which its head reads")
    }
    try self.init(CanonicalName.pooler, .tanh, norm: nil, source)
  }

  /// A classifier's first linear, and the norm behind it where there is one.
  ///
  /// - Throws: `unsupported` for an activation that is not computed here.
  init(denseOf source: HeadSource, _ activation: OutputActivation) throws(BertError) {
    let norm = CanonicalName.classifierNorm
    let hasNorm = source.weights.find(norm + FloatPart.weight) != nil
    try self.init(
      CanonicalName.classifierDense, activation, norm: hasNorm ? try source.norm(norm) : nil,
      source)
  }

  private init(
    _ stem: String, _ activation: OutputActivation, norm: NormWeights?, _ source: HeadSource
  ) throws(BertError) {
    self.source = source
    self.norm = norm
    endsInTanh = activation == .tanh
    switch activation {
    case .identity, .tanh: self.activation = BK_ACT_NONE
    case .relu: self.activation = BK_ACT_RELU
    case .gelu: self.activation = BK_ACT_GELU
    case .geluTanh: self.activation = BK_ACT_GELU_TANH
    case .sigmoid, .silu:
      throw BertError(
        .unsupported,
        "the model's classifier has a linear with '\(activation.rawValue)' in front; identity, tanh, "
          + "relu, gelu and gelu_new are computed")
    }
    let size = source.configuration.hiddenSize
    linear = try HeadLinear(stem, outputs: size, inputs: size, from: source)
  }

  /// What a head's own linear reads of some rows, in memory that holds until the next call.
  func transformed(_ x: HeadRows) throws(BertError) -> HeadRows {
    let size = source.configuration.hiddenSize
    // An infinity makes the linear's outputs so, or NaN, which it refuses: tanh never sees one.
    let (rows, base) = try source.transformed(x.count)
    try linear.write(x, activation: activation, to: base, stride: rows.stride)
    if endsInTanh {
      for row in 0..<x.count { source.kernels.calls.tanh_row(base + row * rows.stride, size) }
    }
    if let norm {
      source.kernels.calls.norm_rows(
        base, rows.stride, rows.count, size, norm.weight, norm.bias,
        source.configuration.layerNormEpsilon, base, rows.stride)
    }
    return rows
  }
}

extension HeadSource {
  /// What stands before a classifier's linear of logits; nil where that reads hidden states themselves.
  ///
  /// - Parameter ofTexts: whether the classifier reads one vector of a text, or each token's.
  /// - Throws: `unsupported` for what is not computed here.
  func classifierFront(ofTexts: Bool) throws(BertError) -> HeadFront? {
    let settings = settings
    let input = settings.input
    if ofTexts, input == .pooler, settings.denseActivation != nil {
      throw BertError(
        .unsupported,
        "the model's classifier reads 'pooler' through a linear of its own; that of 'cls' or 'mean' is computed"
      )
    }
    if let activation = settings.denseActivation {
      return try HeadFront(denseOf: self, activation)
    }
    return ofTexts && input == .pooler ? try HeadFront(poolerOf: self) : nil
  }
}
