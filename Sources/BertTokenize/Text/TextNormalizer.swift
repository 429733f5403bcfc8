import BertErrors
import BertModel

/// The changes that a tokenizer makes to a text before it looks for words, in order.
struct TextNormalizer: Sendable {
  /// A step with what it needs.
  private enum Step: Sendable {
    case precompiled(Charsmap)
    case form(NormalForm)
    case lowercase
    case stripAccents
    case stripLeft
    case stripRight
    case collapseSpaces
    case collapseWhiteSpace
    case replace(pattern: [UInt8], content: [UInt8])
  }

  private let steps: [Step]
  /// How many times as long strings that replace others may make a text, all together.
  private static let mostGrowth = 4096.0

  /// - Throws: `malformed` without the table that a step needs, or for an empty pattern; `unsupported` for replacements
  ///   that could make a text too long.
  init(_ steps: [NormalizationStep], _ charsmap: UnsafeRawBufferPointer?) throws(BertError) {
    var made: [Step] = []
    var growth = 1.0
    for step in steps {
      let next = try Self.made(step, charsmap)
      made.append(next)
      guard case .replace(let pattern, let content) = next else { continue }
      growth *= max(1, Double(content.count) / Double(pattern.count))
      if growth > Self.mostGrowth {
        throw BertError(
          .unsupported,
          "the tokenizer's replacements could make a text more than \(Int(Self.mostGrowth)) times as long"
        )
      }
    }
    self.steps = made
  }

  private static func made(
    _ step: NormalizationStep, _ charsmap: UnsafeRawBufferPointer?
  ) throws(BertError) -> Step {
    switch step {
    case .precompiled:
      guard let charsmap else {
        throw BertError(
          .malformed, "the tokenizer's precompiled normalisation has no table")
      }
      return .precompiled(try Charsmap(charsmap))
    case .nfc: return .form(NormalForm(isCompatible: false, composes: true))
    case .nfd: return .form(NormalForm(isCompatible: false, composes: false))
    case .nfkc: return .form(NormalForm(isCompatible: true, composes: true))
    case .nfkd: return .form(NormalForm(isCompatible: true, composes: false))
    case .lowercase: return .lowercase
    case .stripAccents: return .stripAccents
    case .stripLeft: return .stripLeft
    case .stripRight: return .stripRight
    case .collapseSpaces: return .collapseSpaces
    case .collapseWhiteSpace: return .collapseWhiteSpace
    case .replace(let pattern, let content):
      if pattern.isEmpty {
        throw BertError(.malformed, "the tokenizer replaces an empty string")
      }
      return .replace(pattern: Array(pattern.utf8), content: Array(content.utf8))
    }
  }

  /// Gives a text after all steps to `body`: itself where none changes it.
  func withNormalised(_ piece: PlacedPiece, _ body: (PlacedPiece) -> Void) {
    var text: PlacedText?
    for step in steps {
      let next: PlacedText? =
        if let text { text.withPiece { applied(step, $0) } } else { applied(step, piece) }
      if let next { text = next }
    }
    if let text { text.withPiece(body) } else { body(piece) }
  }

  /// A text after a step; nil where it stays as it is.
  private func applied(_ step: Step, _ text: PlacedPiece) -> PlacedText? {
    guard mayChange(step, text) else { return nil }
    var out = PlacedText(tracks: text.places != nil)
    switch step {
    case .precompiled(let charsmap): precompile(text, charsmap, &out)
    case .form(let form): form.apply(text, &out)
    case .lowercase: lower(text, &out)
    case .stripAccents: stripAccents(text, &out)
    case .stripLeft: out.append(text[spaces(text)..<text.bytes.count])
    case .stripRight: out.append(text[0..<contentEnd(text)])
    case .collapseSpaces: collapse(text, &out)
    case .collapseWhiteSpace: collapseWhiteSpace(text, &out)
    case .replace(let pattern, let content): replace(pattern, by: content, text, &out)
    }
    return out
  }

  /// Whether a step may leave something else of a text; found without writing one.
  private func mayChange(_ step: Step, _ text: PlacedPiece) -> Bool {
    switch step {
    case .form(let form): text.containsScalar(beyondASCII: true, where: form.mayChange)
    case .lowercase: text.containsScalar { UnicodeTables.category($0).hasLowercase }
    case .stripAccents: text.containsScalar(beyondASCII: true, where: Self.isStripped)
    case .replace(let pattern, _): Self.place(of: pattern, in: text, from: 0) != nil
    case .precompiled, .stripLeft, .stripRight, .collapseSpaces,
      .collapseWhiteSpace:
      true
    }
  }

  private static func isStripped(_ scalar: UInt32) -> Bool {
    NormalForms.traits(scalar).contains(.isStripped)
  }

  private func stripAccents(_ text: PlacedPiece, _ out: inout PlacedText) {
    text.copy(to: &out, but: Self.isStripped) { _, _, _ in }
  }

  private func lower(_ text: PlacedPiece, _ out: inout PlacedText) {
    text.copy(to: &out, but: { UnicodeTables.category($0).hasLowercase }) { scalar, place, out in
      let lower = UnicodeTables.lowercased(scalar)
      out.append(lower.first, place)
      if lower.second != 0 { out.append(lower.second, place) }
      if lower.third != 0 { out.append(lower.third, place) }
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

  private func collapseWhiteSpace(_ text: PlacedPiece, _ out: inout PlacedText) {
    guard let base = text.bytes.baseAddress else { return }
    var (start, at) = (0, 0)
    while at < text.bytes.count {
      var (end, last, scalars) = (at, at, 0)
      while end < text.bytes.count {
        let (scalar, length) = ScalarDecoding.decode(base, end, text.bytes.count)
        if !TextClass(scalar).isSpace { break }
        last = end
        end += length
        scalars += 1
      }
      if scalars >= 2 || scalars == 1 && [0x09, 0x0A, 0x0D].contains(base[at]) {
        out.append(text[start..<at])
        out.append(0x20, text.place(last))
        start = end
      }
      at = scalars > 0 ? end : at + ScalarDecoding.decode(base, at, text.bytes.count).length
    }
    out.append(text[start..<text.bytes.count])
  }

  private func replace(
    _ pattern: [UInt8], by content: [UInt8], _ text: PlacedPiece, _ out: inout PlacedText
  ) {
    var start = 0
    while let at = Self.place(of: pattern, in: text, from: start) {
      out.append(text[start..<at])
      start = at + pattern.count
      content.withUnsafeBufferPointer { out.append($0, text.place(start - 1)) }
    }
    out.append(text[start..<text.bytes.count])
  }

  /// Where a string stands in a text, from a place on.
  private static func place(
    of pattern: [UInt8], in text: PlacedPiece, from start: Int
  ) -> Int? {
    guard let first = pattern.first else { return nil }
    var at = start
    while at + pattern.count <= text.bytes.count {
      if text.bytes[at] == first,
        text.bytes[at..<at + pattern.count].elementsEqual(pattern)
      {
        return at
      }
      at += 1
    }
    return nil
  }
}

// MARK: - Precompiled

extension TextNormalizer {
  /// Clusters of under this many bytes are looked up as a whole.
  private static let longestCluster = 6

  private func precompile(
    _ text: PlacedPiece, _ charsmap: Charsmap, _ out: inout PlacedText
  ) {
    guard let base = text.bytes.baseAddress else { return }
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
