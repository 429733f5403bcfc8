import Testing

@testable import JSONText

/// Vectors as text: the same decimals as Swift's own, which is shortest and reads back.
struct FloatTextTests {
  private func text(_ numbers: [Float]) -> String {
    var bytes: [UInt8] = []
    numbers.withUnsafeBufferPointer { FloatText.write($0, into: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func expected(_ numbers: [Float]) -> String {
    numbers.map { $0.isFinite ? $0.description : "null" }.joined(separator: ",")
  }

  @Test func theBoundsOfAllMethodsAreRight() {
    var numbers: [Float] = [
      0, -0.0, .nan, .infinity, -.infinity, 1e-4, 9.9999e-5, 16_777_216, 16_777_215,
    ]
    for exponent in UInt32(0)..<256 {
      for step in [-2, -1, 0, 1, 2] {
        let bits = UInt32(truncatingIfNeeded: Int(exponent << 23) + step)
        numbers += [Float(bitPattern: bits), Float(bitPattern: bits | 1 << 31)]
      }
    }
    for number in numbers { #expect(text([number]) == expected([number])) }
    #expect(text(numbers) == expected(numbers) && text([]) == "")
  }

  @Test func decimalsOfFewDigitsAreAsTheyWereWritten() {
    for number in 0..<20_000 {
      for scale in [Float(1), 10, 100, 1_000, 7, 10_000] {
        let value = Float(number) / scale
        #expect(text([-value]) == expected([-value]))
      }
    }
  }

  @Test func numbersAtRandomAreRight() {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    var numbers: [Float] = []
    for _ in 0..<300_000 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      numbers.append(Float(bitPattern: UInt32(truncatingIfNeeded: state)))
      // Of the size that vectors have.
      numbers.append(Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-33)
    }
    let (found, wanted) = (text(numbers).split(separator: ","), numbers)
    #expect(found.count == wanted.count)
    for (decimal, number) in zip(found, wanted) where number.isFinite {
      #expect(decimal == number.description)
    }
  }
}
