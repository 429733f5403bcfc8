import BertErrors

extension PieceTable {
  /// Lays pieces out as a table, the piece at index i having id i.
  ///
  /// Of equal pieces the last is found, by the score of that one. Pieces whose ids are `unlisted` are no pieces of
  /// words: only who knows the id finds them.
  /// Throws `unsupported` when there are too many pieces or bytes, `malformed` for a score that is not finite.
  package static func build(
    _ pieces: [[UInt8]], scores: [Double], unlisted: Set<Int> = [], unknownID: Int
  ) throws(BertError) -> [UInt8] {
    let total = pieces.reduce(0) { $0 + $1.count }
    guard pieces.count <= PieceReader.mostPieces, total < 1 << 31 else {
      throw BertError(
        .unsupported, "\(pieces.count) pieces of \(total) bytes are more than 2^24 or 2^31 bytes")
    }
    guard scores.count <= pieces.count, scores.allSatisfy(\.isFinite),
      pieces.indices.contains(unknownID)
    else {
      throw BertError(
        .malformed, "has \(scores.count) scores of \(pieces.count) pieces, or one that is no number"
      )
    }
    let trie = try DoubleArray(pieces, unlisted: unlisted)
    var table: [UInt8] = []
    table.reserveCapacity(36 + 8 * trie.units.count + 12 * pieces.count + total)
    append(PieceReader.magic, to: &table)
    for number in [pieces.count, trie.units.count, total] { append(UInt32(number), to: &table) }
    append((scores.min() ?? 0).bitPattern, to: &table)
    for number in [unknownID, 0] { append(UInt32(number), to: &table) }
    for (unit, value) in zip(trie.units, trie.values) {
      append(unit, to: &table)
      append(value, to: &table)
    }
    for index in pieces.indices {
      append((index < scores.count ? scores[index] : 0).bitPattern, to: &table)
    }
    var offset = 0
    for piece in pieces {
      append(UInt32(offset), to: &table)
      offset += piece.count
    }
    append(UInt32(offset), to: &table)
    for piece in pieces { table.append(contentsOf: piece) }
    return table
  }
}

/// A trie in two arrays, made of sorted keys: children lie where the base of their parent and their byte say.
private struct DoubleArray {
  var units: [UInt32] = []
  var values: [UInt32] = []

  private var isUsedBase: [Bool] = []
  /// For each slot, the next free one; `none` for the last, `taken` where it is not free.
  private var next: [Int32] = []
  private var previous: [Int32] = []
  /// The last free slot; below 0 for none.
  private var last = -1
  /// Where the search begins for an only child, and for the first of several; below 0 where nothing is free.
  private var firstForOnly = -1
  private var firstForSeveral = -1

  private static let none: Int32 = -1
  private static let taken: Int32 = -2

  init(_ pieces: [[UInt8]], unlisted: Set<Int>) throws(BertError) {
    // Of equal pieces the last stays: sorting by bytes, then by id.
    let ids = pieces.indices.filter { !pieces[$0].isEmpty && !unlisted.contains($0) }
    let sorted = ids.sorted {
      pieces[$0] == pieces[$1] ? $0 < $1 : pieces[$0].lexicographicallyPrecedes(pieces[$1])
    }
    // The root, whose base nobody else has.
    _ = try grow()
    take(0)
    isUsedBase[0] = true
    // Nodes with a range of sorted keys that begin as they do, and the depth.
    var waiting: [(slot: Int, keys: Range<Int>, depth: Int)] = [(0, 0..<sorted.count, 0)]
    while let (slot, keys, depth) = waiting.popLast() {
      var start = keys.lowerBound
      while start < keys.upperBound, pieces[sorted[start]].count == depth {
        values[slot] = 1 | UInt32(sorted[start] + 1) << 1
        start += 1
      }
      var children: [(byte: UInt8, keys: Range<Int>)] = []
      while start < keys.upperBound {
        let byte = pieces[sorted[start]][depth]
        var end = start + 1
        while end < keys.upperBound, pieces[sorted[end]][depth] == byte { end += 1 }
        children.append((byte, start..<end))
        start = end
      }
      if children.isEmpty { continue }
      let base = try place(children.map(\.byte))
      units[slot] = UInt32(base) << 8 | units[slot] & 0xFF
      for child in children {
        let place = base ^ Int(child.byte)
        units[place] = UInt32(child.byte)
        values[place] = max(values[place], 1)
        waiting.append((place, child.keys, depth + 1))
      }
    }
  }

  /// A base that no other node has, where all children find a free slot.
  ///
  /// Where a place was hard to find, the free slots before it are not tried again: so the time stays in proportion to
  /// the nodes.
  private mutating func place(_ bytes: [UInt8]) throws(BertError) -> Int {
    let isOnly = bytes.count == 1
    var slot = isOnly ? firstForOnly : firstForSeveral
    var misses = 0
    while true {
      if slot < 0 { slot = try grow() }
      let base = slot ^ Int(bytes[0])
      if !isUsedBase[base], bytes.allSatisfy({ next[base ^ Int($0)] != Self.taken }) { break }
      misses += 1
      slot = Int(next[slot])
    }
    if misses > Self.mostMisses {
      if isOnly { firstForOnly = slot } else { firstForSeveral = slot }
    }
    let base = slot ^ Int(bytes[0])
    isUsedBase[base] = true
    for byte in bytes { take(base ^ Int(byte)) }
    return base
  }

  private static let mostMisses = 64

  /// Takes a slot out of the list of free ones.
  private mutating func take(_ slot: Int) {
    let (before, behind) = (Int(previous[slot]), Int(next[slot]))
    if before >= 0 { next[before] = Int32(behind) }
    if behind >= 0 { previous[behind] = Int32(before) } else { last = before }
    if firstForOnly == slot { firstForOnly = behind }
    if firstForSeveral == slot { firstForSeveral = behind }
    next[slot] = Self.taken
  }

  /// Adds a block of 256 free slots, in which a base and all its children lie; gives the first of them.
  private mutating func grow() throws(BertError) -> Int {
    let first = units.count
    guard first < PieceReader.mostSlots else {
      throw BertError(.unsupported, "the pieces need more than 2^24 slots of a table")
    }
    units.append(contentsOf: repeatElement(0, count: 256))
    values.append(contentsOf: repeatElement(0, count: 256))
    isUsedBase.append(contentsOf: repeatElement(false, count: 256))
    for slot in first..<first + 256 {
      previous.append(Int32(slot == first ? last : slot - 1))
      next.append(slot == first + 255 ? Self.none : Int32(slot + 1))
    }
    if last >= 0 { next[last] = Int32(first) }
    last = first + 255
    if firstForOnly < 0 { firstForOnly = first }
    if firstForSeveral < 0 { firstForSeveral = first }
    return first
  }
}
