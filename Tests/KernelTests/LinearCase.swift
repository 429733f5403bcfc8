import BertKernels

/// What a linear and the quantising after it wrote.
struct LinearResult: Equatable {
  var out: [UInt32]
  var range: [UInt32] = []
  var q: [UInt8] = []
  var scales: [UInt32] = []
}

/// What follows the products of a linear under test.
enum LinearTail: CaseIterable {
  case nothing, residual, next
}

/// Inputs of one linear, int8 or float, at exact sizes.
final class LinearCase {
  let rows: Int
  let outputs: Int
  let depth: Int
  let tail: LinearTail
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
  let nextMultiplier: GuardedMemory<Float>
  let nextShift: GuardedMemory<Float>
  let nextDither: GuardedMemory<Float>
  let nextSource: GuardedMemory<Int32>

  var panels: Int { (outputs + 31) / 32 }
  var groups: Int { (depth + 3) / 4 }
  var extra: Int { nextSource.count }

  init(
    rows: Int, outputs: Int, depth: Int, seed: Int, weightKind: ByteKind = .any,
    rowKind: ByteKind = .any, floatKind: FloatKind = .ordinary, tail: LinearTail? = nil,
    activation: bk_activation? = nil, withFloat: Bool = true
  ) {
    var random = SeededRandom(seed)
    self.rows = rows
    self.outputs = outputs
    self.depth = depth
    self.tail = tail ?? LinearTail.allCases[random.below(3)]
    self.activation = activation ?? bk_activation(UInt32(random.below(4)))
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
    rowScales = GuardedMemory(FloatKind.ordinary.values(2 * rows, &random))

    floatWeights = withFloat ? FloatKind.ordinary.values(outputs * depth, &random) : []
    packedFloat = GuardedMemory(count: withFloat ? panels * depth * 32 : 0)
    if withFloat { bk_pack_f32(floatWeights, outputs, depth, packedFloat.base) }
    x = GuardedMemory(withFloat ? floatKind.values((rows - 1) * rowStride + depth, &random) : [])

    let hasResidual = self.tail == .residual
    residual = GuardedMemory(
      FloatKind.ordinary.values(
        hasResidual ? (rows - 1) * residualStride + outputs : 0, &random))
    let hasNext = self.tail == .next
    let extra = hasNext ? random.below(3) * random.below(20) : 0
    nextMultiplier = GuardedMemory(FloatKind.ordinary.values(hasNext ? outputs : 0, &random))
    nextShift = GuardedMemory(FloatKind.ordinary.values(hasNext ? outputs : 0, &random))
    nextDither = GuardedMemory(
      FloatKind.ordinary.values(hasNext ? outputs + extra : 0, &random).map { $0 * 0.1 })
    var source: [Int32] = []
    for _ in 0..<extra { source.append(Int32(random.below(outputs))) }
    nextSource = GuardedMemory(source)
  }

  var nextInput: bk_input {
    bk_input(
      depth: outputs, extra: extra, multiplier: nextMultiplier.base, shift: nextShift.base,
      dither: nextDither.base, source: nextSource.base)
  }

  /// Runs some panels of some rows, all by default, in int8 or float.
  func run(
    _ calls: bk_kernels, float: Bool, panels chosen: Range<Int>? = nil, rows some: Range<Int>? = nil
  ) -> LinearResult {
    let chosen = chosen ?? 0..<panels
    let some = some ?? 0..<rows
    let out = GuardedMemory<Float>(count: (some.count - 1) * outStride + panels * 32)
    let range = GuardedMemory<Float>(count: tail == .next ? some.count * 32 : 0)
    var output = bk_output(
      out: out.base, stride: outStride, residual: nil, residual_stride: 0, activation: activation,
      next: nil, range: nil)
    if tail == .residual {
      output.residual = UnsafePointer(residual.base + some.lowerBound * residualStride)
      output.residual_stride = residualStride
    }
    return withUnsafePointer(to: nextInput) { next in
      if tail == .next {
        output.next = next
        output.range = range.base
        calls.reset_ranges(range.base, some.count)
      }
      if float {
        var linear = bk_linear_f32(
          outputs: outputs, depth: depth, weights: packedFloat.base, bias: bias.base)
        calls.linear_f32(
          &linear, x.base + some.lowerBound * rowStride, rowStride, some.count, chosen.lowerBound,
          chosen.upperBound, &output)
      } else {
        runInt8(calls, chosen, some, &output)
      }
      var result = LinearResult(out: bits(out.elements), range: bits(range.elements))
      if tail == .next, chosen == 0..<panels {
        quantize(calls, next, some.count, out, range, &result)
      }
      return result
    }
  }

  private func runInt8(
    _ calls: bk_kernels, _ chosen: Range<Int>, _ some: Range<Int>, _ output: inout bk_output
  ) {
    var linear = bk_linear_s8(
      outputs: outputs, groups: groups, weights: packed.base, scale: scale.base,
      column_sum: columnSum.base, bias: bias.base)
    let scratch = guardedScratch(calls.linear_s8_scratch(some.count, groups))
    rowScales.base.withMemoryRebound(to: bk_row_scale.self, capacity: rows) { scales in
      calls.linear_s8(
        &linear, q.base + some.lowerBound * rowStride, rowStride, scales + some.lowerBound,
        some.count, chosen.lowerBound, chosen.upperBound, &output, scratch.base)
    }
  }

  private func quantize(
    _ calls: bk_kernels, _ next: UnsafePointer<bk_input>, _ rows: Int, _ v: GuardedMemory<Float>,
    _ range: GuardedMemory<Float>, _ result: inout LinearResult
  ) {
    let stride = (outputs + extra + 3) / 4 * 4
    let quantized = GuardedMemory<UInt8>(count: rows * stride)
    let scales = GuardedMemory<Float>(count: 2 * rows)
    scales.base.withMemoryRebound(to: bk_row_scale.self, capacity: rows) {
      calls.quantize_ranged(next, v.base, outStride, range.base, rows, quantized.base, stride, $0)
    }
    result.q = quantized.bytes
    result.scales = bits(scales.elements)
  }
}
