/// Words for byte pairs: contractions, and runs of letters, of numbers, of what is neither, and of white space.
///
/// The pattern is GPT-2's, `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`: a run takes the
/// one space before it; of white space before something else, the last belongs to what follows or is a word itself.
struct ByteWords {
  private let base: UnsafePointer<UInt8>
  private let end: Int

  /// Words of UTF-8 without faults.
  init(_ base: UnsafePointer<UInt8>, count: Int) {
    self.base = base
    end = count
  }

  /// Where the word ends that begins at `start`, which is before the end.
  func end(of start: Int) -> Int {
    if base[start] == 0x27, let length = contraction(start) { return start + length }
    let (first, length) = kind(start)
    if first != .space { return run(first, from: start + length) }
    if base[start] == 0x20, start + 1 < end {
      let (next, length) = kind(start + 1)
      if next != .space { return run(next, from: start + 1 + length) }
    }
    var last = start
    var at = start + length
    while at < end {
      let (kind, length) = kind(at)
      if kind != .space { break }
      last = at
      at += length
    }
    return at == end || last == start ? at : last
  }

  @inline(__always)
  private func kind(_ at: Int) -> (TextClass.Kind, Int) {
    let byte = base[at]
    if byte < 0x80 { return (TextClass(UInt32(byte)).kind, 1) }
    let (scalar, length) = ScalarDecoding.decode(base, at, end)
    return (TextClass(scalar).kind, length)
  }

  private func run(_ kind: TextClass.Kind, from start: Int) -> Int {
    var at = start
    while at < end {
      let (next, length) = self.kind(at)
      if next != kind { break }
      at += length
    }
    return at
  }

  private func contraction(_ start: Int) -> Int? {
    guard start + 1 < end else { return nil }
    switch base[start + 1] {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 2
    default: break
    }
    guard start + 2 < end else { return nil }
    switch (base[start + 1], base[start + 2]) {
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return 3
    default: return nil
    }
  }
}
