import BertErrors
import SystemLibrary

/// A small file, or what a pipe gives, read whole; a byte order mark at its start is no part of it.
package struct WholeFile: Sendable {
  /// The path as it was given.
  package let path: String
  /// What it holds, behind the mark.
  package let bytes: [UInt8]
  private let markLength: Int

  /// The mark with which some editors begin a file, to say that it is UTF-8.
  package static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  /// Reads a file.
  ///
  /// - Throws: `notFound` when it cannot be read, `unsupported` beyond `limit` bytes.
  package init(_ path: String, limit: Int) throws(BertError) {
    let opened = try OpenedFile(path, .readable)
    defer { close(opened.descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = piece.withUnsafeMutableBytes { read(opened.descriptor, $0.baseAddress, $0.count) }
      if count == 0 { break }
      if count < 0 {
        if errno == EINTR { continue }
        throw BertError(.notFound, "cannot be read: \(reason(errno))", file: path)
      }
      bytes += piece[..<count]
      if bytes.count > limit {
        throw BertError(
          .unsupported, "is larger than the \(limit) bytes that are read of such a file", file: path
        )
      }
    }
    self.path = path
    markLength = bytes.starts(with: Self.byteOrderMark) ? Self.byteOrderMark.count : 0
    self.bytes = Array(bytes.dropFirst(markLength))
  }

  /// Gives the bytes to a parser; the place of its error becomes one in the file.
  package func parse<Result>(
    _ body: ([UInt8]) throws(BertError) -> Result
  ) throws(BertError) -> Result {
    do throws(BertError) {
      return try body(bytes)
    } catch {
      var error = error
      error.byteOffset = error.byteOffset.map { $0 + markLength }
      throw error.inFile(path)
    }
  }
}
