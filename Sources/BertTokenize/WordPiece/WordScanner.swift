/// Turns one text into the ids of its word pieces: the inner loops of the tokenizer.
///
/// Text streams through: clean, space ideographs, decompose and strip accents, lower-case, split at white
/// space and punctuation, look up. No more than one word is held, and of a word no more than the length that
/// still has pieces, so memory does not grow with the text and time is linear in it.
struct WordScanner {
  // What the tokenizer lends for the duration of one text.
  let rules: Rules
  let actions: UnsafeBufferPointer<UInt16>
  /// The id of each ASCII character as a whole word, or that of the unknown token.
  let asciiWords: UnsafeBufferPointer<Int32>
  /// What a piece that continues a word starts with.
  let prefix: UnsafeBufferPointer<UInt8>
  /// The word so far: four bytes for each scalar that it may have.
  let word: UnsafeMutablePointer<UInt8>
  /// Room for the hash of each prefix of the word.
  let hashes: UnsafeMutablePointer<UInt32>

  // What comes out.
  var ids: [Int32]
  var spans: [TokenSpan]
  /// The text of every word, when asked for.
  var words: [[UInt8]] = []
  /// A word had no pieces, and the vocabulary has no unknown token.
  var lacksUnknown = false

  // The word so far.
  var length = 0
  var scalars = 0
  var isTooLong = false
  var hash: UInt32
  var wordIndex: Int32 = 0

  // Where the word came from; used only when spans are asked for.
  var byteSpans: [SourceSpan] = []
  var wordSpan = SourceSpan()
  var source = SourceSpan()

  /// Marks that decomposition may still put in another order.
  var marks: [PendingMark] = []

  /// What does not change from text to text.
  struct Rules: Sendable {
    var vocabulary: VocabularyReader
    var specials: [SpecialToken]
    var prefixHash: UInt32
    var unknownID: Int32
    var maximumWordLength: Int
    var lowercase: Bool
    var stripAccents: Bool
    var spaceChinese: Bool
    var tracksSpans = false
    var collectsWords = false
  }

  /// Scans a whole text, or one of a pair.
  mutating func scan(_ text: UnsafeBufferPointer<UInt8>) {
    guard let base = text.baseAddress else { return }
    let end = text.count
    source = SourceSpan()
    wordIndex = 0
    var at = 0
    while at < end {
      var action = actions[Int(base[at])]
      if action >> 8 == ByteActions.special {
        if let token = special(base, at, end) {
          endWord()
          take(token)
          at += token.bytes.count
          continue
        }
        action = actions[ByteActions.plain + Int(base[at])]
      }
      switch action >> 8 {
      case ByteActions.letter where !rules.tracksSpans:
        at = takeLetters(base, at, end)
      case ByteActions.beyondASCII:
        let (scalar, length) = ScalarDecoding.decode(base, at, end)
        source.advance()
        take(scalar)
        at += length
      default:
        source.advance()
        takeASCII(base[at], action)
        at += 1
      }
    }
    endWord()
  }

  /// Takes the run of ASCII letters and digits that begins at `start`; returns where it ends.
  @inline(__always)
  private mutating func takeLetters(
    _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int
  ) -> Int {
    if !marks.isEmpty { placeMarks() }
    // The first byte is a letter even where a special token could have begun.
    var action = actions[ByteActions.plain + Int(base[start])]
    let room = min(end, start + rules.maximumWordLength - scalars)
    var at = start
    var length = length
    var hash = hash
    while at < room, action >> 8 == ByteActions.letter {
      let byte = UInt8(truncatingIfNeeded: action)
      word[length] = byte
      length += 1
      hash = VocabularyHash.extend(hash, byte)
      at += 1
      if at < end { action = actions[Int(base[at])] }
    }
    scalars += at - start
    self.length = length
    self.hash = hash
    guard at < end, action >> 8 == ByteActions.letter else { return at }
    isTooLong = true
    while at < end, actions[Int(base[at])] >> 8 == ByteActions.letter || at == start { at += 1 }
    return at
  }

  /// Takes one ASCII byte for which `action` is the plain entry.
  @inline(__always)
  private mutating func takeASCII(_ byte: UInt8, _ action: UInt16) {
    switch action >> 8 {
    case ByteActions.letter:
      if !marks.isEmpty { placeMarks() }
      append(UInt32(action & 0xFF))
    case ByteActions.space:
      endWord()
    case ByteActions.punctuation:
      endWord()
      takePunctuation(byte)
    default:
      break
    }
  }

  /// A punctuation character of ASCII is a word whose id is known.
  @inline(__always)
  mutating func takePunctuation(_ byte: UInt8) {
    emit(asciiWords[Int(byte)], source)
    if rules.collectsWords { words.append([byte]) }
    wordIndex += 1
  }

  /// The longest special token that begins at `start`.
  private func special(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> SpecialToken? {
    for token in rules.specials where token.bytes.count <= end - start {
      var place = 0
      while place < token.bytes.count, token.bytes[place] == base[start + place] { place += 1 }
      if place == token.bytes.count { return token }
    }
    return nil
  }

  private mutating func take(_ token: SpecialToken) {
    let count = token.bytes.withUnsafeBufferPointer { bytes in
      bytes.baseAddress.map { ScalarDecoding.count($0, bytes.count) } ?? 0
    }
    let span = SourceSpan(start: source.end, end: source.end &+ Int32(truncatingIfNeeded: count))
    emit(token.id, span)
    source = span
    if rules.collectsWords { words.append(token.bytes) }
    wordIndex += 1
  }

  /// Appends `[CLS]` or `[SEP]`, which is no part of a text.
  mutating func add(_ id: Int32) {
    ids.append(id)
    if rules.tracksSpans { spans.append(.added) }
  }

  @inline(__always)
  mutating func emit(_ id: Int32, _ span: SourceSpan) {
    if id < 0 { lacksUnknown = true }
    ids.append(id)
    if rules.tracksSpans {
      spans.append(TokenSpan(start: span.start, end: span.end, word: wordIndex))
    }
  }
}

/// Where something lies in the text, in Unicode scalars.
struct SourceSpan: Equatable {
  var start: Int32 = 0
  var end: Int32 = 0

  /// Goes on to the next scalar; callers refuse texts of more than 2^31 - 1 bytes.
  @inline(__always)
  mutating func advance() {
    start = end
    end &+= 1
  }
}
