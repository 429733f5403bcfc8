import BertModel

/// From a word's bytes to tokens: the pair of the lowest rank is merged, the leftmost first, until none is left.
struct BytePairModel: Sendable {
  private let words: VocabularyReader?
  private let merges: MergeReader

  /// - Parameter words: tokens that the merges of their own bytes lead to; nil to merge always.
  init(_ merges: MergeReader, words: VocabularyReader?) {
    self.merges = merges
    self.words = words
  }

  fileprivate struct Symbol {
    var token: UInt32
    /// Where its bytes begin; they end where the next symbol's begin.
    var start: Int32
    var previous: Int32
    /// Below 0 for none.
    var next: Int32
    var isAlive = true
  }

  /// Memory for words, kept from one to the next.
  struct Scratch {
    fileprivate var symbols: [Symbol] = []
    /// Pairs to merge, the least number first: rank, and the place of the left symbol.
    fileprivate var queue: [UInt64] = []
    fileprivate var spelled: [UInt8] = []
  }

  /// Gives the tokens of a word in order, with the bytes of the word that they cover.
  func encode(
    _ word: UnsafeBufferPointer<UInt8>, _ scratch: inout Scratch, _ emit: (Int32, Int, Int) -> Void
  ) {
    if word.count == 1 {
      return emit(Int32(truncatingIfNeeded: merges.token(word[0])), 0, 1)
    }
    if let words, let id = whole(word, words, &scratch) { return emit(id, 0, word.count) }
    merge(word, &scratch)
    var place: Int32 = word.isEmpty ? -1 : 0
    while place >= 0 {
      let symbol = scratch.symbols[Int(place)]
      let end = symbol.next < 0 ? word.count : Int(scratch.symbols[Int(symbol.next)].start)
      emit(Int32(truncatingIfNeeded: symbol.token), Int(symbol.start), end)
      place = symbol.next
    }
  }

  /// The token that is the whole word.
  private func whole(
    _ word: UnsafeBufferPointer<UInt8>, _ words: VocabularyReader, _ scratch: inout Scratch
  ) -> Int32? {
    if word.count > words.longestToken { return nil }
    scratch.spelled.removeAll(keepingCapacity: true)
    var state = words.seed
    for byte in word {
      let (first, second) = ByteAlphabet.spelled[Int(byte)]
      scratch.spelled.append(first)
      state = VocabularyHash.extend(state, first)
      if second != 0 {
        scratch.spelled.append(second)
        state = VocabularyHash.extend(state, second)
      }
    }
    let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    let id = scratch.spelled.withUnsafeBufferPointer {
      words.find(state, prefix: none, body: $0.baseAddress, count: $0.count)
    }
    return id < 0 ? nil : id
  }

  private func merge(_ word: UnsafeBufferPointer<UInt8>, _ scratch: inout Scratch) {
    let last = word.count - 1
    scratch.symbols.removeAll(keepingCapacity: true)
    scratch.queue.removeAll(keepingCapacity: true)
    for (place, byte) in word.enumerated() {
      let at = Int32(truncatingIfNeeded: place)
      scratch.symbols.append(
        Symbol(
          token: merges.token(byte), start: at, previous: at - 1, next: place == last ? -1 : at + 1)
      )
    }
    for place in 0..<max(last, 0) { offer(place, &scratch) }
    while let (rank, place) = Self.pop(&scratch.queue) {
      let left = scratch.symbols[place]
      guard left.isAlive, left.next >= 0 else { continue }
      let right = scratch.symbols[Int(left.next)]
      // What was offered may have become another pair; that counts if it makes the same token, as in the reference.
      guard let now = merges.rank(left.token, right.token),
        merges.result(now) == merges.result(rank)
      else { continue }
      scratch.symbols[Int(left.next)].isAlive = false
      scratch.symbols[place].token = merges.result(rank)
      scratch.symbols[place].next = right.next
      if right.next >= 0 {
        scratch.symbols[Int(right.next)].previous = Int32(truncatingIfNeeded: place)
      }
      if left.previous >= 0 { offer(Int(left.previous), &scratch) }
      if right.next >= 0 { offer(place, &scratch) }
    }
  }

  /// Puts the pair that begins at a place into the queue, if it merges.
  @inline(__always)
  private func offer(_ place: Int, _ scratch: inout Scratch) {
    let left = scratch.symbols[place]
    guard left.next >= 0,
      let rank = merges.rank(left.token, scratch.symbols[Int(left.next)].token)
    else { return }
    Self.push(UInt64(rank) << 32 | UInt64(place), &scratch.queue)
  }
}

// MARK: - A heap

extension BytePairModel {
  @inline(__always)
  private static func push(_ entry: UInt64, _ queue: inout [UInt64]) {
    queue.append(entry)
    var place = queue.count - 1
    while place > 0 {
      let parent = (place - 1) / 2
      if queue[parent] <= entry { break }
      queue[place] = queue[parent]
      place = parent
    }
    queue[place] = entry
  }

  @inline(__always)
  private static func pop(_ queue: inout [UInt64]) -> (rank: UInt32, place: Int)? {
    guard let least = queue.first, let last = queue.popLast() else { return nil }
    if !queue.isEmpty {
      var place = 0
      while true {
        var child = 2 * place + 1
        if child >= queue.count { break }
        if child + 1 < queue.count, queue[child + 1] < queue[child] { child += 1 }
        if queue[child] >= last { break }
        queue[place] = queue[child]
        place = child
      }
      queue[place] = last
    }
    return (UInt32(truncatingIfNeeded: least >> 32), Int(least & 0xFFFF_FFFF))
  }
}

extension BytePairModel {
  /// Whether the merges of a token's own bytes lead to it: such a word need not be merged.
  static func makes(_ token: [UInt8], id: Int, _ merges: MergeReader) -> Bool {
    guard let bytes = ByteAlphabet.bytes(of: token), !bytes.isEmpty else { return false }
    let model = BytePairModel(merges, words: nil)
    var scratch = Scratch()
    var found: [Int32] = []
    bytes.withUnsafeBufferPointer { model.encode($0, &scratch) { id, _, _ in found.append(id) } }
    return found == [Int32(truncatingIfNeeded: id)]
  }
}
