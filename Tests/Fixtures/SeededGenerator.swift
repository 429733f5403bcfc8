/// SplitMix64: a short seed gives the same long sequence on every machine.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Starts a sequence.
  package init(seed: UInt64) { state = seed }

  /// The next 64 bits.
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// About normal, mean 0, deviation 1: a sum of uniforms, exact in its bits on every machine.
  package mutating func normal() -> Float {
    var sum = 0
    for _ in 0..<3 {
      var bits = next()
      for _ in 0..<4 {
        sum += Int(bits & 0xFFFF)
        bits >>= 16
      }
    }
    return Float(sum) / 65_536 - 6
  }
}
