import BertErrors

/// The pieces of a Unigram tokenizer with their scores, as they lie in a file: a trie of their bytes, read in place.
///
/// The layout, all integers unsigned 32-bit little-endian, with no alignment needed:
///
/// | byte | what |
/// | --- | --- |
/// | 0 | magic, the bytes `BUT1` |
/// | 4 | n, the number of pieces, below 2^24 - 1 |
/// | 8 | s, the number of nodes' slots, at most 2^24 |
/// | 12 | b, the bytes of all pieces together, below 2^31 |
/// | 16 | the lowest score of a piece, binary64 |
/// | 24 | the unknown piece's id |
/// | 28 | zero |
/// | 32 | s slots of two numbers: unit, value |
/// | 32 + 8s | n scores, binary64 |
/// | 32 + 8s + 8n | n + 1 offsets: piece i is bytes offset[i] to offset[i + 1] of the piece bytes |
/// | 36 + 8s + 12n | b piece bytes; the table ends here |
///
/// The slots are a double array. The root is slot 0. A unit is `base << 8 | byte`: a node's child by the byte c is in
/// slot base XOR c, and is there if that is below s and the slot's value is not 0 and its unit's byte is c; no two
/// nodes have the same base, and a node without children has base 0, which is nobody's. A value is 1 for a node, plus
/// (id + 1) << 1 where a piece ends there: the last of equal pieces. Slot 0 has the value 0, so that it is no child.
///
/// Checksums are the file's business. A damaged table can give wrong answers, but no read ever leaves it.
package typealias PieceTable = FileTable<PieceReader>

extension PieceTable {
  /// How many pieces there are; ids are below.
  package var count: Int { reader.count }

  /// The bytes of a piece; nil when there is no such id or the table is damaged there.
  package func token(_ id: Int) -> [UInt8]? { reader.token(id).map { Array($0) } }

  /// The id of a piece, the last of equal ones; nil when there is none.
  package func id(of token: [UInt8]) -> Int32? {
    var node = PieceReader.root
    for byte in token {
      guard let next = reader.child(node, byte) else { return nil }
      node = next
    }
    return token.isEmpty ? nil : reader.piece(node)
  }
}

/// Reads pieces.
package struct PieceReader: TableReading {
  static let magic: UInt32 = 0x3154_5542
  static let headerBytes = 32
  static let mostPieces = (1 << 24) - 2
  static let mostSlots = 1 << 24

  /// A node: its slot's two numbers.
  struct Node {
    var unit: UInt32
    var value: UInt32
  }

  private let table: TableReader
  private let slots: Int
  private let scores: Int
  private let offsets: Int
  private let bytes: Int
  private let byteCount: Int
  let count: Int
  let lowestScore: Double
  let unknownID: Int32
  /// The root's base; its value stays 0 in the file, so that nobody's child is the root.
  let root: Node

  static let root = Node(unit: 0, value: 0)

  package init(_ bytes: UnsafeRawBufferPointer) throws(BertError) {
    let table = try TableReader(
      bytes, "pieces", magic: Self.magic, headerBytes: Self.headerBytes)
    let (count, slots, total) = (table.field(1), table.field(2), table.field(3))
    guard count <= Self.mostPieces, slots >= 1, slots <= Self.mostSlots, total < 1 << 31 else {
      throw table.malformed("claims \(count) pieces, \(slots) slots, \(total) bytes: too many", 4)
    }
    let scores = Self.headerBytes + 8 * slots
    let offsets = scores + 8 * count
    let pieces = offsets + 4 * (count + 1)
    guard pieces + total == table.count else {
      throw table.malformed("is \(table.count) bytes, its header says \(pieces + total)", 0)
    }
    guard table.field(6) < count, table.field(7) == 0 else {
      throw table.malformed("has a header out of its limits", 24)
    }
    lowestScore = table.double(16)
    guard lowestScore.isFinite else { throw table.malformed("has a score that is no number", 16) }
    unknownID = Int32(truncatingIfNeeded: table.field(6))
    (self.table, self.slots, self.scores, self.offsets) = (table, slots, scores, offsets)
    (self.bytes, byteCount, self.count) = (pieces, total, count)
    root = Node(unit: table.word(Self.headerBytes), value: 0)
  }

  /// The node that follows by a byte.
  @inline(__always)
  func child(_ node: Node, _ byte: UInt8) -> Node? {
    // The static root stands for the table's own.
    let unit = node.value == 0 ? root.unit : node.unit
    let slot = Int(unit >> 8) ^ Int(byte)
    guard slot < slots else { return nil }
    let offset = Self.headerBytes &+ 8 &* slot
    let child = Node(unit: table.word(offset), value: table.word(offset &+ 4))
    return child.value != 0 && UInt8(truncatingIfNeeded: child.unit) == byte ? child : nil
  }

  /// The piece that ends at a node.
  @inline(__always)
  func piece(_ node: Node) -> Int32? {
    let id = Int(node.value >> 1) - 1
    return id >= 0 && id < count ? Int32(truncatingIfNeeded: id) : nil
  }

  @inline(__always)
  func score(_ id: Int32) -> Double {
    table.double(scores &+ 8 &* Int(id))
  }

  func token(_ id: Int) -> UnsafeRawBufferPointer? {
    guard id >= 0, id < count else { return nil }
    let (start, end) = (Int(table.word(offsets + 4 * id)), Int(table.word(offsets + 4 * id + 4)))
    guard start <= end, end <= byteCount else { return nil }
    return UnsafeRawBufferPointer(start: table.base + bytes + start, count: end - start)
  }
}
