/// A text after cleaning, spacing ideographs, stripping accents and lower-casing, kept whole.
///
/// `WordScanner` does the same without keeping it. This is for tokens that are looked for in the text as it
/// is after those steps: what they leave can be scanned again without them.
struct NormalizedText {
  /// UTF-8.
  private(set) var bytes: [UInt8] = []
  /// Where each scalar of it came from.
  private(set) var sources: [SourceSpan] = []

  private var rules: WordScanner.Rules
  private var marks: [PendingMark] = []
  private typealias Category = UnicodeTables.Category

  /// Normalises a text whose first scalar is that behind `place`, which goes on to its last.
  init(
    _ text: UnsafeBufferPointer<UInt8>, from place: inout SourceSpan, rules: WordScanner.Rules
  ) {
    self.rules = rules
    guard let base = text.baseAddress else { return }
    bytes.reserveCapacity(text.count)
    sources.reserveCapacity(text.count)
    var at = 0
    while at < text.count {
      let (scalar, length) = ScalarDecoding.decode(base, at, text.count)
      place.advance()
      take(scalar, place)
      at += length
    }
    placeMarks()
  }

  private mutating func take(_ scalar: UInt32, _ source: SourceSpan) {
    let category = UnicodeTables.category(scalar)
    switch category.kind {
    case Category.removed:
      if !rules.cleansText { put(scalar, source) }
    case Category.space:
      placeMarks()
      put(rules.cleansText ? 0x20 : scalar, source)
    case Category.ideograph where rules.spaceChinese:
      placeMarks()
      put(0x20, source)
      strip(scalar, category, source)
      placeMarks()
      put(0x20, source)
    default:
      strip(scalar, category, source)
    }
  }

  private mutating func strip(_ scalar: UInt32, _ category: Category, _ source: SourceSpan) {
    guard rules.stripAccents else { return lower(scalar, source) }
    let isDropped = category.kind == Category.dropped
    if UnicodeTables.isHangulSyllable(scalar) || category.decomposes {
      let mapped =
        category.decomposes
        ? UnicodeTables.withoutAccents(scalar) : UnicodeTables.hangul(scalar)
      placeMarks()
      lower(mapped.first, source)
      for scalar in [mapped.second, mapped.third] where scalar != 0 {
        if UnicodeTables.category(scalar).combines {
          hold(scalar, source, isDropped: false, consumesSource: false)
        } else {
          placeMarks()
          lower(scalar, source)
        }
      }
    } else if category.combines {
      hold(scalar, source, isDropped: isDropped, consumesSource: true)
    } else {
      placeMarks()
      if !isDropped { lower(scalar, source) }
    }
  }

  private mutating func hold(
    _ scalar: UInt32, _ source: SourceSpan, isDropped: Bool, consumesSource: Bool
  ) {
    marks.append(
      PendingMark(
        combiningClass: UnicodeTables.combiningClass(scalar), scalar: scalar, isDropped: isDropped,
        consumesSource: consumesSource, source: source))
  }

  /// As `WordScanner.placeMarks`: marks in canonical order, places in the order of the text.
  private mutating func placeMarks() {
    guard var last = marks.first?.source else { return }
    let held = marks
    marks.removeAll(keepingCapacity: true)
    let inOrder = held.count == 1 ? held : held.sorted { $0.combiningClass < $1.combiningClass }
    var places = held.lazy.filter(\.consumesSource).map(\.source).makeIterator()
    for mark in inOrder {
      if mark.consumesSource { last = places.next() ?? last }
      if !mark.isDropped { lower(mark.scalar, last) }
    }
  }

  private mutating func lower(_ scalar: UInt32, _ source: SourceSpan) {
    guard rules.lowercase, UnicodeTables.category(scalar).hasLowercase else {
      return put(scalar, source)
    }
    let mapped = UnicodeTables.lowercased(scalar)
    for scalar in [mapped.first, mapped.second, mapped.third] where scalar != 0 {
      put(scalar, source)
    }
  }

  private mutating func put(_ scalar: UInt32, _ source: SourceSpan) {
    var scalarBytes: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &scalarBytes) { buffer in
      guard let base = buffer.bindMemory(to: UInt8.self).baseAddress else { return }
      let count = ScalarDecoding.encode(scalar, base)
      bytes.append(contentsOf: UnsafeBufferPointer(start: base, count: count))
    }
    sources.append(source)
  }
}
