import BertErrors
import SystemLibrary

/// Standard output, in pieces of a whole write.
package struct StandardOutput: ~Copyable {
  /// Bytes that wait to be written.
  package var buffer: [UInt8] = []

  /// Nothing waits.
  package init() { buffer.reserveCapacity(1 << 17) }

  /// Writes what waits, when that is much or `force` says so.
  ///
  /// - Throws: `cannotWrite` with the system's reason.
  package mutating func flush(force: Bool = true) throws(BertError) {
    if !force && buffer.count < 1 << 16 { return }
    try WritableFile.standardOutput.write(buffer)
    buffer.removeAll(keepingCapacity: true)
  }
}

/// A file that is open for writing, with the name that messages give it.
package final class WritableFile: Sendable {
  private let descriptor: Int32
  private let name: String

  /// Standard output.
  package static let standardOutput = WritableFile(1, "standard output")

  private init(_ descriptor: Int32, _ name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  deinit {
    if descriptor > 2 { close(descriptor) }
  }

  /// A file without a name, which vanishes when it is closed or the process ends: in the folder that
  /// TMPDIR names, or else in /var/tmp or /tmp.
  ///
  /// - Throws: `cannotWrite` when there is no place for one.
  package static func temporary() throws(BertError) -> WritableFile {
    let named = environment("TMPDIR") ?? ""
    let folders = named.isEmpty ? ["/var/tmp", "/tmp"] : [named]
    for folder in folders {
      let name = "a temporary file in \(folder)"
      let parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      let descriptor = parent < 0 ? -1 : openNameless(parent, 0o600)
      if parent >= 0 { close(parent) }
      if descriptor >= 0 { return WritableFile(descriptor, name) }
      // Not every file system has files without a name.
      var template = (folder + "/bertq-XXXXXX").utf8CString.map { $0 }
      let other = mkstemp(&template)
      if other >= 0 {
        unlink(template)
        return WritableFile(other, name)
      }
    }
    throw BertError(
      .cannotWrite,
      "no temporary file can be made in \(folders.joined(separator: " or ")): "
        + "\(reason(errno)); name another folder with TMPDIR")
  }

  /// Where the next byte goes, if bytes before it can still be changed: nil for what is no regular
  /// file, and for one that is only appended to.
  package var position: Int? {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      fcntl(descriptor, F_GETFL) & O_APPEND == 0
    else { return nil }
    let position = lseek(descriptor, 0, SEEK_CUR)
    return position < 0 ? nil : Int(position)
  }

  /// Writes all bytes: behind those written before, or at an offset.
  ///
  /// - Throws: `cannotWrite` with the system's reason.
  package func write(_ bytes: [UInt8], at offset: Int? = nil) throws(BertError) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        guard let next = buffer.baseAddress.map({ $0 + done }) else { return 0 }
        return offset.map { pwrite(descriptor, next, buffer.count - done, $0 + done) }
          ?? SystemLibrary.write(descriptor, next, buffer.count - done)
      }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 {
        throw BertError(.cannotWrite, "\(name): \(reason(errno))")
      }
      done += count
    }
  }

  /// Makes a file of all that was written to this one.
  ///
  /// - Throws: `cannotWrite` with the system's reason; what had the name before is then still there.
  package func copy(toFile path: String) throws(BertError) {
    let size = Int(lseek(descriptor, 0, SEEK_END))
    let output = try OutputFile(path: path, size: max(0, size))
    var offset = 0
    try eachPiece { (piece) throws(BertError) in
      try piece.withUnsafeBufferPointer { (bytes) throws(BertError) in
        try output.put(UnsafeRawBufferPointer(bytes), at: offset)
      }
      offset += piece.count
    }
    try output.commit()
  }

  /// Writes all that was written to this file to another one.
  ///
  /// - Throws: `cannotWrite` with the system's reason.
  package func copy(to other: WritableFile) throws(BertError) {
    try eachPiece { (piece) throws(BertError) in try other.write(piece) }
  }

  private func eachPiece(_ body: ([UInt8]) throws(BertError) -> Void) throws(BertError) {
    var offset = 0
    while true {
      var count = 0
      let piece = [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, size in
        count = pread(descriptor, buffer.baseAddress, buffer.count, offset)
        size = max(0, count)
      }
      if count == 0 { return }
      if count < 0 {
        if errno == EINTR { continue }
        throw BertError(
          .cannotWrite, "\(name) cannot be read again: \(reason(errno))")
      }
      try body(piece)
      offset += count
    }
  }
}
