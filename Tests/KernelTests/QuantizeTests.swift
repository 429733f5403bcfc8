import BertKernels
import Testing

/// A linear's input: multiplied, rotated, rounded to bytes.
@Suite struct QuantizeTests {
  /// Rows of one width at an odd stride, to be quantised.
  final class Rows {
    let count: Int
    let width: Int
    let stride: Int
    let x: GuardedMemory<Float>
    let multiplier: GuardedMemory<Float>

    init(_ count: Int, width: Int, seed: Int, kind: FloatKind = .ordinary) {
      var random = SeededRandom(seed)
      self.count = count
      self.width = width
      stride = width + random.below(3)
      x = GuardedMemory(kind.values((count - 1) * stride + width, &random))
      multiplier = GuardedMemory(FloatKind.ordinary.values(width, &random))
    }

    func input(_ rotation: Int) -> bk_input {
      bk_input(depth: width, multiplier: multiplier.base, rotation: Int32(rotation))
    }

    func quantized(_ calls: bk_kernels, rotation: Int) -> (q: [UInt8], scales: [Float]) {
      var input = input(rotation)
      let bytes = (width + 3) / 4 * 4
      let q = GuardedMemory<UInt8>(count: count * bytes)
      let scales = GuardedMemory<Float>(count: count)
      let scratch = GuardedMemory<Float>(count: BK_QUANTIZE_ROWS * width)
      calls.quantize_rows(&input, x.base, stride, count, q.base, bytes, scales.base, scratch.base)
      return (q.elements, scales.elements)
    }

    func rotated(_ calls: bk_kernels, rotation: Int) -> [Float] {
      var input = input(rotation)
      let v = GuardedMemory<Float>(count: width)
      calls.rotate_row(&input, x.base, v.base)
      return v.elements
    }
  }

  private func expectSame(_ rows: Rows, rotation: Int, _ what: String) throws {
    try KernelSets.expectSame(what) { calls -> [UInt32] in
      let result = rows.quantized(calls, rotation: rotation)
      return bits(result.scales) + result.q.map(UInt32.init)
        + bits(rows.rotated(calls, rotation: rotation))
    }
  }

  @Test func everySetQuantisesTheSameAtAnyWidth() throws {
    for width in RowTests.widths {
      for kind in FloatKind.allCases {
        let rows = Rows(3, width: width, seed: width, kind: kind)
        try expectSame(rows, rotation: 0, "\(kind) \(width)")
      }
    }
  }

  @Test func everySetRotatesTheSame() throws {
    for width in Array(stride(from: 16, through: 400, by: 16)) + [768, 1024, 1536, 3072, 4096] {
      for rotation in 1..<8 {
        let kind = FloatKind.allCases[(width / 16 + rotation) % FloatKind.allCases.count]
        let rows = Rows(2, width: width, seed: width, kind: kind)
        try expectSame(rows, rotation: rotation, "\(kind) \(width) rotation \(rotation)")
      }
    }
  }

  @Test func portableQuantisingEqualsScalarArithmetic() throws {
    let calls = try KernelSets.portable
    for width in [1, 2, 15, 16, 17, 40, 100] {
      let rows = Rows(2, width: width, seed: width)
      let found = rows.quantized(calls, rotation: 0)
      let bytes = (width + 3) / 4 * 4
      for row in 0..<2 {
        var v: [Float] = []
        for i in 0..<width {
          v.append(rows.x.base[row * rows.stride + i] * rows.multiplier.base[i])
        }
        let largest = try #require(v.map { abs($0) }.max())
        #expect(found.scales[row].bitPattern == (largest * (1 / 127)).bitPattern)
        for i in 0..<width where largest > 0 {
          let exact = 128 + Double(v[i]) * 127 / Double(largest)
          // Half a step, and what float arithmetic adds in rows of a usual range.
          let q = Double(found.q[row * bytes + i])
          #expect(abs(q - exact) < 0.5 + 1e-3, "row \(row) at \(i) of \(width)")
        }
        #expect(found.q[row * bytes + width..<(row + 1) * bytes].allSatisfy { $0 == 0 })
      }
    }
  }

  /// The rotation as the header words it, in double.
  private func exactRotation(_ x: [Double], rotation: Int) -> [Double] {
    var x = x
    var m = x.count / 16
    var points = 1
    while m % 2 == 0 {
      m /= 2
      points *= 2
    }
    func hadamard(_ places: [Int]) {
      let old = places.map { x[$0] }
      for (i, place) in places.enumerated() {
        var sum = 0.0
        for (j, value) in old.enumerated() {
          sum += (i & j).nonzeroBitCount % 2 == 0 ? value : -value
        }
        x[place] = sum
      }
    }
    if rotation & 1 != 0 {
      for r in 0..<m {
        for lane in 0..<16 { hadamard((0..<points).map { ($0 * m + r) * 16 + lane }) }
      }
    }
    if rotation & 2 != 0, m == 3 {
      for i in stride(from: 0, to: x.count / 16, by: 3) {
        for lane in 0..<16 {
          let places = (0..<3).map { (i + $0) * 16 + lane }
          let share = places.map { x[$0] }.reduce(0, +) * 2 / 3
          for place in places { x[place] -= share }
        }
      }
    }
    if rotation & 4 != 0 {
      for i in 0..<x.count / 16 { hadamard((0..<16).map { i * 16 + $0 }) }
    }
    return x
  }

  @Test(arguments: [16, 32, 48, 64, 80, 96, 112, 384, 640, 768])
  func rotationIsWhatTheHeaderSays(width: Int) throws {
    let calls = try KernelSets.portable
    for rotation in 0..<8 {
      let rows = Rows(1, width: width, seed: width)
      var product: [Double] = []
      for i in 0..<width {
        product.append(Double(rows.x.base[i]) * Double(rows.multiplier.base[i]))
      }
      let exact = exactRotation(product, rotation: rotation)
      let found = rows.rotated(calls, rotation: rotation)
      let largest = exact.map { abs($0) }.max() ?? 0
      for i in 0..<width {
        // About ten roundings of values up to the largest.
        #expect(abs(Double(found[i]) - exact[i]) <= 1e-6 * largest, "\(i) rotation \(rotation)")
      }
    }
  }
}
