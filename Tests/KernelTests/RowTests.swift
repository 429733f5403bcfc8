import BertKernels
import SystemLibrary
import Testing

/// Layer norm, quantising, embedding and pooling of rows.
@Suite struct RowTests {
  static let widths = Array(1...40) + [47, 48, 49, 63, 64, 65, 100, 383, 384, 385, 768, 1024, 4096]

  /// Calls `work` for each width and kind of float, with `rows` rows of values at an odd stride.
  private func forEach(
    rows: Int, widths: [Int] = widths,
    _ work: (String, Int, GuardedMemory<Float>, Int, inout SeededRandom) throws -> Void
  ) rethrows {
    for width in widths {
      for kind in FloatKind.allCases {
        var random = SeededRandom(width * 16 + kind.rawValue)
        let stride = width + random.below(3)
        let x = GuardedMemory(kind.values((rows - 1) * stride + width, &random))
        try work("\(kind) \(width)", width, x, stride, &random)
      }
    }
  }

  @Test func everySetNormalisesTheSame() throws {
    try forEach(rows: 5) { what, width, x, stride, random in
      let gain = GuardedMemory(FloatKind.ordinary.values(width, &random))
      let bias = GuardedMemory(FloatKind.ordinary.values(width, &random))
      try KernelSets.expectSame(what) { calls -> [UInt32] in
        let out = GuardedMemory<Float>(count: 5 * width)
        calls.norm_rows(x.base, stride, 5, width, gain.base, bias.base, 1e-12, out.base, width)
        let inPlace = GuardedMemory(x.elements)
        calls.norm_rows(
          inPlace.base, stride, 5, width, gain.base, bias.base, 1e-12, inPlace.base, stride)
        for row in 0..<5 {
          let values = Array(inPlace.elements[row * stride..<row * stride + width])
          #expect(bits(values) == bits(Array(out.elements[row * width..<(row + 1) * width])))
        }
        return bits(out.elements)
      }
    }
  }

  @Test func portableNormEqualsScalarArithmetic() throws {
    let calls = try KernelSets.portable
    for width in [1, 15, 16, 17, 33, 100, 384] {
      var random = SeededRandom(width)
      let x = FloatKind.ordinary.values(width, &random)
      let gain = FloatKind.ordinary.values(width, &random)
      let bias = FloatKind.ordinary.values(width, &random)
      let out = GuardedMemory<Float>(count: width)
      calls.norm_rows(x, width, 1, width, gain, bias, 1e-5, out.base, width)
      let mean = Reference.laneSum(x) / Float(width)
      let variance = Reference.laneSumOfSquares(x.map { $0 - mean }) / Float(width)
      let inverse = 1 / (variance + 1e-5).squareRoot()
      var expected: [Float] = []
      for i in 0..<width {
        expected.append(bias[i].addingProduct((x[i] - mean) * inverse, gain[i]))
      }
      #expect(bits(out.elements) == bits(expected), "width \(width)")
    }
  }

  @Test func everySetPoolsTheSame() throws {
    try forEach(rows: 3) { what, width, x, stride, _ in
      try KernelSets.expectSame(what) { calls -> [UInt32] in
        let mean = GuardedMemory<Float>(count: width)
        calls.mean_rows(x.base, stride, 3, width, mean.base)
        var result = bits(mean.elements)
        calls.normalize_row(mean.base, width)
        result += bits(mean.elements)
        calls.tanh_row(mean.base, width)
        result += bits(mean.elements)
        return result
      }
    }
  }

  @Test func portablePoolingEqualsScalarArithmetic() throws {
    let calls = try KernelSets.portable
    for width in [1, 16, 31, 50] {
      var random = SeededRandom(width)
      let x = FloatKind.ordinary.values(4 * width, &random)
      let out = GuardedMemory<Float>(count: width)
      calls.mean_rows(x, width, 4, width, out.base)
      var mean: [Float] = []
      for i in 0..<width {
        var sum: Float = 0
        for row in 0..<4 { sum += x[row * width + i] }
        mean.append(sum / 4)
      }
      #expect(bits(out.elements) == bits(mean))
      calls.normalize_row(out.base, width)
      let length = Reference.laneSumOfSquares(mean).squareRoot()
      #expect(bits(out.elements) == bits(mean.map { $0 / length }))
    }
  }

  @Test func embeddingsAreSumsOfTheRowsLookedUp() throws {
    for width in [1, 16, 31, 50] {
      var random = SeededRandom(width)
      let tables = (0..<3).map { _ in FloatKind.ordinary.values(4 * width, &random) }
      let (ids, positions, types): ([Int32], [Int32], [UInt8]) = (
        [3, 0, 0, 2, 1, 3], [0, 1, 2, 3, 0, 1], [0, 0, 1, 1, 3, 2]
      )
      try KernelSets.expectSame("\(width)") { calls -> [UInt32] in
        let out = GuardedMemory<Float>(count: 5 * (width + 1) + width)
        tables[0].withUnsafeBufferPointer { word in
          tables[1].withUnsafeBufferPointer { position in
            tables[2].withUnsafeBufferPointer { type in
              var embedding = bk_embedding(
                width: width, word: word.baseAddress, position: position.baseAddress,
                type: type.baseAddress)
              calls.embed_rows(&embedding, ids, positions, types, 6, out.base, width + 1)
            }
          }
        }
        for row in 0..<6 {
          for i in 0..<width {
            let sum =
              tables[0][Int(ids[row]) * width + i] + tables[2][Int(types[row]) * width + i]
            let expected = sum + tables[1][Int(positions[row]) * width + i]
            #expect(out.elements[row * (width + 1) + i] == expected)
          }
        }
        return bits(out.elements)
      }
    }
  }

  @Test func everySetGatesAndTurnsTheSame() throws {
    try forEach(rows: 3, widths: Array(2...70) + [384, 768]) { what, width, x, stride, random in
      let half = width / 2
      let angles = (0..<2).map { _ in FloatKind.ordinary.values(3 * half, &random) }
      for gate in [
        BK_GATE_GELU, BK_GATE_GELU_COARSE, BK_GATE_GELU_TANH, BK_GATE_RELU, BK_GATE_SILU,
      ] {
        try KernelSets.expectSame("\(what), \(gate)") { calls -> [UInt32] in
          let rows = GuardedMemory(x.elements)
          calls.gate_rows(rows.base, stride, 3, half, gate)
          return bits(rows.elements)
        }
      }
      try KernelSets.expectSame(what) { calls -> [UInt32] in
        let rows = GuardedMemory(x.elements)
        calls.turn_rows(rows.base, stride, 3, half, angles[0], angles[1])
        return bits(rows.elements)
      }
    }
  }

  @Test func gatesAndTurnedRowsAreWhatTheySay() throws {
    let calls = try KernelSets.portable
    for half in [1, 7, 16, 33] {
      var random = SeededRandom(half)
      let x = FloatKind.ordinary.values(2 * half, &random)
      let (c, s) = (
        FloatKind.ordinary.values(half, &random), FloatKind.ordinary.values(half, &random)
      )
      var turned = x
      calls.turn_rows(&turned, 2 * half, 1, half, c, s)
      var gated = x
      calls.gate_rows(&gated, 2 * half, 1, half, BK_GATE_SILU)
      var cut = x
      calls.gate_rows(&cut, 2 * half, 1, half, BK_GATE_RELU)
      for i in 0..<half {
        let (a, b) = (x[i], x[half + i])
        #expect(turned[i] == (-(b * s[i])).addingProduct(a, c[i]))
        #expect(turned[half + i] == (a * s[i]).addingProduct(b, c[i]))
        let exact = Double(a) / (1 + exp(-Double(a))) * Double(b)
        #expect(abs(Double(gated[i]) - exact) <= 1e-6 * abs(exact) + 1e-9)
        #expect(cut[i] == max(a, 0) * b)
      }
      // What multiplies stays as it is.
      #expect(gated.dropFirst(half) == x.dropFirst(half))
    }
  }

  @Test func aRowOfZerosHasNoDirection() throws {
    for set in KernelSet.available {
      let zeros = GuardedMemory<Float>([0, -0, 0])
      set.calls.normalize_row(zeros.base, 3)
      #expect(bits(zeros.elements) == bits([0, -0, 0]))
    }
  }
}
