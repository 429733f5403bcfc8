import BertKernels
import BertModel

extension bk_panels {
  /// The panels that hold some columns of a linear's output.
  init(columns: Range<Int>) {
    self.init(
      first: columns.lowerBound / BK_PANEL,
      last: (columns.upperBound + BK_PANEL - 1) / BK_PANEL)
  }

  /// Floats of a row that they give.
  var width: Int { (last - first) * BK_PANEL }
}

extension bk_output {
  /// Rows of floats, `stride` apart, that nothing is added to.
  init(
    _ out: UnsafeMutablePointer<Float>?, stride: Int, activation: bk_activation = BK_ACT_NONE
  ) {
    self.init(
      out: out, stride: stride, residual: nil, residual_stride: 0, activation: activation)
  }

  /// Rows of floats, `stride` apart, which the linear's output is added to.
  init(addingTo rows: UnsafeMutablePointer<Float>, stride: Int) {
    self.init(
      out: rows, stride: stride, residual: rows, residual_stride: stride,
      activation: BK_ACT_NONE)
  }
}

extension bk_activation {
  /// The kernels' name for a model's nonlinearity.
  init(_ activation: Activation) {
    switch activation {
    case .gelu: self = BK_ACT_GELU
    case .geluTanh: self = BK_ACT_GELU_TANH
    case .relu: self = BK_ACT_RELU
    // It has no linear of its own kind: `bk_gate` is what follows one.
    case .silu: self = BK_ACT_NONE
    }
  }
}

extension bk_gate {
  /// The kernels' name for the nonlinearity of a gate.
  ///
  /// - Parameter isCoarse: whether an int8 linear makes the gate.
  init(_ activation: Activation, isCoarse: Bool) {
    switch activation {
    case .gelu: self = isCoarse ? BK_GATE_GELU_COARSE : BK_GATE_GELU
    case .geluTanh: self = BK_GATE_GELU_TANH
    case .relu: self = BK_GATE_RELU
    case .silu: self = BK_GATE_SILU
    }
  }
}
