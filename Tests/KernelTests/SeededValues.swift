import Fixtures

typealias SeededRandom = SeededGenerator

extension SeededGenerator {
  init(_ seed: Int) { self.init(seed: UInt64(truncatingIfNeeded: seed)) }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func within(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + below(range.count)
  }
}

/// Kinds of floats that kernels must give the same bits for.
enum FloatKind: Int, CaseIterable {
  /// Within 4 of zero.
  case ordinary
  /// Magnitudes from 2^-20 to 2^20.
  case spread
  /// Below the smallest normal number.
  case denormal
  /// Zeros of both signs, with a few ones.
  case zeros
  /// Up to 1e30, so that products and squares overflow.
  case huge
  /// All the same.
  case constant
  /// Ordinary ones with infinities and NaN among them.
  case special

  func value(_ random: inout SeededRandom) -> Float {
    let z = random.next()
    let ordinary = Float(Int32(truncatingIfNeeded: z >> 40) - (1 << 23)) * 0x1p-21
    let low = UInt32(truncatingIfNeeded: z)
    switch self {
    case .ordinary, .constant: return ordinary
    case .spread: return ordinary * Float(bitPattern: (107 + low % 41) << 23)
    case .denormal: return Float(bitPattern: low & 0x807f_ffff)
    case .zeros: return low % 7 == 0 ? 1 : Float(bitPattern: low & 0x8000_0000)
    case .huge: return ordinary * 2.5e29
    case .special:
      switch low % 5 {
      case 0: return Float(bitPattern: low & 0x8000_0000 | 0x7f80_0000)
      case 1: return .nan
      default: return ordinary
      }
    }
  }

  func values(_ count: Int, _ random: inout SeededRandom) -> [Float] {
    if self == .constant { return Array(repeating: value(&random), count: count) }
    var values: [Float] = []
    values.reserveCapacity(count)
    for _ in 0..<count { values.append(value(&random)) }
    return values
  }
}

/// Kinds of int8 weights and of quantised rows.
enum ByteKind: Int, CaseIterable {
  case any, lowest, highest, zeros
  /// Weights of -128, which the quantiser never gives and a file may hold.
  case beyond

  func weights(_ count: Int, _ random: inout SeededRandom) -> [Int8] {
    var values: [Int8] = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      switch self {
      case .any: values.append(Int8(truncatingIfNeeded: random.below(255) - 127))
      case .lowest: values.append(-127)
      case .highest: values.append(127)
      case .zeros: values.append(0)
      case .beyond: values.append(-128)
      }
    }
    return values
  }

  func rows(_ count: Int, _ random: inout SeededRandom) -> [UInt8] {
    var values: [UInt8] = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      switch self {
      case .any: values.append(UInt8(truncatingIfNeeded: random.next() >> 56))
      case .highest: values.append(255)
      case .lowest, .zeros, .beyond: values.append(0)
      }
    }
    return values
  }
}
