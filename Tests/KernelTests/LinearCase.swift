import BertKernels

/// Inputs of one linear, int8 or float, at exact sizes.
final class LinearCase {
  let rows: Int
  let outputs: Int
  let depth: Int
  let hasResidual: Bool
  let activation: bk_activation

  let rowStride: Int
  let outStride: Int
  let residualStride: Int
  let weights: [Int8]
  let floatWeights: [Float]
  let packed: GuardedMemory<Int8>
  let packedFloat: GuardedMemory<Float>
  let scale: GuardedMemory<Float>
  let columnSum: GuardedMemory<Float>
  let bias: GuardedMemory<Float>
  let q: GuardedMemory<UInt8>
  let x: GuardedMemory<Float>
  let rowScales: GuardedMemory<Float>
  let residual: GuardedMemory<Float>

  var panels: Int { (outputs + 31) / 32 }
  var groups: Int { (depth + 3) / 4 }

  init(
    rows: Int, outputs: Int, depth: Int, seed: Int, weightKind: ByteKind = .any,
    rowKind: ByteKind = .any, floatKind: FloatKind = .ordinary, hasResidual: Bool? = nil,
    activation: bk_activation? = nil, withFloat: Bool = true
  ) {
    var random = SeededRandom(seed)
    self.rows = rows
    self.outputs = outputs
    self.depth = depth
    // A residual goes with no activation.
    let drawn = bk_activation(UInt32(max(random.below(7) - 3, 0)))
    self.activation = activation ?? (hasResidual == true ? BK_ACT_NONE : drawn)
    self.hasResidual = hasResidual ?? (self.activation == BK_ACT_NONE && random.below(2) == 1)
    precondition(!self.hasResidual || self.activation == BK_ACT_NONE)
    let panels = (outputs + 31) / 32
    let groups = (depth + 3) / 4
    rowStride = 4 * (groups + random.below(3))
    outStride = panels * 32 + random.below(3)
    residualStride = outputs + random.below(3)

    weights = weightKind.weights(outputs * depth, &random)
    packed = GuardedMemory(count: panels * groups * 128)
    bk_pack_s8(weights, outputs, depth, packed.base)
    scale = GuardedMemory(FloatKind.ordinary.values(outputs, &random).map { $0 * 0x1p-9 })
    bias = GuardedMemory(FloatKind.ordinary.values(outputs, &random))
    columnSum = GuardedMemory(count: outputs)
    for n in 0..<outputs {
      var sum = 0
      for k in 0..<depth { sum += Int(weights[n * depth + k]) }
      columnSum.base[n] = Float(sum)
    }
    q = GuardedMemory(rowKind.rows((rows - 1) * rowStride + 4 * groups, &random))
    rowScales = GuardedMemory(FloatKind.ordinary.values(rows, &random))

    floatWeights = withFloat ? FloatKind.ordinary.values(outputs * depth, &random) : []
    packedFloat = GuardedMemory(count: withFloat ? panels * depth * 32 : 0)
    if withFloat { bk_pack_f32(floatWeights, outputs, depth, packedFloat.base) }
    x = GuardedMemory(withFloat ? floatKind.values((rows - 1) * rowStride + depth, &random) : [])

    residual = GuardedMemory(
      FloatKind.ordinary.values(
        self.hasResidual ? (rows - 1) * residualStride + outputs : 0, &random))
  }

  /// Runs some panels of some rows, all by default, in int8 or float; returns the bits of `out`.
  func run(
    _ calls: bk_kernels, float: Bool, panels chosen: Range<Int>? = nil, rows some: Range<Int>? = nil
  ) -> [UInt32] {
    let chosen = chosen ?? 0..<panels
    let some = some ?? 0..<rows
    let out = GuardedMemory<Float>(count: (some.count - 1) * outStride + panels * 32)
    // A linear writes its first panel first; here each has its place.
    let column = chosen.lowerBound * 32
    var output = bk_output(
      out: out.base + column, stride: outStride, residual: nil, residual_stride: 0,
      activation: activation)
    if hasResidual {
      output.residual = UnsafePointer(residual.base + some.lowerBound * residualStride + column)
      output.residual_stride = residualStride
    }
    run(calls, float: float, panels: chosen, rows: some, into: &output)
    return bits(out.elements)
  }

  /// Runs some panels of some rows, all by default, into a destination of the caller's.
  func run(
    _ calls: bk_kernels, float: Bool, panels chosen: Range<Int>? = nil,
    rows some: Range<Int>? = nil, into output: inout bk_output
  ) {
    let chosen = chosen ?? 0..<panels
    let some = some ?? 0..<rows
    var range = bk_panels(first: chosen.lowerBound, last: chosen.upperBound)
    if float {
      var linear = bk_linear_f32(
        outputs: outputs, depth: depth, weights: packedFloat.base, bias: bias.base)
      calls.linear_f32(
        &linear, x.base + some.lowerBound * rowStride, rowStride, some.count, &range, 1, &output)
    } else {
      runInt8(calls, range, some, &output)
    }
  }

  private func runInt8(
    _ calls: bk_kernels, _ panels: bk_panels, _ some: Range<Int>, _ output: inout bk_output
  ) {
    var linear = bk_linear_s8(
      outputs: outputs, groups: groups, weights: packed.base, scale: scale.base,
      column_sum: columnSum.base, bias: bias.base)
    let scratch = guardedScratch(calls.linear_s8_scratch(some.count, groups))
    var range = panels
    calls.linear_s8(
      &linear, q.base + some.lowerBound * rowStride, rowStride, rowScales.base + some.lowerBound,
      some.count, &range, 1, &output, nil, scratch.base)
  }
}
