import BertKernels
import Testing

/// The multiply-add of every set, emulated or not, rounds once: against the C library's.
@Suite struct FusedMultiplyAddTests {
  /// fma(a, b, c) through a float linear of depth 2: fma(a, b, fma(c, 1, 0)) + -0.
  private func fma(_ calls: bk_kernels, _ a: Float, _ b: [Float], _ c: [Float]) -> [Float] {
    let panels = (b.count + 31) / 32
    var all = bk_panels(first: 0, last: panels)
    var weights: [Float] = []
    for i in b.indices { weights += [c[i], b[i]] }
    let packed = GuardedMemory<Float>(count: panels * 64)
    bk_pack_f32(weights, b.count, 2, packed.base)
    let bias = GuardedMemory([Float](repeating: -0.0, count: b.count))
    let out = GuardedMemory<Float>(count: panels * 32)
    var linear = bk_linear_f32(outputs: b.count, depth: 2, weights: packed.base, bias: bias.base)
    var output = bk_output(
      out: out.base, stride: panels * 32, residual: nil, residual_stride: 0,
      activation: BK_ACT_NONE)
    calls.linear_f32(&linear, [1, a], 2, 1, &all, 1, &output)
    return Array(out.elements[..<b.count])
  }

  static let special: [Float] = [
    0, -0, 1, -1, 0x1p-149, -0x1p-149, 0x1p-126, -0x1p-126, Float.leastNormalMagnitude.nextDown,
    0x1.fffffep127,
    -0x1.fffffep127, 0x1.000002p0, 0x1.fffffep-1, -0x1.fffffep-1, 0x1p64, -0x1p63, 0x1p-75,
    -0x1p-74, 0x1p103, 0x1p-24, -0x1p-25, 0x1.8p0, .infinity, -.infinity, .nan,
  ]

  private func expectOnce(_ a: Float, _ b: [Float], _ c: [Float]) {
    var expected: [Float] = []
    for i in b.indices { expected.append(Float(0).addingProduct(c[i], 1).addingProduct(a, b[i])) }
    for set in KernelSet.available {
      let found = bits(fma(set.calls, a, b, c))
      let wanted = bits(expected)
      for i in b.indices where found[i] != wanted[i] {
        Issue.record("\(set.name): \(a) * \(b[i]) + \(c[i]) is not \(expected[i])")
      }
    }
  }

  @Test func specialValuesRoundOnce() {
    for a in Self.special {
      for b in Self.special {
        expectOnce(a, [Float](repeating: b, count: Self.special.count), Self.special)
      }
    }
  }

  @Test func cancellationAndTiesRoundOnce() {
    var random = SeededRandom(5)
    for _ in 0..<300 {
      let exponent = random.within(-90...40)
      let power = Float(sign: .plus, exponent: exponent, significand: 1)
      let a = FloatKind.ordinary.value(&random) * power
      var b: [Float] = []
      var c: [Float] = []
      for _ in 0..<96 {
        b.append(
          random.below(4) == 0
            ? Float(sign: .plus, exponent: random.within(-60...60), significand: 1)
            : FloatKind.ordinary.value(&random))
        let product = a * (b.last ?? 0)
        let shift = Float(sign: .plus, exponent: random.within(20...60), significand: 1)
        switch random.below(7) {
        case 0: c.append(-product)
        case 1: c.append(-product.nextUp)
        case 2: c.append(product * shift)
        case 3: c.append(-product * shift)
        case 4: c.append(-product / shift)
        case 5: c.append(Float(sign: .minus, exponent: random.within(-126...127), significand: 1))
        default: c.append(FloatKind.denormal.value(&random))
        }
      }
      expectOnce(a, b, c)
    }
  }
}
