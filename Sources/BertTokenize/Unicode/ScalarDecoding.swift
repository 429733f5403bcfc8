/// UTF-8, one scalar at a time, never trapping.
enum ScalarDecoding {
  /// The scalar at `start`, and how many bytes it takes.
  ///
  /// Bytes that are no UTF-8 count as U+FFFD, one for each maximal part of a valid sequence, as
  /// Unicode recommends and Swift and Python do.
  /// The caller has checked that `start < end`.
  static func decode(
    _ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int
  ) -> (scalar: UInt32, length: Int) {
    let lead = bytes[start]
    if lead < 0x80 { return (UInt32(lead), 1) }
    guard lead >= 0xC2, lead <= 0xF4 else { return (0xFFFD, 1) }
    let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    var scalar = UInt32(lead) & (0x7F >> UInt32(length))
    for place in 1..<length {
      guard start + place < end else { return (0xFFFD, place) }
      let byte = bytes[start + place]
      guard byte & 0xC0 == 0x80, place > 1 || mayFollow(lead, byte) else {
        return (0xFFFD, place)
      }
      scalar = scalar << 6 | UInt32(byte & 0x3F)
    }
    return (scalar, length)
  }

  /// Second bytes that would spell overlong forms, surrogates or more than U+10FFFF are refused.
  private static func mayFollow(_ lead: UInt8, _ second: UInt8) -> Bool {
    switch lead {
    case 0xE0: second >= 0xA0
    case 0xED: second < 0xA0
    case 0xF0: second >= 0x90
    case 0xF4: second < 0x90
    default: true
    }
  }

  /// How many scalars `count` bytes hold.
  static func count(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var at = 0
    var scalars = 0
    while at < count {
      at += decode(bytes, at, count).length
      scalars += 1
    }
    return scalars
  }

  /// Writes a scalar as UTF-8 and returns how many bytes it took, at most four.
  @inline(__always)
  static func encode(_ scalar: UInt32, _ bytes: UnsafeMutablePointer<UInt8>) -> Int {
    if scalar < 0x80 {
      bytes[0] = UInt8(truncatingIfNeeded: scalar)
      return 1
    }
    let length = scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4
    var rest = scalar
    for place in stride(from: length - 1, to: 0, by: -1) {
      bytes[place] = 0x80 | UInt8(truncatingIfNeeded: rest & 0x3F)
      rest >>= 6
    }
    let mark: UInt8 = length == 2 ? 0xC0 : length == 3 ? 0xE0 : 0xF0
    bytes[0] = mark | UInt8(truncatingIfNeeded: rest)
    return length
  }
}
