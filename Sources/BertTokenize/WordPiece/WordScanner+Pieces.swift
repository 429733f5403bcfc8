/// From a word to its pieces: the longest that begins the rest, again and again.
extension WordScanner {
  /// Looks the word up, if there is one, and begins the next.
  @inline(__always)
  mutating func endWord() {
    if !marks.isEmpty { placeMarks() }
    if length == 0, !isTooLong { return }
    if isTooLong {
      emit(rules.unknownID, wordSpan)
    } else {
      takeWord()
    }
    if rules.collectsWords {
      words.append(Array(UnsafeBufferPointer(start: word, count: length)))
    }
    wordIndex &+= 1
    length = 0
    scalars = 0
    isTooLong = false
    hash = rules.vocabulary.seed
    if rules.tracksSpans { byteSpans.removeAll(keepingCapacity: true) }
  }

  /// Most words are in the vocabulary as they are, and their hash is known already.
  @inline(__always)
  private mutating func takeWord() {
    if length <= rules.vocabulary.longestToken {
      let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
      let id = rules.vocabulary.find(hash, prefix: none, body: word, count: length)
      if id >= 0 { return emit(id, wordSpan) }
    }
    takePieces()
  }

  private mutating func takePieces() {
    let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    var pieces = 0
    var start = 0
    while start < length {
      let seed = start == 0 ? rules.vocabulary.seed : rules.prefixHash
      let (id, count) = longestPiece(from: start, seed, start == 0 ? none : prefix)
      guard id >= 0 else {
        // One missing piece makes the whole word unknown.
        ids.removeLast(pieces)
        if rules.tracksSpans { spans.removeLast(pieces) }
        return emit(rules.unknownID, wordSpan)
      }
      var span = SourceSpan()
      if rules.tracksSpans {
        span.start = byteSpans[start].start
        span.end = byteSpans[start + count - 1].end
      }
      emit(id, span)
      pieces += 1
      start += count
    }
  }

  /// The longest token that begins the rest of the word, with its length in bytes of the word.
  private func longestPiece(
    from start: Int, _ seed: UInt32, _ prefix: UnsafeBufferPointer<UInt8>
  ) -> (id: Int32, count: Int) {
    let vocabulary = rules.vocabulary
    let most = min(length - start, vocabulary.longestToken - prefix.count)
    guard most > 0 else { return (-1, 0) }
    var state = seed
    for place in 0..<most {
      state = VocabularyHash.extend(state, word[start + place])
      hashes[place] = state
    }
    var count = most
    while count > 0 {
      let isWhole = start + count == length || word[start + count] & 0xC0 != 0x80
      if isWhole {
        let id = vocabulary.find(
          hashes[count - 1], prefix: prefix, body: word + start, count: count)
        if id >= 0 { return (id, count) }
      }
      count -= 1
    }
    return (-1, 0)
  }
}
