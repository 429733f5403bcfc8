import BertErrors
import ByteFiles

/// Writes rows of floats to standard output as one NumPy array, without keeping them in memory.
///
/// The header comes first, but holds the number of rows, which is known last. In a file its place is
/// left zero until then, so that what a run leaves that was ended early does not pass for an array.
/// Where nothing can be filled in later, as in a pipe, the rows wait in a temporary file.
struct ArrayWriter: ~Copyable {
  private let width: Int
  private let output = WritableFile.standardOutput
  /// Where the header goes, if that can be written last.
  private let start: Int?
  private var spool: WritableFile?
  private var buffer: [UInt8] = []
  private var rows = 0

  /// So many bytes are written at a time; what is shorter needs no temporary file.
  private static let piece = 1 << 20
  /// A multiple of 64, as NumPy wants it, with room for any number of rows.
  private static let headerSize = 128

  init(width: Int) {
    self.width = width
    start = WritableFile.standardOutput.position
    if start != nil { buffer = [UInt8](repeating: 0, count: Self.headerSize) }
  }

  /// Appends rows, end to end.
  mutating func append(_ rows: UnsafeBufferPointer<Float>) throws(BertError) {
    buffer += UnsafeRawBufferPointer(rows)
    self.rows += rows.count / max(1, width)
    if buffer.count >= Self.piece { try flush() }
  }

  private mutating func flush() throws(BertError) {
    if start != nil {
      try output.write(buffer)
    } else {
      if spool == nil { spool = try WritableFile.temporary() }
      try spool?.write(buffer)
    }
    buffer.removeAll(keepingCapacity: true)
  }

  mutating func finish() throws(BertError) {
    if let start {
      try flush()
      try output.write(header, at: start)
    } else {
      try output.write(header)
      try spool?.copy(to: output)
      try output.write(buffer)
    }
  }

  /// The header of version 1.0 of NumPy's format.
  private var header: [UInt8] {
    let shape = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(width)), }"
    let length = Self.headerSize - 10
    let padding = String(repeating: " ", count: length - shape.utf8.count - 1)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)]
      + Array("\(shape)\(padding)\n".utf8)
  }
}
