import BertErrors
import SystemLibrary

/// A regular file open for reading at any place.
///
/// Reads go through `pread`: a file that shrinks under us is an error with a message, and memory
/// is bounded by the buffers, not by the file.
package final class InputFile: Sendable {
  /// The path as it was given.
  package let path: String
  /// Bytes in the file when it was opened.
  package let size: Int
  private let descriptor: Int32

  /// Opens a file.
  ///
  /// - Throws: `notFound` when it is absent, unreadable, or no regular file.
  package init(_ path: String) throws(BertError) {
    let opened = try OpenedFile(path)
    self.path = path
    size = opened.size
    descriptor = opened.descriptor
  }

  deinit { close(descriptor) }

  /// Fills `buffer` with the bytes from `offset` on.
  ///
  /// - Throws: `malformed` when the file ends before, `system` when it cannot be read.
  package func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(BertError) {
    var done = 0
    while done < buffer.count {
      guard let base = buffer.baseAddress else { return }
      let count = pread(descriptor, base + done, buffer.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw BertError(
          .system, "cannot be read: \(reason(errno))", file: path,
          byteOffset: offset + done)
      }
      if count == 0 {
        throw BertError(
          .malformed, "the file ends here; \(buffer.count - done) more bytes were expected",
          file: path, byteOffset: offset + done)
      }
      done += count
    }
  }

  /// The bytes of `range`, which must be small enough to hold in memory.
  ///
  /// - Throws: `malformed` when the file ends before; nothing is allocated then.
  package func bytes(_ range: Range<Int>) throws(BertError) -> [UInt8] {
    if range.lowerBound < 0 || range.upperBound > size {
      throw BertError(
        .malformed,
        "the file ends at byte \(size); bytes \(range.lowerBound) to \(range.upperBound) were expected",
        file: path, byteOffset: min(max(range.lowerBound, 0), size))
    }
    if range.isEmpty { return [] }
    var failure: BertError?
    let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
      let target = UnsafeMutableRawBufferPointer(
        UnsafeMutableBufferPointer(rebasing: buffer[..<range.count]))
      do throws(BertError) {
        try read(at: range.lowerBound, into: target)
        count = range.count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// All bytes of a small file.
  ///
  /// - Throws: `malformed` when it is larger than `limit`.
  package func allBytes(limit: Int) throws(BertError) -> [UInt8] {
    if size > limit {
      throw BertError(
        .malformed, "is \(size) bytes; at most \(limit) are read of such a file", file: path)
    }
    return try bytes(0..<size)
  }
}
