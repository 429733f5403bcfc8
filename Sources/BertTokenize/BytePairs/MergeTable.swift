import BertErrors

/// The merges of a byte-pair tokenizer, as they lie in a file: looked up by their two tokens, in place.
///
/// The layout, all integers unsigned 32-bit little-endian, with no alignment needed:
///
/// | byte | what |
/// | --- | --- |
/// | 0 | magic, the bytes `BMT1` |
/// | 4 | n, the number of merges, below 2^24 - 1 |
/// | 8 | s, the number of slots: a power of two, at least 2 (n + 1) |
/// | 12 | p, the most slots that finding any merge looks at, at most 64 |
/// | 16 | the tokens of the 256 bytes |
/// | 1040 | s slots |
/// | 1040 + 4s | n merges of three numbers: left token, right token, what they become; the table ends here |
///
/// A merge's index is its rank: the lowest comes first. A slot is 0 where it is empty, else a merge's index + 1. With
/// h = (left · 9E3779B1₁₆ + right) · 85EBCA6B₁₆ modulo 2³² and then h ^= h >> 15, a merge is looked for in slot
/// h & (s - 1), the next one and so on, round the end, until an empty slot or p slots were seen.
///
/// Checksums are the file's business. A damaged table can give wrong answers, but no read ever leaves it.
package typealias MergeTable = FileTable<MergeReader>

/// Reads merges.
package struct MergeReader: TableReading {
  static let magic: UInt32 = 0x3154_4D42
  static let headerBytes = 1040
  static let mostMerges = (1 << 24) - 2
  static let mostProbes = 64

  private let table: TableReader
  private let merges: Int
  private let mask: UInt32
  private let probes: Int
  let count: Int

  package init(_ bytes: UnsafeRawBufferPointer) throws(BertError) {
    table = try TableReader(bytes, "merges", magic: Self.magic, headerBytes: Self.headerBytes)
    let slots = table.field(2)
    count = table.field(1)
    probes = table.field(3)
    guard count <= Self.mostMerges, slots.nonzeroBitCount == 1, slots >= 2 * (count + 1),
      probes <= Self.mostProbes
    else {
      throw table.malformed("claims \(count) merges in \(slots) slots, \(probes) looked at", 4)
    }
    merges = Self.headerBytes + 4 * slots
    mask = UInt32(slots - 1)
    guard merges + 12 * count == table.count else {
      throw table.malformed(
        "is \(table.count) bytes, its header says \(merges + 12 * count)", 0)
    }
  }

  static func hash(_ left: UInt32, _ right: UInt32) -> UInt32 {
    let hash = (left &* 0x9E37_79B1 &+ right) &* 0x85EB_CA6B
    return hash ^ hash >> 15
  }

  /// The token of a byte.
  @inline(__always)
  func token(_ byte: UInt8) -> UInt32 { table.word(16 &+ 4 &* Int(byte)) }

  /// The rank of a merge of two tokens; nil when they do not merge.
  @inline(__always)
  func rank(_ left: UInt32, _ right: UInt32) -> UInt32? {
    var slot = Self.hash(left, right)
    for _ in 0..<probes {
      let entry = table.word(Self.headerBytes &+ 4 &* Int(slot & mask))
      if entry == 0 { return nil }
      if entry <= count {
        let merge = merges &+ 12 &* Int(entry &- 1)
        if table.word(merge) == left, table.word(merge &+ 4) == right { return entry &- 1 }
      }
      slot &+= 1
    }
    return nil
  }

  /// What the merge of a rank, which `rank` gave, makes.
  @inline(__always)
  func result(_ rank: UInt32) -> UInt32 { table.word(merges &+ 12 &* Int(rank) &+ 8) }
}

extension MergeTable {
  /// Lays merges out as a table, in the order of their ranks.
  ///
  /// Of merges of the same two tokens the last counts.
  /// Throws `unsupported` when there are too many, or their hashes collide so often, as only chosen ones can, that
  /// look-ups would be slow.
  package static func build(
    _ merges: [(left: UInt32, right: UInt32, result: UInt32)], byteTokens: [UInt32]
  ) throws(BertError) -> [UInt8] {
    guard merges.count <= MergeReader.mostMerges, byteTokens.count == 256 else {
      throw BertError(
        .unsupported, "\(merges.count) merges and \(byteTokens.count) bytes; at most 2^24 and 256")
    }
    var last: [UInt64: Int] = [:]
    for (rank, merge) in merges.enumerated() {
      last[UInt64(merge.left) << 32 | UInt64(merge.right)] = rank
    }
    var slotCount = 2
    while slotCount < 2 * (merges.count + 1) { slotCount *= 2 }
    var layout: (slots: [UInt32], probes: Int)?
    for _ in 0..<3 where layout == nil {
      layout = slots(merges, last, slotCount)
      if layout == nil { slotCount *= 2 }
    }
    guard let layout else {
      throw BertError(
        .unsupported, "the tokenizer's merges are chosen to collide; no hash table can hold them")
    }
    var table: [UInt8] = []
    table.reserveCapacity(MergeReader.headerBytes + 4 * slotCount + 12 * merges.count)
    append(MergeReader.magic, to: &table)
    for number in [merges.count, slotCount, layout.probes] { append(UInt32(number), to: &table) }
    for token in byteTokens + layout.slots { append(token, to: &table) }
    for merge in merges {
      append(merge.left, to: &table)
      append(merge.right, to: &table)
      append(merge.result, to: &table)
    }
    return table
  }

  private static func slots(
    _ merges: [(left: UInt32, right: UInt32, result: UInt32)], _ last: [UInt64: Int], _ count: Int
  ) -> (slots: [UInt32], probes: Int)? {
    var slots = [UInt32](repeating: 0, count: count)
    var probes = 0
    for (rank, merge) in merges.enumerated()
    where last[UInt64(merge.left) << 32 | UInt64(merge.right)] == rank {
      var slot = Int(MergeReader.hash(merge.left, merge.right)) & (count - 1)
      var steps = 1
      while slots[slot] != 0 {
        slot = (slot + 1) & (count - 1)
        steps += 1
        guard steps <= MergeReader.mostProbes else { return nil }
      }
      slots[slot] = UInt32(rank + 1)
      probes = max(probes, steps)
    }
    return (slots, probes)
  }
}
