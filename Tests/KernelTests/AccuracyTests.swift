import BertKernels
import SystemLibrary
import Testing

/// The polynomials against the C library in double.
@Suite struct AccuracyTests {
  static let points: [Float] = {
    var list: [Float] = [0, -0, 1e-30, -1e-30, 1e-3, 88, -88, 1e4, -1e4]
    for step in -1200...1200 { list.append(Float(step) * 0.01 + 0.003) }
    return list
  }()

  /// The activation of each point, through a linear whose products are zero.
  private func apply(_ activation: bk_activation, _ calls: bk_kernels, int8: Bool) -> [Float] {
    let count = Self.points.count
    let panels = (count + 31) / 32
    var all = bk_panels(first: 0, last: panels)
    let out = GuardedMemory<Float>(count: panels * 32)
    let zeros = [Float](repeating: 0, count: panels * 32)
    let bytes = [Int8](repeating: 0, count: panels * 128)
    var output = bk_output(
      out: out.base, stride: panels * 32, residual: nil, residual_stride: 0,
      activation: activation)
    if int8 {
      let scratch = guardedScratch(calls.linear_s8_scratch(1, 1))
      var scales: Float = 1
      bytes.withUnsafeBufferPointer { weights in
        zeros.withUnsafeBufferPointer { zeros in
          Self.points.withUnsafeBufferPointer { points in
            var linear = bk_linear_s8(
              outputs: count, groups: 1, weights: weights.baseAddress, scale: zeros.baseAddress,
              column_sum: zeros.baseAddress, bias: points.baseAddress)
            calls.linear_s8(
              &linear, [9, 9, 9, 9], 4, &scales, 1, &all, 1, &output, nil, scratch.base)
          }
        }
      }
    } else {
      zeros.withUnsafeBufferPointer { zeros in
        Self.points.withUnsafeBufferPointer { points in
          var linear = bk_linear_f32(
            outputs: count, depth: 1, weights: zeros.baseAddress, bias: points.baseAddress)
          calls.linear_f32(&linear, [0], 1, 1, &all, 1, &output)
        }
      }
    }
    return Array(out.elements[..<count])
  }

  private func expectNear(
    _ found: [Float], absolute: Double, relative: Double, _ exact: (Double) -> Double
  ) {
    for (x, y) in zip(Self.points, found) {
      let expected = exact(Double(x))
      let bound = absolute + relative * abs(expected)
      #expect(abs(Double(y) - expected) <= bound, "at \(x): \(y), expected \(expected)")
    }
  }

  static func gelu(_ x: Double) -> Double { x * 0.5 * erfc(-x * 0.5.squareRoot()) }
  static func geluTanh(_ x: Double) -> Double {
    x * 0.5 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
  }

  @Test func geluIsNearExact() throws {
    let calls = try KernelSets.portable
    expectNear(
      apply(BK_ACT_GELU, calls, int8: false), absolute: 1e-7, relative: 2.5e-7, Self.gelu)
  }

  @Test func geluBeforeInt8IsFinerThanItsSteps() throws {
    let found = apply(BK_ACT_GELU, try KernelSets.portable, int8: true)
    for (x, y) in zip(Self.points, found) {
      // Far from zero, the last bit; from 3.25 on, what is lacking to x.
      let bound = (x < 3.2 ? 4.8e-4 : x < 3.6 ? 1.9e-3 : 5.8e-4) + 0x1p-22 * Double(abs(x))
      #expect(abs(Double(y) - Self.gelu(Double(x))) <= bound, "at \(x): \(y)")
    }
  }

  @Test(arguments: [false, true])
  func geluTanhIsNearExact(int8: Bool) throws {
    let calls = try KernelSets.portable
    expectNear(
      apply(BK_ACT_GELU_TANH, calls, int8: int8), absolute: 3e-7, relative: 1e-6, Self.geluTanh)
  }

  @Test func tanhIsNearExact() throws {
    let x = GuardedMemory(Self.points)
    try KernelSets.portable.tanh_row(x.base, x.count)
    expectNear(x.elements, absolute: 2e-7, relative: 0) { tanh($0) }
  }

  /// Two keys with scores 0 and x, values 0 and 1: the result is 1 / (1 + e^-x).
  @Test func softmaxIsNearExact() throws {
    let calls = try KernelSets.portable
    for x in Self.points where abs(x) < 80 {
      let rows: [Float] = [1, 0, 0, 1, x, 1]
      let out = GuardedMemory<Float>(count: 2)
      let scratch = guardedScratch(calls.attend_f32_scratch(2, 1))
      rows.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        var head = bk_head(
          length: 2, head_size: 1, query: base, key: base + 1, value: base + 2, stride: 3,
          score_scale: 1, out: out.base, out_stride: 1, wanted: nil, wanted_rows: 0, bias: nil,
          bias_span: 0, unseen: 0, window: 0, relative: nil)
        calls.attend_f32(&head, scratch.base)
      }
      let expected = 1 / (1 + exp(-Double(x)))
      #expect(abs(Double(out.base[0]) - expected) <= 1e-5 * expected + 1e-30, "at \(x)")
    }
  }

  @Test func everySetActivatesTheSame() throws {
    for activation in [BK_ACT_NONE, BK_ACT_GELU, BK_ACT_GELU_TANH, BK_ACT_RELU] {
      for int8 in [false, true] {
        try KernelSets.expectSame("\(activation)") { bits(apply(activation, $0, int8: int8)) }
      }
    }
  }
}
