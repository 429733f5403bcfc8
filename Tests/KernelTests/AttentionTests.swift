import BertKernels
import Glibc
import Testing

/// Attention of one head, int8 and float.
@Suite struct AttentionTests {
  static let sizes = [1, 11, 16, 32, 64, 80, 128]

  static func lengths(_ size: Int) -> [Int] {
    Array(1...40) + [127, 128, 129] + (size == 32 || KernelSets.isFullSweep ? [512] : [])
  }

  /// One head's inputs: rows of query, key and value.
  final class Head {
    let length: Int
    let size: Int
    let padded: Int
    let x: GuardedMemory<Float>
    let q: GuardedMemory<UInt8>
    let scales: GuardedMemory<Float>
    var scale: Float { 1 / Float(size).squareRoot() }

    init(length: Int, size: Int, seed: Int, kind: FloatKind = .ordinary) throws {
      self.length = length
      self.size = size
      padded = (size + 3) / 4 * 4
      var random = SeededRandom(seed)
      x = GuardedMemory(kind.values(length * 3 * size, &random))
      q = GuardedMemory(count: length * 3 * padded)
      scales = GuardedMemory(count: length * 3)
      let calls = try KernelSets.portable
      for token in 0..<length {
        calls.quantize_heads(
          x.base + token * 3 * size, 1, size, q.base + token * 3 * padded, scales.base + token * 3)
      }
    }

    func int8(_ calls: bk_kernels) -> [Float] {
      let out = GuardedMemory<Float>(count: length * size)
      let scratch = guardedScratch(calls.attend_s8_scratch(length, size))
      let signed = UnsafeRawPointer(q.base).assumingMemoryBound(to: Int8.self)
      var head = bk_head_s8(
        length: length, head_size: size, head_stride: padded, query: q.base, key: signed + padded,
        value: signed + 2 * padded, stride: 3 * padded, query_scale: scales.base,
        key_scale: scales.base + 1, value_scale: scales.base + 2, scale_stride: 3,
        score_scale: scale * 1.442695, out: out.base, out_stride: size)
      calls.attend_s8(&head, scratch.base)
      return out.elements
    }

    func float(_ calls: bk_kernels) -> [Float] {
      let out = GuardedMemory<Float>(count: length * size)
      let scratch = guardedScratch(calls.attend_f32_scratch(length, size))
      var head = bk_head_f32(
        length: length, head_size: size, query: x.base, key: x.base + size,
        value: x.base + 2 * size, stride: 3 * size, score_scale: scale, out: out.base,
        out_stride: size)
      calls.attend_f32(&head, scratch.base)
      return out.elements
    }

    /// What int8 stands for, or the floats themselves.
    func value(_ part: Int, _ token: Int, _ at: Int, quantised: Bool) -> Double {
      if !quantised { return Double(x.base[(token * 3 + part) * size + at]) }
      let byte = q.base[(token * 3 + part) * padded + at]
      let integer = part == 0 ? Int(byte) - 128 : Int(Int8(bitPattern: byte))
      return Double(integer) * Double(scales.base[token * 3 + part])
    }

    /// Attention of one query in double, and what rounding shares to 1/255 may add.
    func exact(_ query: Int, quantised: Bool) -> (out: [Double], slack: Double) {
      var scores: [Double] = []
      for key in 0..<length {
        var sum = 0.0
        for d in 0..<size {
          sum +=
            value(0, query, d, quantised: quantised) * value(1, key, d, quantised: quantised)
        }
        scores.append(sum * Double(scale))
      }
      let most = scores.max() ?? 0
      let shares = scores.map { exp($0 - most) }
      let total = shares.reduce(0, +)
      var out: [Double] = []
      for d in 0..<size {
        var sum = 0.0
        for key in 0..<length { sum += shares[key] * value(2, key, d, quantised: quantised) }
        out.append(sum / total)
      }
      var largest = 0.0
      for key in 0..<length { largest = max(largest, Double(scales.base[key * 3 + 2])) }
      return (out, 0.5 / 255 * largest * 127 * Double(length) / total)
    }
  }

  @Test(arguments: sizes)
  func everySetEqualsPortableAtEveryLength(size: Int) throws {
    for length in Self.lengths(size) {
      let isRare = length % 3 == 0 && length < 40
      let kind = isRare ? FloatKind.allCases[length / 3 % FloatKind.allCases.count] : .ordinary
      let head = try Head(length: length, size: size, seed: length, kind: kind)
      try KernelSets.expectSame("int8 \(length) x \(size) \(kind)") { bits(head.int8($0)) }
      try KernelSets.expectSame("float \(length) x \(size) \(kind)") { bits(head.float($0)) }
    }
  }

  @Test(arguments: [(1, 256), (3, 768), (33, 200)])
  func wideHeadsFitTheirScratch(length: Int, size: Int) throws {
    let head = try Head(length: length, size: size, seed: 1)
    try KernelSets.expectSame("int8") { bits(head.int8($0)) }
    try KernelSets.expectSame("float") { bits(head.float($0)) }
  }

  @Test(arguments: [(1, 4), (2, 11), (7, 16), (33, 32), (65, 8)])
  func portableIsNearExactAttention(length: Int, size: Int) throws {
    let calls = try KernelSets.portable
    let head = try Head(length: length, size: size, seed: 2)
    let float = head.float(calls)
    let int8 = head.int8(calls)
    for query in 0..<length {
      let exact = head.exact(query, quantised: false).out
      let quantised = head.exact(query, quantised: true)
      for d in 0..<size {
        // Scores reach about 50, whose rounding moves a share by 1e-5 of itself.
        #expect(abs(Double(float[query * size + d]) - exact[d]) < 1e-4)
        // Besides rounded shares, the coarse power of two (7.5e-5) of values up to 4.
        let difference = abs(Double(int8[query * size + d]) - quantised.out[d])
        #expect(difference < quantised.slack + 2e-3)
      }
    }
  }
}
