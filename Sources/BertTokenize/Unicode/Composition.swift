/// Canonical composition (NFC) as the reference has it: what a scalar is made of, and what two become.
///
/// The tables (made by `tools/make/compositions`) are rows of numbers of four 6-bit digits, sorted.
enum Composition {
  /// Whether a text stays as it is, whatever follows each of its bytes: below U+0300 nothing is put together.
  static func leavesAlone(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    text.allSatisfy { $0 < 0xCC }
  }

  /// A scalar on its way, with what it adds to the text (1) or takes from it (-1, -2 …).
  struct Scalar {
    var value: UInt32
    var change: Int32
    /// The canonical combining class.
    var order: UInt32
  }

  /// A text after canonical decomposition and composition.
  static func composed(_ text: UnsafeBufferPointer<UInt8>) -> [Scalar] {
    guard let base = text.baseAddress else { return [] }
    var scalars: [Scalar] = []
    scalars.reserveCapacity(text.count)
    var at = 0
    while at < text.count {
      let (scalar, length) = ScalarDecoding.decode(base, at, text.count)
      appendParts(of: scalar, change: 0, to: &scalars)
      at += length
    }
    sortMarks(&scalars)
    return compose(scalars)
  }

  /// All that a scalar is made of: the first part stands for it, others are added.
  private static func appendParts(of scalar: UInt32, change: Int32, to all: inout [Scalar]) {
    if UnicodeTables.isHangulSyllable(scalar) {
      let parts = UnicodeTables.hangul(scalar)
      for (place, part) in [parts.first, parts.second, parts.third].enumerated() where part != 0 {
        all.append(Scalar(value: part, change: place == 0 ? change : 1, order: 0))
      }
    } else if scalar >= 0xC0, let (first, second) = parts(scalar) {
      // A part's parts are fewer: no scalar is made of itself.
      appendParts(of: first, change: change, to: &all)
      if second != 0 { appendParts(of: second, change: 1, to: &all) }
    } else {
      let combines = scalar >= 0x300 && UnicodeTables.category(scalar).combines
      all.append(
        Scalar(
          value: scalar, change: change,
          order: combines ? UnicodeTables.combiningClass(scalar) : 0))
    }
  }

  /// Marks in a row come in the order of their classes; those of one class stay as they stand.
  private static func sortMarks(_ scalars: inout [Scalar]) {
    var start = 0
    while start < scalars.count {
      if scalars[start].order == 0 {
        start += 1
        continue
      }
      var end = start
      while end < scalars.count, scalars[end].order != 0 { end += 1 }
      if end - start > 1 {
        let sorted = scalars[start..<end].enumerated().sorted {
          ($0.element.order, $0.offset) < ($1.element.order, $1.offset)
        }
        scalars.replaceSubrange(start..<end, with: sorted.map(\.element))
      }
      start = end
    }
  }

  private static func compose(_ scalars: [Scalar]) -> [Scalar] {
    var all: [Scalar] = []
    all.reserveCapacity(scalars.count)
    // The scalar that others may join, and the class of the last one behind it that did not.
    var starter: Int?
    var last: UInt32?
    for next in scalars {
      guard let place = starter else {
        if next.order == 0 { starter = all.count }
        all.append(next)
        continue
      }
      let isBlocked = last.map { $0 >= next.order } ?? false
      if !isBlocked, let whole = whole(all[place].value, next.value) {
        all[place].value = whole
        all[place].change += next.change - 1
        continue
      }
      if next.order == 0 {
        (starter, last) = (all.count, nil)
      } else {
        last = next.order
      }
      all.append(next)
    }
    return all
  }

  // MARK: Tables

  private static let rowSize = 12

  private static func parts(_ scalar: UInt32) -> (UInt32, UInt32)? {
    row(in: CompositionData.parts, spelled(scalar), keyed: 4).map {
      (number($0 + 4), number($0 + 8))
    }
  }

  private static func whole(_ first: UInt32, _ second: UInt32) -> UInt32? {
    // Leading and vowel, syllable and trailing consonant.
    if first &- 0x1100 < 19, second &- 0x1161 < 21 {
      return 0xAC00 + (first - 0x1100) * 588 + (second - 0x1161) * 28
    }
    if UnicodeTables.isHangulSyllable(first), (first - 0xAC00) % 28 == 0, second &- 0x11A8 < 27 {
      return first + second - 0x11A7
    }
    let key = spelled(first) << 32 | spelled(second)
    return row(in: CompositionData.wholes, key, keyed: 8).map { number($0 + 8) }
  }

  /// Binary search for the row whose first digits are a key's.
  private static func row(
    in table: StaticString, _ key: UInt64, keyed digits: Int
  ) -> UnsafePointer<UInt8>? {
    let start = table.utf8Start
    var low = 0
    var high = table.utf8CodeUnitCount / rowSize
    while low < high {
      let middle = (low + high) / 2
      let place = start + middle * rowSize
      var found: UInt64 = 0
      for digit in 0..<digits { found = found << 8 | UInt64(place[digit]) }
      if found == key { return place }
      if found < key { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  /// Four digits as they lie in the text.
  private static func spelled(_ value: UInt32) -> UInt64 {
    let value = UInt64(value)
    let digits =
      (value >> 18 & 63) << 24 | (value >> 12 & 63) << 16 | (value >> 6 & 63) << 8 | value & 63
    return digits + 0x3030_3030
  }

  private static func number(_ digits: UnsafePointer<UInt8>) -> UInt32 {
    (0..<4).reduce(0) { $0 << 6 | UInt32(digits[$1] &- 0x30) }
  }
}
