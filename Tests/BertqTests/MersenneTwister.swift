import SystemLibrary

/// The generator of Python's `random` module, with the distributions that the recorded simulation drew.
struct MersenneTwister {
  private var state: [UInt32]
  private var index = 624

  /// As `random.Random(seed)` begins, for a seed below 2³².
  init(_ seed: UInt32) {
    state = [19_650_218]
    for i in 1..<624 {
      state.append(1_812_433_253 &* (state[i - 1] ^ state[i - 1] >> 30) &+ UInt32(i))
    }
    var i = 1
    for _ in 0..<624 {
      state[i] = (state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) &* 1_664_525) &+ seed
      advance(&i)
    }
    for _ in 0..<623 {
      state[i] = (state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) &* 1_566_083_941) &- UInt32(i)
      advance(&i)
    }
    state[0] = 0x8000_0000
  }

  private mutating func advance(_ i: inout Int) {
    i += 1
    if i == 624 {
      state[0] = state[623]
      i = 1
    }
  }

  private mutating func next() -> UInt32 {
    if index == 624 {
      for i in 0..<624 {
        let y = state[i] & 0x8000_0000 | state[(i + 1) % 624] & 0x7FFF_FFFF
        state[i] = state[(i + 397) % 624] ^ y >> 1 ^ (y & 1) * 0x9908_B0DF
      }
      index = 0
    }
    var y = state[index]
    index += 1
    y ^= y >> 11
    y ^= y << 7 & 0x9D2C_5680
    y ^= y << 15 & 0xEFC6_0000
    return y ^ y >> 18
  }

  /// From 0 up to 1, in steps of 2⁻⁵³.
  mutating func random() -> Double {
    let (a, b) = (next() >> 5, next() >> 6)
    return (Double(a) * 67_108_864 + Double(b)) * (1 / 9_007_199_254_740_992)
  }

  /// Waiting times of so many events a second.
  mutating func exponential(_ rate: Double) -> Double { -log(1 - random()) / rate }

  /// A number whose logarithm is normal (Kinderman and Monahan, 1977).
  mutating func logNormal(_ mean: Double, _ deviation: Double) -> Double {
    let constant = 4 * exp(-0.5) / 2.0.squareRoot()
    while true {
      let u1 = random()
      let u2 = 1 - random()
      let z = constant * (u1 - 0.5) / u2
      if z * z / 4 <= -log(u2) { return exp(mean + z * deviation) }
    }
  }
}
