/// From a text with added tokens in it to ids: what lies between the tokens is scanned as usual.
struct TextSegments: Sendable {
  /// Looked for in the text as it is.
  let plain: AddedTokens
  /// Looked for, where `plain` found nothing, in the normalised text.
  let normalized: AddedTokens
  /// How the text is normalised for them.
  let rules: WordScanner.Rules

  /// Scans a whole text, or one of a pair.
  ///
  /// The scanner has no special tokens of its own; where tokens are looked for in the normalised text, it
  /// has no normalisation of its own either.
  func scan(_ text: UnsafeBufferPointer<UInt8>, with scanner: inout WordScanner) {
    scanner.beginText()
    split(text, plain, &scanner) { segment, scanner in
      if normalized.isEmpty {
        scanner.scanSegment(segment)
      } else {
        scanNormalized(segment, &scanner)
      }
    }
  }

  private func scanNormalized(
    _ segment: UnsafeBufferPointer<UInt8>, _ scanner: inout WordScanner
  ) {
    var place = scanner.source
    let text = NormalizedText(segment, from: &place, rules: rules)
    let firstSpan = scanner.spans.count
    // Inside, places are those of the normalised text.
    scanner.source = SourceSpan()
    text.bytes.withUnsafeBufferPointer { bytes in
      split(bytes, normalized, &scanner) { segment, scanner in scanner.scanSegment(segment) }
    }
    for index in scanner.spans.indices.dropFirst(firstSpan) {
      let span = scanner.spans[index]
      guard span.start < span.end, Int(span.end) <= text.sources.count else { continue }
      scanner.spans[index].start = text.sources[Int(span.start)].start
      scanner.spans[index].end = text.sources[Int(span.end) - 1].end
    }
    scanner.source = place
  }

  /// Emits the tokens of a text, and gives what lies between them to `body`.
  private func split(
    _ text: UnsafeBufferPointer<UInt8>, _ tokens: AddedTokens, _ scanner: inout WordScanner,
    _ body: (UnsafeBufferPointer<UInt8>, inout WordScanner) -> Void
  ) {
    var taken = 0
    var searched = 0
    while let match = tokens.next(text, from: searched, after: taken) {
      if match.start > taken {
        body(UnsafeBufferPointer(rebasing: text[taken..<match.start]), &scanner)
      }
      scanner.take(UnsafeBufferPointer(rebasing: text[match.start..<match.end]), id: match.id)
      taken = match.end
      searched = match.searched
    }
    if taken < text.count { body(UnsafeBufferPointer(rebasing: text[taken...]), &scanner) }
  }
}
