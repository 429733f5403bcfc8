import BertErrors
import BertModel

/// The changes that a tokenizer makes to a text before it looks for words, in order.
struct TextNormalizer: Sendable {
  private let steps: [NormalizationStep]
  private let charsmap: Charsmap?

  var isEmpty: Bool { steps.isEmpty }

  /// - Throws: `unsupported` for a step that is not computed, `malformed` without the table that a step needs.
  init(_ steps: [NormalizationStep], _ charsmap: UnsafeRawBufferPointer?) throws(BertError) {
    self.steps = steps
    for step in steps {
      switch step {
      case .nfd, .nfkc, .nfkd, .lowercase, .stripAccents:
        throw BertError(
          .unsupported, "the tokenizer's normalisation '\(step)' is not computed by this version")
      case .replace(let pattern, _) where pattern.isEmpty:
        throw BertError(.malformed, "the tokenizer replaces an empty string")
      default: break
      }
    }
    guard steps.contains(.precompiled) else {
      self.charsmap = nil
      return
    }
    guard let charsmap else {
      throw BertError(
        .malformed, "the tokenizer's precompiled normalisation has no table")
    }
    self.charsmap = try Charsmap(charsmap)
  }

  /// A text after all steps.
  func normalised(_ piece: PlacedPiece) -> PlacedText {
    var text = PlacedText(tracks: piece.places != nil)
    guard let first = steps.first else {
      text.append(piece)
      return text
    }
    apply(first, piece, &text)
    for step in steps.dropFirst() {
      var next = PlacedText(tracks: text.tracks)
      text.withPiece { apply(step, $0, &next) }
      text = next
    }
    return text
  }

  private func apply(_ step: NormalizationStep, _ text: PlacedPiece, _ out: inout PlacedText) {
    switch step {
    case .precompiled: precompile(text, &out)
    case .nfc: compose(text, &out)
    case .stripLeft: out.append(text[spaces(text)..<text.bytes.count])
    case .stripRight: out.append(text[0..<contentEnd(text)])
    case .collapseSpaces: collapse(text, &out)
    case .replace(let pattern, let content):
      replace(Array(pattern.utf8), by: Array(content.utf8), text, &out)
    case .nfd, .nfkc, .nfkd, .lowercase, .stripAccents: out.append(text)
    }
  }

  /// How many bytes of white space a text begins with.
  private func spaces(_ text: PlacedPiece) -> Int {
    guard let base = text.bytes.baseAddress else { return 0 }
    var at = 0
    while at < text.bytes.count {
      let (scalar, length) = ScalarDecoding.decode(base, at, text.bytes.count)
      if !TextClass(scalar).isSpace { break }
      at += length
    }
    return at
  }

  /// Where the last scalar ends that is no white space.
  private func contentEnd(_ text: PlacedPiece) -> Int {
    guard let base = text.bytes.baseAddress else { return 0 }
    var (at, end) = (0, 0)
    while at < text.bytes.count {
      let (scalar, length) = ScalarDecoding.decode(base, at, text.bytes.count)
      at += length
      if !TextClass(scalar).isSpace { end = at }
    }
    return end
  }

  private func collapse(_ text: PlacedPiece, _ out: inout PlacedText) {
    var start = 0
    var at = 0
    while at < text.bytes.count {
      var end = at
      while end < text.bytes.count, text.bytes[end] == 0x20 { end += 1 }
      if end - at >= 2 {
        out.append(text[start..<at])
        out.append(0x20, text.place(end - 1))
        start = end
      }
      at = max(end, at + 1)
    }
    out.append(text[start..<text.bytes.count])
  }

  private func replace(
    _ pattern: [UInt8], by content: [UInt8], _ text: PlacedPiece, _ out: inout PlacedText
  ) {
    var start = 0
    var at = 0
    while at + pattern.count <= text.bytes.count {
      guard text.bytes[at..<at + pattern.count].elementsEqual(pattern) else {
        at += 1
        continue
      }
      out.append(text[start..<at])
      at += pattern.count
      start = at
      content.withUnsafeBufferPointer { out.append($0, text.place(at - 1)) }
    }
    out.append(text[start..<text.bytes.count])
  }
}

extension TextNormalizer {
  private func compose(_ text: PlacedPiece, _ out: inout PlacedText) {
    if Composition.leavesAlone(text.bytes) { return out.append(text) }
    var changes = ScalarChanges(tracks: out.tracks, room: text.bytes.count)
    for scalar in Composition.composed(text.bytes) { changes.put(scalar.value, scalar.change) }
    changes.append(to: &out, from: text)
  }
}

// MARK: - Precompiled

extension TextNormalizer {
  /// Clusters of under this many bytes are looked up as a whole.
  private static let longestCluster = 6

  private func precompile(_ text: PlacedPiece, _ out: inout PlacedText) {
    guard let charsmap, let base = text.bytes.baseAddress else { return }
    let count = text.bytes.count
    var changes = ScalarChanges(tracks: out.tracks, room: count)
    var at = 0
    while at < count {
      let plain = charsmap.unchangedASCII(base + at, count - at)
      changes.keep(base + at, bytes: plain, scalars: plain)
      at += plain
      if at == count { break }
      let end = Self.clusterEnd(base, at, count)
      if end - at < Self.longestCluster,
        let replacement = charsmap.replacement(base + at, end - at)
      {
        changes.replace(ScalarDecoding.count(base + at, end - at), by: replacement)
        at = end
        continue
      }
      while at < end {
        let length = ScalarDecoding.decode(base, at, count).length
        if let replacement = charsmap.replacement(base + at, length) {
          changes.replace(1, by: replacement)
        } else {
          changes.keep(base + at, bytes: length, scalars: 1)
        }
        at += length
      }
    }
    changes.append(to: &out, from: text)
  }

  /// Where the grapheme cluster ends that begins at `start`, as far as it matters for those of under six bytes: Hangul
  /// syllables, flags and joined emoji are longer, and are told apart scalar by scalar all the same.
  private static func clusterEnd(
    _ base: UnsafePointer<UInt8>, _ start: Int, _ count: Int
  ) -> Int {
    if base[start] == 0x0D {
      return start + 1 < count && base[start + 1] == 0x0A ? start + 2 : start + 1
    }
    var (scalar, length) = ScalarDecoding.decode(base, start, count)
    var kind = TextClass(scalar)
    var end = start + length
    while kind.prependsCluster, end < count {
      (scalar, length) = ScalarDecoding.decode(base, end, count)
      let next = TextClass(scalar)
      if next.isControl { return end }
      kind = next
      end += length
    }
    if kind.isControl { return end }
    while end < count, base[end] >= 0x80 {
      (scalar, length) = ScalarDecoding.decode(base, end, count)
      guard TextClass(scalar).extendsCluster else { break }
      end += length
    }
    return end
  }
}

/// Scalars that take the place of others, as the reference counts them.
private struct ScalarChanges {
  private var bytes: [UInt8] = []
  /// For each scalar: 1 where it is added, else minus the scalars behind its own that are gone.
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

  /// Puts a scalar: one that is added (1), or one in the place of the next and of some behind that (0, -1, -2 …).
  mutating func put(_ scalar: UInt32, _ change: Int32) {
    var spelled: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &spelled) { buffer in
      guard let base = buffer.bindMemory(to: UInt8.self).baseAddress else { return }
      let length = ScalarDecoding.encode(scalar, base)
      bytes.append(contentsOf: UnsafeBufferPointer(start: base, count: length))
    }
    if tracks { changes.append(change) }
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
