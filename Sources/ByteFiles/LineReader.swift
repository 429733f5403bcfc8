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

  /// What reading on gave.
  package enum Next {
    /// A line without its end (LF or CR LF).
    case line([UInt8])
    /// No whole line is there yet, and whoever writes it lets wait.
    case paused
    /// There is no more.
    case end
  }

  /// The next line; a byte order mark at the start of the file is no part of the first.
  ///
  /// - Parameter waits: whether to wait for a line that is not there yet.
  /// - Throws: `notFound` when reading fails; `tooLong` for a line beyond the limit, which is passed over.
  package func read(waits: Bool) throws(BertError) -> Next {
    var searched = start
    while true {
      if let newline = newline(from: searched) {
        let line = take(newline)
        start = newline + 1
        bytesRead += 1
        return .line(line)
      }
      searched = end
      if isAtEnd {
        guard start < end else { return .end }
        let line = take(end)
        start = end
        return .line(line)
      }
      if !waits && wouldBlock { return .paused }
      if end - start >= Self.longestLine { try passOverLine() }
      searched -= start
      try fill()
      searched += start
    }
  }

  /// The next line, for which it waits; nil after the last.
  ///
  /// - Throws: as `read`.
  package func next() throws(BertError) -> [UInt8]? {
    guard case .line(let line) = try read(waits: true) else { return nil }
    return line
  }

  /// The first bytes, up to the first line's end or so many, without taking them.
  ///
  /// - Throws: `notFound` when reading fails.
  package func peek(_ count: Int) throws(BertError) -> ArraySlice<UInt8> {
    while !isAtEnd, end - start < count, newline(from: start) == nil { try fill() }
    return buffer[start..<min(end, start + count)]
  }

  private func newline(from first: Int) -> Int? {
    buffer.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress,
        let found = memchr(base + first, 0x0A, end - first)
      else { return nil }
      return base.distance(to: found)
    }
  }

  /// Whether a read would wait for somebody to write.
  private var wouldBlock: Bool {
    var wish = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&wish, 1, 0) == 0
  }

  /// Passes over a line that is too long, up to and with its end.
  private func passOverLine() throws(BertError) {
    line += 1
    while true {
      let newline = newline(from: start)
      bytesRead += (newline.map { $0 + 1 } ?? end) - start
      start = newline.map { $0 + 1 } ?? end
      if newline != nil || isAtEnd { break }
      try fill()
    }
    throw BertError(
      .tooLong, "line \(line) is longer than the \(Self.longestLine) bytes that are read of one",
      file: name)
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
      buffer.withUnsafeMutableBytes { bytes in
        guard let base = bytes.baseAddress else { return }
        memmove(base, base + start, end - start)
      }
      end -= start
      start = 0
    }
    if end == buffer.count { buffer += [UInt8](repeating: 0, count: buffer.count) }
    let count = buffer.withUnsafeMutableBytes { bytes in
      SystemLibrary.read(descriptor, bytes.baseAddress.map { $0 + end }, bytes.count - end)
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
