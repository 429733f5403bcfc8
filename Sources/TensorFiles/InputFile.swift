import BertErrors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

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
    // A FIFO without a writer would block an ordinary open for ever.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0 { throw Self.failure(errno, path) }
    var status = stat()
    if fstat(descriptor, &status) != 0 {
      let code = errno
      close(descriptor)
      throw Self.failure(code, path)
    }
    let kind = status.st_mode & S_IFMT
    if kind != S_IFREG {
      close(descriptor)
      let found = kind == S_IFDIR ? "is a folder" : "is a device, pipe or socket"
      throw BertError(.notFound, "\(found); expected a file", file: path)
    }
    self.path = path
    self.size = Int(status.st_size)
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  private static func failure(_ code: Int32, _ path: String) -> BertError {
    let reason =
      code == ENOENT || code == ENOTDIR
      ? "no such file" : "cannot be opened: " + String(cString: strerror(code))
    return BertError(.notFound, reason, file: path)
  }

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
          .system, "cannot be read: " + String(cString: strerror(errno)), file: path,
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

/// Little-endian integers at a place in bytes; the caller has checked that they are there.
struct LittleEndian {
  let bytes: [UInt8]
  func u16(_ at: Int) -> Int { Int(bytes[at]) | Int(bytes[at + 1]) << 8 }
  func u32(_ at: Int) -> Int { u16(at) | u16(at + 2) << 16 }
  func u64(_ at: Int) -> UInt64 { UInt64(u32(at)) | UInt64(u32(at + 4)) << 32 }
}
