/// A mark that decomposition may move: its combining class is not zero.
struct PendingMark {
  var combiningClass: UInt32
  var scalar: UInt32
  /// Stripping accents drops it; it is held only because spans are asked for.
  var isDropped: Bool
  /// It takes the place of a scalar of the text, rather than being part of a longer decomposition.
  var consumesSource: Bool
  var source: SourceSpan
}

/// The way of one scalar through cleaning, spacing, stripping and lower-casing into the word.
extension WordScanner {
  private typealias Category = UnicodeTables.Category

  /// Takes a scalar beyond ASCII; U+FFFD for what is no UTF-8.
  mutating func take(_ scalar: UInt32) {
    let category = UnicodeTables.category(scalar)
    switch category.kind {
    case Category.removed:
      break
    case Category.space:
      endWord()
    case Category.ideograph where rules.spaceChinese:
      endWord()
      normalize(scalar, category)
      endWord()
    default:
      normalize(scalar, category)
    }
  }

  /// Decomposes and strips where the rules say so.
  private mutating func normalize(_ scalar: UInt32, _ category: UnicodeTables.Category) {
    guard rules.stripAccents else { return lower(scalar, category) }
    if UnicodeTables.isHangulSyllable(scalar) { return place(UnicodeTables.hangul(scalar)) }
    if category.decomposes { return place(UnicodeTables.withoutAccents(scalar)) }
    let isDropped = category.kind == Category.dropped
    if category.combines { return hold(scalar, isDropped: isDropped, consumesSource: true) }
    // A starter: marks before it can no longer move past it, even where it is dropped itself.
    if !marks.isEmpty { placeMarks() }
    if !isDropped { lower(scalar, category) }
  }

  /// Places what is left of a scalar that was decomposed: a starter, then perhaps more.
  private mutating func place(_ mapped: UnicodeTables.Mapped) {
    if !marks.isEmpty { placeMarks() }
    lower(mapped.first, UnicodeTables.category(mapped.first))
    for scalar in [mapped.second, mapped.third] where scalar != 0 {
      let category = UnicodeTables.category(scalar)
      if category.combines {
        hold(scalar, isDropped: false, consumesSource: false)
      } else {
        if !marks.isEmpty { placeMarks() }
        lower(scalar, category)
      }
    }
  }

  /// Keeps a mark until the next starter shows where it belongs.
  private mutating func hold(_ scalar: UInt32, isDropped: Bool, consumesSource: Bool) {
    if !rules.tracksSpans {
      if isDropped { return }
      // Marks are never white space or punctuation: with this one the word is too long already.
      if scalars + marks.count >= rules.maximumWordLength {
        isTooLong = true
        return
      }
    }
    marks.append(
      PendingMark(
        combiningClass: UnicodeTables.combiningClass(scalar), scalar: scalar, isDropped: isDropped,
        consumesSource: consumesSource, source: source))
  }

  /// Puts the held marks into canonical order and into the word.
  ///
  /// The reference hands out places in the text in the order that marks have after sorting, so a mark that
  /// moved reports the place of the one whose turn it took; spans here do the same.
  mutating func placeMarks() {
    let held = marks
    marks.removeAll(keepingCapacity: true)
    let inOrder = held.count == 1 ? held : held.sorted { $0.combiningClass < $1.combiningClass }
    let current = source
    var places = held.lazy.filter(\.consumesSource).map(\.source).makeIterator()
    // Only a mark that belongs to a decomposed starter can come before the first place; it lies there.
    var last = held.first?.source ?? current
    for mark in inOrder {
      if mark.consumesSource { last = places.next() ?? last }
      guard !mark.isDropped else { continue }
      source = last
      lower(mark.scalar, UnicodeTables.category(mark.scalar))
    }
    source = current
  }

  private mutating func lower(_ scalar: UInt32, _ category: UnicodeTables.Category) {
    guard rules.lowercase, category.hasLowercase else { return put(scalar, category) }
    let mapped = UnicodeTables.lowercased(scalar)
    for scalar in [mapped.first, mapped.second, mapped.third] where scalar != 0 {
      put(scalar, UnicodeTables.category(scalar))
    }
  }

  /// Splits at white space and punctuation; everything else joins the word.
  private mutating func put(_ scalar: UInt32, _ category: UnicodeTables.Category) {
    switch category.kind {
    case Category.space:
      endWord()
    case Category.punctuation where scalar < 0x80:
      endWord()
      takePunctuation(UInt8(truncatingIfNeeded: scalar))
    case Category.punctuation:
      endWord()
      append(scalar)
      endWord()
    default:
      append(scalar)
    }
  }

  /// Adds a scalar to the word, unless the word is too long to have pieces.
  @inline(__always)
  mutating func append(_ scalar: UInt32) {
    if rules.tracksSpans {
      if length == 0, !isTooLong { wordSpan.start = source.start }
      wordSpan.end = source.end
    }
    guard scalars < rules.maximumWordLength else {
      isTooLong = true
      return
    }
    let count = ScalarDecoding.encode(scalar, word + length)
    for place in length..<length + count {
      hash = VocabularyHash.extend(hash, word[place])
      if rules.tracksSpans { byteSpans.append(source) }
    }
    length += count
    scalars += 1
  }
}
