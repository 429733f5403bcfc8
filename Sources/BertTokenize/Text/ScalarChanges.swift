/// A text that is made of another, scalar by scalar, as the reference counts them.
struct ScalarChanges {
  private var bytes: [UInt8] = []
  /// For each scalar: above 0 where it is added, else minus the scalars behind its own that are gone.
  private var changes: [Int32] = []
  private let tracks: Bool
  /// What stays since the last replacement: one piece of the old text, copied as one.
  private var kept: (start: UnsafePointer<UInt8>?, bytes: Int, scalars: Int) = (nil, 0, 0)

  init(tracks: Bool, room: Int) {
    self.tracks = tracks
    bytes.reserveCapacity(room)
  }

  /// Keeps what follows in the old text.
  @inline(__always)
  mutating func keep(_ text: UnsafePointer<UInt8>, bytes: Int, scalars: Int) {
    if kept.bytes == 0 { kept.start = text }
    kept.bytes += bytes
    kept.scalars += scalars
  }

  private mutating func copyKept() {
    bytes.append(contentsOf: UnsafeBufferPointer(start: kept.start, count: kept.bytes))
    if tracks { changes.append(contentsOf: repeatElement(0, count: kept.scalars)) }
    kept = (nil, 0, 0)
  }

  /// Puts a scalar: above 0 it is added, at 0 it takes the next one's place, below 0 it takes so many more.
  mutating func put(_ scalar: UInt32, change: Int32) {
    if kept.bytes > 0 { copyKept() }
    var spelled: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &spelled) { buffer in
      guard let base = buffer.bindMemory(to: UInt8.self).baseAddress else { return }
      let count = ScalarDecoding.encode(scalar, base)
      bytes.append(contentsOf: UnsafeBufferPointer(start: base, count: count))
    }
    if tracks { changes.append(change) }
  }

  /// Puts a string in the place of some scalars.
  mutating func replace(_ old: Int, by new: UnsafeBufferPointer<UInt8>) {
    copyKept()
    bytes.append(contentsOf: new)
    guard tracks else { return }
    let count = new.baseAddress.map { ScalarDecoding.count($0, new.count) } ?? 0
    changes.append(contentsOf: repeatElement(0, count: count))
    if count > old {
      for place in 0..<min(count - old, changes.count) { changes[changes.count - 1 - place] = 1 }
    } else if count < old, !changes.isEmpty {
      changes[changes.count - 1] -= Int32(truncatingIfNeeded: old - count)
    }
  }

  /// Puts what has become of a text behind another.
  mutating func append(to out: inout PlacedText, from text: PlacedPiece) {
    copyKept()
    bytes.withUnsafeBufferPointer { bytes in
      guard tracks, let base = bytes.baseAddress, let old = text.bytes.baseAddress else {
        return out.append(bytes, SourceSpan())
      }
      func skip(_ offset: inout Int) {
        if offset < text.bytes.count {
          offset += ScalarDecoding.decode(old, offset, text.bytes.count).length
        }
      }
      var (at, offset) = (0, 0)
      for change in changes where at < bytes.count {
        let length = ScalarDecoding.decode(base, at, bytes.count).length
        let place = change > 0 ? offset - 1 : min(offset, text.bytes.count - 1)
        out.append(
          UnsafeBufferPointer(rebasing: bytes[at..<at + length]),
          place < 0 ? SourceSpan() : text.place(place))
        at += length
        if change <= 0 { for _ in change...0 { skip(&offset) } }
      }
    }
  }
}
