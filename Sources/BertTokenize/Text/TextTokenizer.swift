import BertErrors
import BertModel

/// From a text to tokens for byte pairs and Unigram: added tokens, normalisation, words, and a model of words.
///
/// It does what the published library does with the same `tokenizer.json`, in the same order.
struct TextTokenizer: Sendable {
  /// What makes tokens of a word.
  enum Model: Sendable {
    case bytePairs(BytePairModel)
    case unigram(UnigramModel)
  }

  /// How words are made of what lies between added tokens.
  private enum Words: Sendable {
    case bytes(prefixes: Bool, splits: Bool)
    case metaspace(prefixes: Bool, splits: Bool)
  }

  private let model: Model
  private let normalizer: TextNormalizer
  private let words: Words
  private let dropsWhiteSpace: Bool
  private let plain: AddedTokens
  private let normalized: AddedTokens

  /// - Throws: `unsupported` for steps that are not computed, or not in this order.
  init(
    _ model: Model, _ rules: TextRules, _ tables: TokenizerTables, added: [AddedToken]
  ) throws(BertError) {
    self.model = model
    let normalizer = try TextNormalizer(rules.normalization, tables.charsmap)
    self.normalizer = normalizer
    if rules.fallsBackToBytes {
      throw BertError(
        .unsupported, "the tokenizer falls back to bytes, which this version does not compute")
    }
    var splitting = rules.splitting[...]
    dropsWhiteSpace = splitting.first == .whitespace
    if dropsWhiteSpace { splitting.removeFirst() }
    switch (splitting.count, splitting.first, model) {
    case (1, .byteLevel(let prefixes, let splits)?, .bytePairs):
      words = .bytes(prefixes: prefixes, splits: splits)
    case (1, .metaspace(let first, let always, let splits)?, .unigram) where first == always:
      words = .metaspace(prefixes: always, splits: splits)
    default:
      throw BertError(
        .unsupported,
        "the tokenizer's steps for words are not computed by this version; for byte pairs they are bytes, for "
          + "Unigram U+2581 before each piece of a text or before none, and before either white space"
      )
    }
    func entries(_ tokens: [AddedToken]) -> AddedTokens {
      AddedTokens(
        tokens.map { token in
          var bytes = Array(token.text.utf8)
          if token.isNormalized {
            Array(token.text.utf8).withUnsafeBufferPointer {
              normalizer.withNormalised(PlacedPiece(bytes: $0, places: nil)) {
                bytes = Array($0.bytes)
              }
            }
          }
          return AddedTokens.Entry(
            bytes: bytes, id: Int32(truncatingIfNeeded: token.id),
            takesSpaceBefore: token.takesSpaceBefore, takesSpaceBehind: token.takesSpaceBehind,
            isSingleWord: token.isSingleWord)
        })
    }
    // Without a normalisation the text is the same before and after, but plain tokens go first all the same.
    plain = entries(added.filter { !$0.isNormalized })
    normalized = entries(added.filter(\.isNormalized))
  }

  /// Whether spaces at a token's ends are no part of what it covers.
  private var trimsSpans: Bool { if case .bytePairs = model { true } else { false } }

  /// Appends a whole text's tokens, or those of one of a pair.
  func scan(_ text: UnsafeBufferPointer<UInt8>, _ run: inout TextRun) {
    if case .bytes(let prefixes, _) = words {
      run.beginText(prefixes: prefixes)
    } else {
      run.beginText(prefixes: false)
    }
    guard text.count > 0 else { return }
    if run.tracksSpans || !Self.isValid(text) {
      PlacedText(text, tracks: run.tracksSpans).withPiece { scan($0, &run) }
    } else {
      scan(PlacedPiece(bytes: text, places: nil), &run)
    }
  }

  private static func isValid(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let base = text.baseAddress else { return true }
    var at = 0
    while at < text.count {
      if base[at] < 0x80 {
        at += 1
        continue
      }
      let (scalar, length) = ScalarDecoding.decode(base, at, text.count)
      // U+FFFD as it stands has three bytes.
      if scalar == 0xFFFD, !(length == 3 && base[at] == 0xEF) { return false }
      at += length
    }
    return true
  }

  private func scan(_ text: PlacedPiece, _ run: inout TextRun) {
    split(text, plain, &run) { segment, run in
      normalizer.withNormalised(segment) { split($0, normalized, &run, findWords) }
    }
  }

  /// Takes the added tokens of a text, and gives what lies between them to `body`.
  private func split(
    _ text: PlacedPiece, _ tokens: AddedTokens, _ run: inout TextRun,
    _ body: (PlacedPiece, inout TextRun) -> Void
  ) {
    var taken = 0
    var searched = 0
    if !tokens.isEmpty {
      while let match = tokens.next(text.bytes, from: searched, after: taken) {
        if match.start > taken { body(text[taken..<match.start], &run) }
        if match.end > match.start {
          run.take(
            text[match.start..<match.end], match.id, trims: trimsSpans ? .whiteSpace : .nothing)
        }
        taken = match.end
        searched = match.searched
      }
    }
    if taken < text.bytes.count { body(text[taken..<text.bytes.count], &run) }
  }

  private func findWords(_ text: PlacedPiece, _ run: inout TextRun) {
    guard dropsWhiteSpace else { return findWordsInRun(text, &run) }
    guard let base = text.bytes.baseAddress else { return }
    var start = 0
    var at = 0
    while at < text.bytes.count {
      let (scalar, length) = ScalarDecoding.decode(base, at, text.bytes.count)
      if TextClass(scalar).isSpace {
        if at > start { findWordsInRun(text[start..<at], &run) }
        start = at + length
      }
      at += length
    }
    if at > start { findWordsInRun(text[start..<at], &run) }
  }

  private func findWordsInRun(_ text: PlacedPiece, _ run: inout TextRun) {
    switch words {
    case .bytes(let prefixes, let splits):
      if prefixes, text.bytes.first != 0x20 {
        var prefixed = PlacedText(tracks: run.tracksSpans)
        prefixed.append(0x20, text.place(0))
        prefixed.append(text)
        prefixed.withPiece { cutBytes($0, splits, &run) }
      } else {
        cutBytes(text, splits, &run)
      }
    case .metaspace(let prefixes, let splits):
      cutMetaspace(text, prefixes: prefixes, splits, &run)
    }
  }

  private func cutBytes(_ text: PlacedPiece, _ splits: Bool, _ run: inout TextRun) {
    guard splits, let base = text.bytes.baseAddress else { return take(text, &run) }
    let words = ByteWords(base, count: text.bytes.count)
    var start = 0
    while start < text.bytes.count {
      let end = words.end(of: start)
      take(text[start..<end], &run)
      start = end
    }
  }

  private static let mark: [UInt8] = [0xE2, 0x96, 0x81]

  /// Puts U+2581 for spaces, and perhaps first, and cuts before each.
  private func cutMetaspace(
    _ text: PlacedPiece, prefixes: Bool, _ splits: Bool, _ run: inout TextRun
  ) {
    var word = PlacedText(tracks: run.tracksSpans)
    func begin(_ run: inout TextRun) {
      if splits, !word.bytes.isEmpty {
        word.withPiece { take($0, &run) }
        word.removeAll()
      }
    }
    func append(_ place: SourceSpan) {
      Self.mark.withUnsafeBufferPointer { word.append($0, place) }
    }
    let bytes = text.bytes
    let isMarked = bytes.first == 0x20 || bytes.starts(with: Self.mark)
    if prefixes, !isMarked { append(text.place(0)) }
    var at = 0
    var start = 0
    while at < bytes.count {
      let isMark =
        bytes[at] == Self.mark[0] && at + 2 < bytes.count && bytes[at + 1] == Self.mark[1]
        && bytes[at + 2] == Self.mark[2]
      guard bytes[at] == 0x20 || isMark else {
        at += 1
        continue
      }
      word.append(text[start..<at])
      begin(&run)
      append(text.place(at))
      at += isMark ? 3 : 1
      start = at
    }
    word.append(text[start..<at])
    if !word.bytes.isEmpty { word.withPiece { take($0, &run) } }
  }

  /// Appends the tokens of a word.
  private func take(_ word: PlacedPiece, _ run: inout TextRun) {
    switch model {
    case .unigram(let model):
      run.withUnigram { scratch, run in
        model.encode(word.bytes, &scratch) { run.emit($0, word, $1..<$2, trims: .nothing) }
      }
    case .bytePairs(let model):
      run.withBytePairs { scratch, run in
        model.encode(word.bytes, &scratch) { run.emit($0, word, $1..<$2, trims: .spaces) }
      }
    }
    run.endWord(word)
  }
}

/// Tokens as they are appended, and the memory for it.
struct TextRun {
  var ids: [Int32] = []
  var spans: [TokenSpan] = []
  /// The text of every word, when asked for.
  var words: [[UInt8]] = []
  let tracksSpans: Bool
  private let collectsWords: Bool
  private var wordIndex: Int32 = 0
  private var isAtStart = true
  private var prefixes = false
  private var unigram = UnigramModel.Scratch()
  private var bytePairs = BytePairModel.Scratch()

  init(tracksSpans: Bool, collectsWords: Bool = false) {
    self.tracksSpans = tracksSpans
    self.collectsWords = collectsWords
  }

  /// Begins a text, before each piece of which a space may be put.
  mutating func beginText(prefixes: Bool) {
    wordIndex = 0
    isAtStart = true
    self.prefixes = prefixes
  }

  /// Appends a token that frames the texts.
  mutating func add(_ id: Int32) {
    ids.append(id)
    if tracksSpans { spans.append(.added) }
  }

  /// Takes a piece of the text that is an added token.
  mutating func take(_ text: PlacedPiece, _ id: Int32, trims: Trimming) {
    emit(id, text, 0..<text.bytes.count, trims: trims)
    endWord(text)
  }

  mutating func endWord(_ word: PlacedPiece) {
    if collectsWords { words.append(Array(word.bytes)) }
    wordIndex &+= 1
  }

  /// Appends a token that covers some bytes of a word.
  ///
  /// - Parameter trims: what at its ends is left out of what it covers.
  mutating func emit(_ id: Int32, _ word: PlacedPiece, _ range: Range<Int>, trims: Trimming) {
    ids.append(id)
    let isFirst = isAtStart
    isAtStart = false
    guard tracksSpans, !range.isEmpty else { return }
    var span = TokenSpan(
      start: word.place(range.lowerBound).start, end: word.place(range.upperBound - 1).end,
      word: wordIndex)
    if trims != .nothing {
      var (leading, trailing) = word[range].spaces(trims)
      // One space was put before the text, and is none of its own; several are.
      if leading == 1, prefixes, isFirst || span.start == 0 { leading = 0 }
      span.start = min(span.start + leading, span.end)
      if span.end >= trailing { span.end = max(span.end - trailing, span.start) }
    }
    spans.append(span)
  }

  mutating func withUnigram(_ body: (inout UnigramModel.Scratch, inout TextRun) -> Void) {
    var scratch = UnigramModel.Scratch()
    swap(&scratch, &unigram)
    body(&scratch, &self)
    swap(&scratch, &unigram)
  }

  mutating func withBytePairs(_ body: (inout BytePairModel.Scratch, inout TextRun) -> Void) {
    var scratch = BytePairModel.Scratch()
    swap(&scratch, &bytePairs)
    body(&scratch, &self)
    swap(&scratch, &bytePairs)
  }
}
