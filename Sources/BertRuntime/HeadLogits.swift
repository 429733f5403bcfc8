import BertErrors
import BertKernels
import BertModel

/// The scores that a model's head gives: float32 in both paths.
package final class HeadLogits {
  /// What the head answers.
  package let head: HeadKind
  /// Whether it scores each token, or the text as a whole.
  package let scoresTokens: Bool
  /// Scores of one text or token.
  package let width: Int

  private let source: any WeightSource
  private let calls: bk_kernels
  private let pooler: Pooler?
  private let transform: (linear: HeadLinear, gain: TensorView, bias: TensorView)?
  private let output: HeadLinear

  /// Prepares the head that the model's task asks for; nil when it has none.
  ///
  /// - Throws: `malformed` for missing or damaged tensors.
  package init?(source: any WeightSource, kernels: KernelSet) throws(BertError) {
    let model = source.model
    let size = model.configuration.hiddenSize
    let stem: String
    switch model.task {
    case .classify: (head, stem, scoresTokens) = (.classifier, CanonicalName.classifier, false)
    case .tag: (head, stem, scoresTokens) = (.classifier, CanonicalName.classifier, true)
    case .nextSentence:
      (head, stem, scoresTokens) = (.nextSentence, CanonicalName.nextSentence, false)
    case .answer: (head, stem, scoresTokens) = (.answer, CanonicalName.answer, true)
    case .fillMask: (head, stem, scoresTokens) = (.maskedWords, CanonicalName.maskedDecoder, true)
    case .embedding, .tokens, .pooled: return nil
    }
    self.source = source
    calls = kernels.calls
    pooler = scoresTokens ? nil : try Pooler(.pooler, source: source, kernels: kernels)
    guard let bias = source.find(stem + ".bias"), let width = bias.shape.first else {
      throw BertError(.malformed, "is missing; the head needs it", tensor: stem + ".bias")
    }
    self.width = width
    let untied = source.find(stem + ".weight") != nil || head != .maskedWords
    output = try HeadLinear(
      weight: untied ? stem + ".weight" : CanonicalName.wordEmbeddings, bias: stem + ".bias",
      outputs: width, inputs: size, from: source)
    guard head == .maskedWords else {
      transform = nil
      return
    }
    let first = CanonicalName.maskedTransform
    transform = (
      try HeadLinear(
        weight: first + ".weight", bias: first + ".bias", outputs: size, inputs: size,
        from: source),
      try source.require(CanonicalName.maskedNorm + ".weight", .float32, [size]),
      try source.require(CanonicalName.maskedNorm + ".bias", .float32, [size])
    )
  }

  /// The scores of a text, or of each of its tokens in turn: rows of `width`.
  ///
  /// - Throws: `malformed` when a value is NaN or infinite.
  package func logits(
    _ states: BertEncoder.HiddenStates, tokens: Range<Int>
  ) throws(BertError) -> [Float] {
    if let pooler {
      let pooled = try pooler.vector(states, tokens: tokens, normalizes: false)
      return output.apply(pooled, calls)
    }
    let size = source.model.configuration.hiddenSize
    var all: [Float] = []
    for token in tokens {
      var row = Array(UnsafeBufferPointer(start: states.row(token), count: size))
      if let transform {
        row = transform.linear.apply(row, calls, activation: bk_activation(activation))
        calls.norm_rows(
          row, size, 1, size, transform.gain.floats, transform.bias.floats,
          source.model.configuration.layerNormEpsilon, &row, size)
      }
      all += output.apply(row, calls)
    }
    return all
  }

  private var activation: Activation { source.model.configuration.activation }
}

/// A linear whose weights lie row-major in the file, laid out for the kernels in memory.
private struct HeadLinear {
  private let panels: AlignedBuffer
  private let bias: TensorView
  private let outputs: Int
  private let inputs: Int

  init(
    weight: String, bias: String, outputs: Int, inputs: Int, from source: any WeightSource
  ) throws(BertError) {
    let view = try source.require(weight, .float32, [outputs, inputs])
    self.bias = try source.require(bias, .float32, [outputs])
    self.outputs = outputs
    self.inputs = inputs
    panels = try AlignedBuffer(
      checkedFloats: roundUp(outputs, to: BK_PANEL) * inputs,
      for: "the weights of the model's head",
      advice: "leave the drift out")
    bk_pack_f32(view.floats, outputs, inputs, panels.floats)
  }

  func apply(
    _ row: [Float], _ calls: bk_kernels, activation: bk_activation = BK_ACT_NONE
  ) -> [Float] {
    var all = bk_panels(columns: 0..<outputs)
    var linear = bk_linear_f32(
      outputs: outputs, depth: inputs, weights: panels.floats, bias: bias.floats)
    let result = [Float](unsafeUninitializedCapacity: all.width) { buffer, count in
      var output = bk_output(buffer.baseAddress, stride: all.width, activation: activation)
      calls.linear_f32(&linear, row, inputs, 1, &all, 1, &output)
      count = all.width
    }
    return Array(result[..<outputs])
  }
}
