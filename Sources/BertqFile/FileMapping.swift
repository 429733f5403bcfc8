import BertErrors
import Glibc

/// A whole file mapped for reading.
///
/// Safety: the bytes never change through this mapping. Should another program cut the file short
/// while it is mapped, the operating system ends this one (SIGBUS); files are replaced by renaming,
/// never rewritten in place.
final class FileMapping: @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer

  /// Maps a regular file.
  ///
  /// - Throws: `notFound` when it cannot be opened or is no regular file, `system` when it cannot
  ///   be mapped.
  init(path: String) throws(BertError) {
    // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else {
      throw BertError(.notFound, "cannot be opened: \(reason(errno))", file: path)
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      throw BertError(.notFound, "cannot be read: \(reason(errno))", file: path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "is a folder" : "is not a regular file"
      throw BertError(.notFound, "\(kind); expected a .bertq file", file: path)
    }
    let count = Int(status.st_size)
    if count == 0 {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, file, 0), start != MAP_FAILED else {
      throw BertError(.system, "cannot be mapped: \(reason(errno))", file: path)
    }
    bytes = UnsafeRawBufferPointer(start: start, count: count)
  }

  deinit {
    if let start = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
    }
  }

  /// Asks for a range to be brought into memory and mapped at once, where the system can.
  ///
  /// Touching pages one by one costs a fault for every few of them; this takes one call. It is a
  /// hint: what fails here is read when it is used.
  func prefault(_ range: Range<Int>) {
    guard let start = bytes.baseAddress else { return }
    let range = range.clamped(to: 0..<bytes.count)
    let first = range.lowerBound & ~(Int(getpagesize()) - 1)
    guard first < range.upperBound else { return }
    let page = UnsafeMutableRawPointer(mutating: start + first)
    let populateRead: CInt = 22  // MADV_POPULATE_READ, Linux 5.14; not in older headers
    if madvise(page, range.upperBound - first, populateRead) != 0 {
      madvise(page, range.upperBound - first, MADV_WILLNEED)
    }
  }
}

/// What the operating system calls an error.
func reason(_ code: CInt) -> String {
  guard let text = strerror(code) else { return "error \(code)" }
  return String(cString: text)
}
