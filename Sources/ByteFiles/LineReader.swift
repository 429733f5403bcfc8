import BertErrors
import SystemLibrary

/// A file read line by line, whatever its size.
package final class LineReader {
  /// What messages call it.
  package let name: String
  private let descriptor: Int32
  private var buffer: [UInt8]
  private var start = 0
  private var end = 0
  private var isAtEnd = false
  /// Bytes handed out so far.
  package private(set) var bytesRead = 0
  /// Lines handed out so far: the number of the last one, counted from 1.
  package private(set) var line = 0
  /// Bytes of the file, 0 when unknown.
  package let size: Int

  /// The longest line that is read.
  package static let longestLine = 64 << 20

  /// Opens a file; `-` or nil is standard input.
  ///
  /// - Throws: `notFound` when it cannot be opened or is a folder.
  package init(path: String?) throws(BertError) {
    name = path.flatMap { $0 == "-" ? nil : $0 } ?? "standard input"
    if let path, path != "-" {
      let opened = try OpenedFile(path, .readable)
      (descriptor, size) = (opened.descriptor, opened.size)
    } else {
      descriptor = 0
      size = try OpenedFile.size(of: 0, .readable, name)
    }
    buffer = [UInt8](repeating: 0, count: 1 << 16)
  }

  deinit {
    if descriptor != 0 { close(descriptor) }
  }

  /// The next line without its end (LF or CR LF), nil after the last; a byte order mark at the start
  /// of the file is no part of the first.
  ///
  /// - Throws: `notFound` when reading fails, `unsupported` for a line beyond the limit.
  package func next() throws(BertError) -> [UInt8]? {
    var searched = start
    while true {
      if let newline = buffer[searched..<end].firstIndex(of: 0x0A) {
        let line = take(newline)
        start = newline + 1
        bytesRead += 1
        return line
      }
      searched = end
      if isAtEnd {
        guard start < end else { return nil }
        let line = take(end)
        start = end
        return line
      }
      searched -= start
      try fill()
      searched += start
    }
  }

  /// Where the last line was.
  package var place: InputPlace { InputPlace(line: line, of: name) }

  private func take(_ stop: Int) -> [UInt8] {
    line += 1
    bytesRead += stop - start
    if line == 1, buffer[start..<stop].starts(with: WholeFile.byteOrderMark) {
      start += WholeFile.byteOrderMark.count
    }
    let isCarriage = stop > start && buffer[stop - 1] == 0x0D
    return Array(buffer[start..<(isCarriage ? stop - 1 : stop)])
  }

  /// Moves what is left to the front and reads more behind it.
  private func fill() throws(BertError) {
    if start > 0 {
      buffer.replaceSubrange(0..<(end - start), with: Array(buffer[start..<end]))
      end -= start
      start = 0
    }
    if end == buffer.count {
      guard buffer.count < Self.longestLine else {
        throw BertError(
          .unsupported,
          "line \(line + 1) is longer than the \(Self.longestLine) bytes that are read", file: name)
      }
      buffer += [UInt8](repeating: 0, count: buffer.count)
    }
    let count = buffer.withUnsafeMutableBytes { bytes in
      read(descriptor, bytes.baseAddress.map { $0 + end }, bytes.count - end)
    }
    if count < 0 {
      if errno == EINTR { return }
      throw BertError(
        .notFound, "cannot be read: \(reason(errno))", file: name)
    }
    if count == 0 { isAtEnd = true }
    end += count
  }
}
