import BertErrors

/// A table as it lies in a file, read in place: what reads it, and what keeps its bytes alive.
///
/// Inner loops take the reader alone, so that they count no references.
package struct FileTable<Reader: TableReading>: Sendable {
  let reader: Reader
  private let owner: (any AnyObject & Sendable)?

  /// Opens a table, checking its header and sizes.
  ///
  /// The bytes must stay unchanged for as long as the table, which keeps `owner`, is in use.
  /// Throws `malformed` when the sizes contradict each other.
  package init(
    bytes: UnsafeRawBufferPointer, owner: (any AnyObject & Sendable)? = nil
  ) throws(BertError) {
    reader = try Reader(bytes)
    self.owner = owner
  }

  /// Opens a table that lies in memory, keeping a copy.
  package init(copying bytes: [UInt8]) throws(BertError) {
    let copy = OwnedBytes(bytes)
    try self.init(bytes: copy.bytes, owner: copy)
  }
}

/// Reads one kind of table.
package protocol TableReading: Sendable {
  /// Checks the table's header and sizes; throws `malformed`.
  init(_ bytes: UnsafeRawBufferPointer) throws(BertError)
}

/// Bytes that live as long as this object; never written after it is made.
final class OwnedBytes: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer

  init(_ source: [UInt8]) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 64)
    memory.copyBytes(from: source)
    bytes = UnsafeRawBufferPointer(memory)
  }

  deinit { bytes.deallocate() }
}

/// Bytes of a table that lies in a file: numbers in them are unsigned, 32-bit, little-endian, at any address.
///
/// Sendable because the memory is never written while a table is in use.
struct TableReader: @unchecked Sendable {
  let base: UnsafeRawPointer
  let count: Int
  private let name: String

  /// - Throws: `malformed` for less than a header, or another magic.
  init(
    _ bytes: UnsafeRawBufferPointer, _ name: String, magic: UInt32, headerBytes: Int
  ) throws(BertError) {
    guard let base = bytes.baseAddress, bytes.count >= headerBytes else {
      throw BertError(
        .malformed,
        "the table of \(name) is \(bytes.count) bytes, its header alone is \(headerBytes); convert the "
          + "model again")
    }
    (self.base, count, self.name) = (base, bytes.count, name)
    guard field(0) == magic else { throw malformed("does not begin as one", 0) }
  }

  @inline(__always)
  func word(_ offset: Int) -> UInt32 {
    UInt32(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  @inline(__always)
  func double(_ offset: Int) -> Double {
    Double(
      bitPattern: UInt64(
        littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
  }

  /// A number of the header.
  func field(_ index: Int) -> Int { Int(word(4 * index)) }

  func malformed(_ what: String, _ offset: Int) -> BertError {
    BertError(
      .malformed, "the table of \(name) \(what); convert the model again", byteOffset: offset)
  }
}

/// Appends a number to a table.
func append(_ value: some FixedWidthInteger, to table: inout [UInt8]) {
  withUnsafeBytes(of: value.littleEndian) { table.append(contentsOf: $0) }
}
