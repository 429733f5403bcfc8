/// SHA-256 (FIPS 180-4), for comparing values with recorded ones.
func sha256(_ message: [UInt8]) -> String {
  var state: [UInt32] = primeFractions(count: 8) { $0.squareRoot() }
  let constants = primeFractions(count: 64, root: cubeRoot)
  var padded = message + [0x80]
  padded += [UInt8](repeating: 0, count: (120 - padded.count % 64) % 64)
  padded += (0..<8).map { UInt8(truncatingIfNeeded: (message.count * 8) >> (56 - 8 * $0)) }
  var w = [UInt32](repeating: 0, count: 64)
  for block in stride(from: 0, to: padded.count, by: 64) {
    for i in 0..<16 {
      w[i] = (0..<4).reduce(0) { $0 << 8 | UInt32(padded[block + 4 * i + $1]) }
    }
    for i in 16..<64 {
      let a = w[i - 15].rotated(7) ^ w[i - 15].rotated(18) ^ w[i - 15] >> 3
      let b = w[i - 2].rotated(17) ^ w[i - 2].rotated(19) ^ w[i - 2] >> 10
      w[i] = w[i - 16] &+ a &+ w[i - 7] &+ b
    }
    var v = state
    for i in 0..<64 {
      let sum1 = v[4].rotated(6) ^ v[4].rotated(11) ^ v[4].rotated(25)
      let t1 = v[7] &+ sum1 &+ ((v[4] & v[5]) ^ (~v[4] & v[6])) &+ constants[i] &+ w[i]
      let sum0 = v[0].rotated(2) ^ v[0].rotated(13) ^ v[0].rotated(22)
      let t2 = sum0 &+ ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]))
      v = [t1 &+ t2, v[0], v[1], v[2], v[3] &+ t1, v[4], v[5], v[6]]
    }
    for i in 0..<8 { state[i] &+= v[i] }
  }
  return state.map { word in
    let hex = String(word, radix: 16)
    return String(repeating: "0", count: 8 - hex.count) + hex
  }.joined()
}

/// The first 32 bits of the fractional parts of the roots of the first primes.
private func primeFractions(count: Int, root: (Double) -> Double) -> [UInt32] {
  var primes: [Int] = []
  var candidate = 2
  while primes.count < count {
    if primes.allSatisfy({ candidate % $0 != 0 }) { primes.append(candidate) }
    candidate += 1
  }
  return primes.map { prime in
    let value = root(Double(prime))
    return UInt32((value - value.rounded(.down)) * 0x1p32)
  }
}

private func cubeRoot(_ x: Double) -> Double {
  var y = x / 2
  for _ in 0..<100 { y = y - (y * y * y - x) / (3 * y * y) }
  return y
}

extension UInt32 {
  fileprivate func rotated(_ bits: UInt32) -> UInt32 { self >> bits | self << (32 - bits) }
}

/// SHA-256 of values as little-endian float32.
func sha256(_ values: [Float]) -> String {
  sha256(
    values.flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
    })
}
