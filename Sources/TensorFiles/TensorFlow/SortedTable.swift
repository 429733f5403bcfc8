import BertErrors
import ByteFiles

/// A table of sorted keys with values, in blocks with checksums: what a checkpoint's index is.
///
/// Layout: the "table format" of LevelDB, from which TensorFlow has it. Keys are shortened by what
/// they share with the one before.
enum SortedTable {
  private static let footerSize = 48
  private static let magic: UInt64 = 0xDB47_7524_8B80_FB57

  /// An entry and where its value lies in the file.
  struct Entry {
    var key: [UInt8]
    var value: ByteReader
  }

  /// Whether a file ends as tables do.
  static func isOne(_ file: InputFile) -> Bool {
    guard file.size >= footerSize,
      let end = try? file.bytes((file.size - 8)..<file.size)
    else { return false }
    return end.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) } == magic
  }

  /// All entries, in order.
  static func read(_ file: InputFile) throws(BertError) -> [Entry] {
    guard isOne(file) else {
      throw BertError(
        .malformed, "is no TensorFlow index: it does not end with a table's mark",
        byteOffset: max(0, file.size - 8))
    }
    var footer = ByteReader("the footer", file, (file.size - footerSize)..<file.size)
    let (meta, index) = (try handle(&footer), try handle(&footer))
    // Filters for searching; read so that damage anywhere is found.
    _ = try self.entries(meta, file)
    var entries: [Entry] = []
    for block in try self.entries(index, file) {
      var value = block.value
      let handle = try handle(&value)
      entries += try self.entries(handle, file)
      if entries.count > FileLimits.tensors {
        throw value.damaged("the table has more than \(FileLimits.tensors) entries")
      }
    }
    return entries
  }

  /// Where a block lies.
  private static func handle(_ reader: inout ByteReader) throws(BertError) -> Range<Int> {
    let start = reader.position
    let (offset, size) = (try reader.varint(), try reader.varint())
    let limit = UInt64(1) << 60
    guard offset < limit, size < limit else {
      throw reader.damaged("\(reader.noun) points outside the file", at: start)
    }
    return Int(offset)..<(Int(offset) + Int(size))
  }

  private static func entries(
    _ range: Range<Int>, _ file: InputFile
  ) throws(BertError) -> [Entry] {
    // Behind a block: how it is compressed, and its checksum with that.
    guard range.upperBound <= file.size - footerSize - 5 else {
      throw BertError(
        .malformed, "a block of the table should end at byte \(range.upperBound), outside it",
        byteOffset: file.size)
    }
    var whole = ByteReader("a block of the table", file, range.lowerBound..<(range.upperBound + 5))
    let bytes = try whole.bytes(range.count + 1, limit: FileLimits.tableBlock)
    let expected: UInt32 = try whole.integer()
    let found = Checksum32C.masked(bytes)
    if found != expected {
      throw whole.damaged(
        "the CRC-32C of a block is \(String(found, radix: 16)), the table says "
          + "\(String(expected, radix: 16)): it is damaged", at: range.lowerBound)
    }
    if let compression = bytes.last, compression != 0 {
      throw BertError(
        .unsupported, "a block of the table is compressed (method \(compression)); none is read",
        byteOffset: range.lowerBound)
    }
    return try entries(
      ByteReader("a block of the table", Array(bytes.dropLast()), start: range.lowerBound))
  }

  private static func entries(_ block: ByteReader) throws(BertError) -> [Entry] {
    // Last come the places of keys that are whole, which only searching needs.
    guard block.remaining >= 4 else { throw block.damaged("a block of the table is too short") }
    var tail = block.part((block.end - 4)..<block.end, as: block.noun)
    let restarts = Int(try tail.integer(UInt32.self))
    guard restarts <= (block.remaining - 4) / 4 else {
      throw block.damaged("a block of the table claims \(restarts) whole keys")
    }
    var reader = block.part(
      block.position..<(block.end - 4 - 4 * restarts), as: block.noun)
    var entries: [Entry] = []
    var key: [UInt8] = []
    while !reader.isAtEnd {
      let start = reader.position
      let shared = try reader.varint()
      let (own, length) = (try reader.varint(), try reader.varint())
      guard shared <= UInt64(key.count), own <= UInt64(reader.remaining),
        length <= UInt64(reader.remaining) - own,
        shared + own <= UInt64(FileLimits.tensorName)
      else { throw reader.damaged("an entry of the table is longer than its block", at: start) }
      key = try key.prefix(Int(shared)) + reader.bytes(Int(own), limit: FileLimits.tensorName)
      let value = reader.position..<(reader.position + Int(length))
      entries.append(Entry(key: key, value: reader.part(value, as: "an entry of the table")))
      try reader.skip(Int(length))
      if entries.count > FileLimits.tensors {
        throw reader.damaged("the table has more than \(FileLimits.tensors) entries", at: start)
      }
    }
    return entries
  }
}
