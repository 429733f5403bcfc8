/// A piece of a text, as it is or as normalising has left it, and where its bytes came from.
struct PlacedPiece {
  let bytes: UnsafeBufferPointer<UInt8>
  /// For each byte, the scalars of the input that it stands for; nil where nobody asks.
  let places: UnsafePointer<SourceSpan>?

  subscript(_ range: Range<Int>) -> PlacedPiece {
    PlacedPiece(
      bytes: UnsafeBufferPointer(rebasing: bytes[range]),
      places: places.map { $0 + range.lowerBound })
  }
}

/// A text that steps change, one after the other.
///
/// Where its bytes came from is kept as the reference keeps it, oddities included: a scalar that is added stands
/// for what the one before it stands for, one that is removed for nothing.
struct PlacedText {
  private(set) var bytes: [UInt8] = []
  private(set) var places: [SourceSpan] = []
  let tracks: Bool

  init(tracks: Bool) { self.tracks = tracks }

  /// A whole text; bytes that are no UTF-8 become U+FFFD.
  init(_ text: UnsafeBufferPointer<UInt8>, tracks: Bool) {
    self.tracks = tracks
    bytes.reserveCapacity(text.count)
    guard let base = text.baseAddress else { return }
    var place = SourceSpan()
    var at = 0
    while at < text.count {
      let (scalar, length) = ScalarDecoding.decode(base, at, text.count)
      place.advance()
      append(scalar, place)
      at += length
    }
  }

  func withPiece<Result>(_ body: (PlacedPiece) -> Result) -> Result {
    bytes.withUnsafeBufferPointer { bytes in
      places.withUnsafeBufferPointer { places in
        body(PlacedPiece(bytes: bytes, places: tracks ? places.baseAddress : nil))
      }
    }
  }

  mutating func append(_ scalar: UInt32, _ place: SourceSpan) {
    var spelled: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &spelled) { buffer in
      guard let base = buffer.bindMemory(to: UInt8.self).baseAddress else { return }
      append(UnsafeBufferPointer(start: base, count: ScalarDecoding.encode(scalar, base)), place)
    }
  }

  /// Bytes that all stand for one place.
  mutating func append(_ some: UnsafeBufferPointer<UInt8>, _ place: SourceSpan) {
    bytes.append(contentsOf: some)
    if tracks { places.append(contentsOf: repeatElement(place, count: some.count)) }
  }

  mutating func append(_ piece: PlacedPiece) {
    bytes.append(contentsOf: piece.bytes)
    if tracks, let places = piece.places {
      self.places.append(
        contentsOf: UnsafeBufferPointer(start: places, count: piece.bytes.count))
    }
  }

  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
  }
}

/// What at a token's ends is left out of what it covers, as the reference does for byte pairs.
enum Trimming {
  case nothing
  /// U+0020, which is part of words there.
  case spaces
  /// All white space, which may be part of an added token.
  case whiteSpace
}

extension PlacedPiece {
  /// Whether a scalar is such as `isSuch` says; ASCII is not asked about where that is known.
  @inline(__always)
  func containsScalar(beyondASCII: Bool = false, where isSuch: (UInt32) -> Bool) -> Bool {
    guard let base = bytes.baseAddress else { return false }
    var at = 0
    while at < bytes.count {
      if beyondASCII, base[at] < 0x80 {
        at += 1
        continue
      }
      let (scalar, length) = ScalarDecoding.decode(base, at, bytes.count)
      if isSuch(scalar) { return true }
      at += length
    }
    return false
  }

  /// Copies the text behind another, but for scalars such as `isOther` says, for which `write` writes what it will.
  @inline(__always)
  func copy(
    to out: inout PlacedText, but isOther: (UInt32) -> Bool,
    _ write: (UInt32, SourceSpan, inout PlacedText) -> Void
  ) {
    guard let base = bytes.baseAddress else { return }
    var (start, at) = (0, 0)
    while at < bytes.count {
      let (scalar, length) = ScalarDecoding.decode(base, at, bytes.count)
      if isOther(scalar) {
        out.append(self[start..<at])
        write(scalar, place(at), &out)
        start = at + length
      }
      at += length
    }
    out.append(self[start..<bytes.count])
  }

  /// Where a byte came from; nothing where nobody asks.
  func place(_ at: Int) -> SourceSpan { places.map { $0[at] } ?? SourceSpan() }

  /// How many scalars that are trimmed it begins with, and ends with.
  func spaces(_ trimming: Trimming) -> (leading: Int32, trailing: Int32) {
    guard let base = bytes.baseAddress else { return (0, 0) }
    var (leading, trailing, isLeading): (Int32, Int32, Bool) = (0, 0, true)
    var at = 0
    while at < bytes.count {
      let (scalar, length) = ScalarDecoding.decode(base, at, bytes.count)
      at += length
      if scalar == 0x20 || trimming == .whiteSpace && TextClass(scalar).isSpace {
        if isLeading { leading += 1 }
        trailing += 1
      } else {
        (isLeading, trailing) = (false, 0)
      }
    }
    return (leading, trailing)
  }
}
