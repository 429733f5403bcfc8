import BertErrors
import SystemLibrary

/// A whole file mapped for reading.
///
/// Safety: the bytes never change through this mapping. Should another program cut the file short
/// while it is mapped, the operating system ends this one (SIGBUS); files are replaced by renaming,
/// never rewritten in place.
package final class FileMapping: @unchecked Sendable {
  /// The file's bytes; valid while this object lives.
  package let bytes: UnsafeRawBufferPointer

  /// Maps a regular file.
  ///
  /// - Throws: `notFound` when it cannot be opened or is no regular file, `system` when it cannot
  ///   be mapped.
  package init(path: String) throws(BertError) {
    let opened = try OpenedFile(path)
    let (file, count) = (opened.descriptor, opened.size)
    defer { close(file) }
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
}
