import BertErrors

/// A vocabulary as it lies in a file: read in place, opened without building anything.
///
/// The layout, all integers unsigned 32-bit little-endian, with no alignment needed:
///
/// | byte | what |
/// | --- | --- |
/// | 0 | magic, the bytes `BVT1` |
/// | 4 | n, the number of tokens, below 2^24 - 1 |
/// | 8 | s, the number of slots: a power of two, at least 2 (n + 1), so at most half are filled |
/// | 12 | b, the bytes of all tokens together, below 2^31 |
/// | 16 | the bytes of the longest token |
/// | 20 | p, the most slots that finding any token looks at, at most 64 |
/// | 24 | the seed of the hash |
/// | 28 | zero |
/// | 32 | s slots |
/// | 32 + 4s | n + 1 offsets: token i is bytes offset[i] to offset[i + 1] of the token bytes |
/// | 36 + 4s + 4n | b token bytes; the table ends here |
///
/// A slot is 0 where it is empty, else `(h >> 24) << 24 | (id + 1)`, with h the hash of the token. The
/// hash begins as the seed; for each byte of the token `h = (h ^ byte) * 0x01000193` (FNV-1a), so that
/// the hashes of all prefixes of a word come from one pass; at the end `h ^= h >> 16`,
/// `h *= 0x85EBCA6B`, `h ^= h >> 13`, all modulo 2^32. A token is looked for in slots
/// `h & (s - 1)`, the next one and so on, round the end, until an empty slot or p slots were seen.
/// Of tokens that are equal, only the last has a slot; tokens added to a model's own have none, since they
/// are no words: the header's list of added tokens has their ids.
///
/// Checksums are the file's business. A damaged table can give wrong answers, but no read ever leaves
/// it, and no look-up takes more than 64 steps.
package typealias VocabularyTable = FileTable<VocabularyReader>

extension VocabularyTable {
  /// How many tokens there are; ids are below.
  package var count: Int { reader.count }

  /// The bytes of a token, or nil when there is no such id or the table is damaged there.
  package func token(_ id: Int) -> [UInt8]? {
    guard let (start, length) = reader.token(id) else { return nil }
    return Array(UnsafeRawBufferPointer(start: reader.tokenBytes + start, count: length))
  }

  /// The id of a token, the last of equal ones; nil when it is not in the vocabulary.
  package func id(of token: [UInt8]) -> Int32? {
    let state = VocabularyHash.extend(reader.seed, token)
    let id = token.withUnsafeBufferPointer {
      reader.find(state, prefix: $0, body: nil, count: 0)
    }
    return id < 0 ? nil : id
  }

  /// The id of a token, the last of equal ones; nil when it is not in the vocabulary.
  package func id(of token: String) -> Int32? { id(of: Array(token.utf8)) }
}

/// The hash of the table's documentation.
enum VocabularyHash {
  @inline(__always)
  static func extend(_ state: UInt32, _ byte: UInt8) -> UInt32 {
    (state ^ UInt32(byte)) &* 0x0100_0193
  }

  static func extend(_ state: UInt32, _ bytes: some Sequence<UInt8>) -> UInt32 {
    bytes.reduce(state) { extend($0, $1) }
  }

  @inline(__always)
  static func finish(_ state: UInt32) -> UInt32 {
    var hash = state
    hash ^= hash >> 16
    hash &*= 0x85EB_CA6B
    hash ^= hash >> 13
    return hash
  }
}

/// Reads a vocabulary.
///
/// Sendable because the memory is never written while a table is in use.
package struct VocabularyReader: TableReading, @unchecked Sendable {
  static let magic: UInt32 = 0x3154_5642
  static let headerBytes = 32
  static let mostProbes = 64
  static let mostTokens = (1 << 24) - 2

  let slots: UnsafeRawPointer
  let offsets: UnsafeRawPointer
  let tokenBytes: UnsafeRawPointer
  let count: Int
  let slotMask: UInt32
  let byteCount: Int
  let longestToken: Int
  let probes: Int
  let seed: UInt32

  package init(_ bytes: UnsafeRawBufferPointer) throws(BertError) {
    let table = try TableReader(
      bytes, "the vocabulary", magic: Self.magic, headerBytes: Self.headerBytes)
    let (tokens, slotCount, byteTotal) = (table.field(1), table.field(2), table.field(3))
    guard tokens <= Self.mostTokens, byteTotal < 1 << 31 else {
      throw table.malformed("claims \(tokens) tokens of \(byteTotal) bytes: too many", 4)
    }
    guard slotCount.nonzeroBitCount == 1, slotCount >= 2 * (tokens + 1) else {
      throw table.malformed(
        "has \(slotCount) slots for \(tokens) tokens, expected a power of two, at least twice as many",
        8)
    }
    // None of these can overflow: each factor was bounded by a 32-bit number.
    let size = Self.headerBytes + 4 * slotCount + 4 * (tokens + 1) + byteTotal
    guard size == table.count else {
      throw table.malformed("is \(table.count) bytes, its header says \(size)", 0)
    }
    guard table.field(5) <= Self.mostProbes, table.field(4) <= byteTotal, table.field(7) == 0 else {
      throw table.malformed("has a header out of its limits", 16)
    }
    slots = table.base + Self.headerBytes
    offsets = slots + 4 * slotCount
    tokenBytes = offsets + 4 * (tokens + 1)
    count = tokens
    slotMask = UInt32(slotCount - 1)
    byteCount = byteTotal
    longestToken = table.field(4)
    probes = table.field(5)
    seed = UInt32(table.field(6))
  }

  @inline(__always)
  private func word(_ start: UnsafeRawPointer, _ index: Int) -> UInt32 {
    UInt32(littleEndian: start.loadUnaligned(fromByteOffset: index &* 4, as: UInt32.self))
  }

  /// Where a token lies among the token bytes; nil for ids and offsets out of bounds.
  @inline(__always)
  func token(_ id: Int) -> (start: Int, length: Int)? {
    guard id >= 0, id < count else { return nil }
    let start = Int(word(offsets, id))
    let end = Int(word(offsets, id + 1))
    guard start <= end, end <= byteCount else { return nil }
    return (start, end - start)
  }

  /// The id of the token that is `prefix` followed by `count` bytes at `body`, or -1.
  ///
  /// `state` is the hash of those bytes before the final mixing.
  @inline(__always)
  func find(
    _ state: UInt32, prefix: UnsafeBufferPointer<UInt8>, body: UnsafePointer<UInt8>?, count: Int
  ) -> Int32 {
    let hash = VocabularyHash.finish(state)
    var slot = hash
    for _ in 0..<probes {
      let entry = word(slots, Int(slot & slotMask))
      if entry == 0 { return -1 }
      if (entry ^ hash) >> 24 == 0 {
        let id = Int(entry & 0xFF_FFFF) - 1
        if equals(id, prefix, body, count) { return Int32(truncatingIfNeeded: id) }
      }
      slot &+= 1
    }
    return -1
  }

  @inline(__always)
  private func equals(
    _ id: Int, _ prefix: UnsafeBufferPointer<UInt8>, _ body: UnsafePointer<UInt8>?, _ count: Int
  ) -> Bool {
    guard let (start, length) = token(id), length == prefix.count + count else { return false }
    let bytes = (tokenBytes + start).assumingMemoryBound(to: UInt8.self)
    for place in 0..<prefix.count where bytes[place] != prefix[place] { return false }
    guard let body else { return true }
    // Tokens are short: a loop beats a call.
    for place in 0..<count where bytes[prefix.count + place] != body[place] { return false }
    return true
  }
}
