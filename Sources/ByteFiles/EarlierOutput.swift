import BertErrors
import SystemLibrary

/// A file of lines that an earlier run wrote and a later one goes on with, perhaps behind a line that was cut off.
package final class EarlierOutput {
  /// The path as it was given.
  package let path: String
  /// Whole lines in it.
  package private(set) var lines = 0
  /// The last of them, without its end.
  package private(set) var lastLine: [UInt8] = []
  /// What stands behind them: a line that was cut off, or what is none of ours.
  package private(set) var rest: [UInt8] = []
  /// Bytes up to the end of the last whole line.
  private var length = 0
  private let descriptor: CInt

  /// Reads what is there; a file that is not there is made.
  ///
  /// - Parameter each: is told of each whole line.
  /// - Throws: `cannotWrite` when the file cannot be written, or another process goes on with it.
  package init(_ path: String, each: ([UInt8]) -> Void) throws(BertError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw BertError(.cannotWrite, "cannot be written: \(reason(errno))", file: path)
    }
    do throws(BertError) {
      try read(each)
    } catch {
      close(descriptor)
      throw error
    }
  }

  private func read(_ each: ([UInt8]) -> Void) throws(BertError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw BertError(.cannotWrite, "is not a regular file", file: path)
    }
    // Two processes behind each other's lines would make a file of neither.
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      throw BertError(.cannotWrite, "another process is writing it", file: path)
    }
    let reader = try LineReader(path: path)
    while let line = try reader.next(), reader.isWhole {
      lines += 1
      length = reader.bytesRead
      lastLine = line
      each(line)
    }
    rest = try bytes(from: length, to: Int(status.st_size))
  }

  /// Bytes as they are: the reader leaves out a mark and the end of a line.
  private func bytes(from start: Int, to end: Int) throws(BertError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: max(0, end - start))
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeMutableBytes { buffer in
        pread(
          descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done,
          off_t(start + done))
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        throw BertError(.cannotWrite, "cannot be read: \(reason(errno))", file: path)
      }
      done += count
    }
    return bytes
  }

  /// Cuts off what is behind the last whole line; writing goes on there.
  ///
  /// - Throws: `cannotWrite` with the system's reason.
  package func goOn() throws(BertError) -> WritableFile {
    guard ftruncate(descriptor, off_t(length)) == 0,
      lseek(descriptor, off_t(length), SEEK_SET) == off_t(length)
    else {
      throw BertError(.cannotWrite, "cannot be written: \(reason(errno))", file: path)
    }
    return WritableFile(owning: descriptor, path)
  }
}
