import BertKernels
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
        calls.embed_row(x.base, x.base + stride, x.base + 2 * stride, width, mean.base)
        return result + bits(mean.elements)
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
      calls.embed_row(x, Array(x[width...]), Array(x[(2 * width)...]), width, out.base)
      var embedded: [Float] = []
      for i in 0..<width { embedded.append(x[i] + x[2 * width + i] + x[width + i]) }
      #expect(bits(out.elements) == bits(embedded))
    }
  }

  @Test func aRowOfZerosHasNoDirection() throws {
    for set in KernelSet.available {
      let zeros = GuardedMemory<Float>([0, -0, 0])
      set.calls.normalize_row(zeros.base, 3)
      #expect(bits(zeros.elements) == bits([0, -0, 0]))
    }
  }

  @Test func everySetQuantisesHeadsTheSame() throws {
    for size in [1, 2, 3, 4, 5, 11, 15, 16, 17, 32, 64, 80, 128, 200] {
      for kind in FloatKind.allCases {
        var random = SeededRandom(size)
        let padded = (size + 3) / 4 * 4
        let x = GuardedMemory(kind.values(6 * size, &random))
        try KernelSets.expectSame("\(kind) \(size)") { calls -> [UInt32] in
          let row = GuardedMemory<UInt8>(count: 6 * padded)
          let scales = GuardedMemory<Float>(count: 6)
          calls.quantize_heads(x.base, 2, size, row.base, scales.base)
          return bits(scales.elements) + row.bytes.map(UInt32.init)
        }
      }
    }
  }

  @Test func quantisedHeadsAreTheNearestIntegers() throws {
    let calls = try KernelSets.portable
    var random = SeededRandom(6)
    let x = FloatKind.ordinary.values(3 * 33, &random)
    let row = GuardedMemory<UInt8>(count: 3 * 36)
    let scales = GuardedMemory<Float>(count: 3)
    calls.quantize_heads(x, 1, 33, row.base, scales.base)
    for part in 0..<3 {
      let slice = Array(x[part * 33..<(part + 1) * 33])
      let largest = try #require(slice.map(\.magnitude).max())
      #expect(scales.base[part] == largest * (1 / 127))
      for i in 0..<36 {
        let value = i < 33 ? Reference.rounded(slice[i] * (127 / largest)) : 0
        let byte = Int(row.base[part * 36 + i])
        let expected = part == 0 && i < 33 ? value + 128 : value & 0xff
        #expect(byte == expected, "part \(part) at \(i)")
      }
    }
  }
}
