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
    /// The rank of the merge with the next symbol, so that it is looked up once; `unmerged` for none, and behind a merge.
    var rank = Symbol.unmerged

    static let unmerged = UInt32.max
  }

  /// Memory for words, kept from one to the next.
  struct Scratch {
    fileprivate var symbols: [Symbol] = []
    fileprivate var queue: [UInt64] = []
    fileprivate var spelled: [UInt8] = []

    /// Makes room for a word.
    ///
    /// Its n bytes are n - 1 pairs, and each of at most n - 1 merges offers two more: the queue holds fewer than 3 n.
    fileprivate mutating func makeRoom(_ bytes: Int) {
      guard symbols.count < bytes else { return }
      symbols = Array(
        repeating: Symbol(token: 0, start: 0, previous: -1, next: -1), count: 2 * bytes)
      queue = Array(repeating: 0, count: 6 * bytes)
    }
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
    scratch.makeRoom(word.count)
    scratch.symbols.withUnsafeMutableBufferPointer { symbols in
      scratch.queue.withUnsafeMutableBufferPointer { entries in
        var queue = PairQueue(entries)
        for (place, byte) in word.enumerated() {
          let at = Int32(truncatingIfNeeded: place)
          symbols[place] = Symbol(
            token: merges.token(byte), start: at, previous: at - 1,
            next: place == word.count - 1 ? -1 : at + 1)
        }
        for place in 0..<word.count { offer(place, symbols, &queue) }
        while let (rank, place) = queue.pop() { merge(rank, at: place, symbols, &queue) }
      }
    }
  }

  /// Merges the pair that begins at a place, if it is still there.
  private func merge(
    _ rank: UInt32, at place: Int, _ symbols: UnsafeMutableBufferPointer<Symbol>,
    _ queue: inout PairQueue
  ) {
    let left = symbols[place]
    // What was offered may have become another pair; that counts if it makes the same token, as in the reference.
    guard left.rank != Symbol.unmerged,
      left.rank == rank || merges.result(left.rank) == merges.result(rank)
    else { return }
    let right = symbols[Int(left.next)]
    symbols[Int(left.next)].rank = Symbol.unmerged
    symbols[place].token = merges.result(rank)
    symbols[place].next = right.next
    if right.next >= 0 { symbols[Int(right.next)].previous = Int32(truncatingIfNeeded: place) }
    if left.previous >= 0 { offer(Int(left.previous), symbols, &queue) }
    offer(place, symbols, &queue)
  }

  /// Puts the pair that begins at a place into the queue, if it merges.
  @inline(__always)
  private func offer(
    _ place: Int, _ symbols: UnsafeMutableBufferPointer<Symbol>, _ queue: inout PairQueue
  ) {
    let left = symbols[place]
    guard left.next >= 0, let rank = merges.rank(left.token, symbols[Int(left.next)].token) else {
      symbols[place].rank = Symbol.unmerged
      return
    }
    symbols[place].rank = rank
    queue.push(UInt64(rank) << 32 | UInt64(place))
  }
}

/// Pairs to merge as a heap, the least number first: rank, and the place of the left symbol.
private struct PairQueue {
  private let entries: UnsafeMutableBufferPointer<UInt64>
  private var count = 0

  init(_ entries: UnsafeMutableBufferPointer<UInt64>) { self.entries = entries }

  @inline(__always)
  mutating func push(_ entry: UInt64) {
    var place = count
    count += 1
    while place > 0 {
      let parent = (place - 1) / 2
      if entries[parent] <= entry { break }
      entries[place] = entries[parent]
      place = parent
    }
    entries[place] = entry
  }

  @inline(__always)
  mutating func pop() -> (rank: UInt32, place: Int)? {
    guard count > 0 else { return nil }
    let least = entries[0]
    count -= 1
    let last = entries[count]
    var place = 0
    while true {
      var child = 2 * place + 1
      if child >= count { break }
      if child + 1 < count, entries[child + 1] < entries[child] { child += 1 }
      if entries[child] >= last { break }
      entries[place] = entries[child]
      place = child
    }
    entries[place] = last
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
