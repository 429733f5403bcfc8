import BertErrors
import SystemLibrary

/// A file that appears under its name whole or not at all.
///
/// The bytes go to a file without a name (`O_TMPFILE`), which vanishes if the process is killed.
/// Where the file system has no such files, they go to a temporary with a random name beside the
/// target. Either way the folder is kept open, so that all happens in the same folder even if it is
/// moved meanwhile.
package final class OutputFile {
  /// `pwrite`, or what a test puts in its place.
  typealias Write = (CInt, UnsafeRawPointer, Int, Int) -> Int

  private let path: String
  private let name: String
  private let parent: String
  private let size: Int
  private let write: Write
  private var folder: CInt = -1
  private var file: CInt = -1
  private var temporary: String?
  /// The permissions of the file that is replaced; nil where there is none.
  private var mode: mode_t?

  /// Makes room for a file of `size` bytes, all zero so far.
  ///
  /// - Throws: `cannotWrite` when the folder is missing or closed to us, when the target is a
  ///   folder or a device, or when the disk has no room.
  package convenience init(path: String, size: Int) throws(BertError) {
    try self.init(path: path, size: size, usesNamed: false)
  }

  /// Takes a temporary with a name at once if `usesNamed` says so, as where there are none without.
  init(
    path: String, size: Int, usesNamed: Bool, write: @escaping Write = { pwrite($0, $1, $2, $3) }
  ) throws(BertError) {
    self.path = path
    self.size = size
    self.write = write
    let target = try LinkTarget.of(path)
    let slash = target.utf8.lastIndex(of: UInt8(ascii: "/"))
    name = slash.map { String(target[target.utf8.index(after: $0)...]) } ?? target
    parent = slash.map { String(target[...$0]) } ?? "."
    mode = try checkTarget()
    folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw failure("its folder cannot be opened", errno) }
    do throws(BertError) {
      try create(usesNamed: usesNamed)
      try reserve()
    } catch {
      discard()
      throw error
    }
  }

  deinit { discard() }

  /// Writes a file of these bytes.
  ///
  /// - Throws: `cannotWrite`; what had the name before is then still there.
  package static func write(_ bytes: [UInt8], to path: String) throws(BertError) {
    let output = try OutputFile(path: path, size: bytes.count)
    try bytes.withUnsafeBufferPointer { (buffer) throws(BertError) in
      try output.put(UnsafeRawBufferPointer(buffer), at: 0)
    }
    try output.commit()
  }

  /// Finds out before long work that a file can be written: all but whether there is room.
  ///
  /// - Throws: `cannotWrite`, as writing it now would.
  package static func check(_ path: String) throws(BertError) {
    try OutputFile(path: path, size: 0).discard()
  }

  /// Finds out before long work that files can be written, and that none of them replaces a file that is read.
  ///
  /// - Throws: `cannotWrite`, as writing them now would; `usage` for one that is among the sources, or twice among
  ///   the targets.
  package static func check(_ targets: [String], besides sources: [String]) throws(BertError) {
    for (place, target) in targets.enumerated() {
      try check(target)
      if sources.contains(where: { isSame($0, as: target) }) {
        throw BertError(
          .usage, "is read here, and would be replaced: name another file to write", file: target)
      }
      if targets[..<place].contains(where: { isSame($0, as: target) }) {
        throw BertError(.usage, "is to be written twice: name another file", file: target)
      }
    }
  }

  /// Whether two paths lead to one file that is there, or name one that is to be.
  package static func isSame(_ path: String, as other: String) -> Bool {
    var (a, b) = (stat(), stat())
    if stat(path, &a) == 0, stat(other, &b) == 0 { return isSame(a, b) }
    let names = [path, other].map { $0.split(separator: "/").last ?? "" }
    return names[0] == names[1] && stat(Folder.parent(of: path), &a) == 0
      && stat(Folder.parent(of: other), &b) == 0 && isSame(a, b)
  }

  /// Whether standard output is a file, and goes where a path leads.
  package static func isStandardOutput(_ path: String) -> Bool {
    var (a, b) = (stat(), stat())
    return fstat(1, &a) == 0 && a.st_mode & S_IFMT == S_IFREG && stat(path, &b) == 0 && isSame(a, b)
  }

  private static func isSame(_ a: stat, _ b: stat) -> Bool {
    a.st_dev == b.st_dev && a.st_ino == b.st_ino
  }

  /// Refuses what cannot be replaced; gives the permissions of what can.
  private func checkTarget() throws(BertError) -> mode_t? {
    if name.isEmpty || name == "." || name == ".." {
      throw BertError(.cannotWrite, "is not the name of a file", file: path)
    }
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    if status.st_mode & S_IFMT == S_IFDIR {
      throw BertError(.cannotWrite, "is a folder; name a file", file: path)
    }
    // Renaming over a device would put a file in its place.
    if status.st_mode & S_IFMT != S_IFREG {
      throw BertError(.cannotWrite, "is not a regular file; name one to be replaced", file: path)
    }
    // Links of /proc lead to files that may have no name any more, and say one all the same.
    var found = stat()
    guard lstat(parent + "/" + name, &found) == 0, found.st_dev == status.st_dev,
      found.st_ino == status.st_ino
    else {
      throw BertError(
        .cannotWrite, "leads to a file that has no name any more; name one to be replaced",
        file: path)
    }
    return status.st_mode & 0o777
  }

  private func create(usesNamed: Bool) throws(BertError) {
    if !usesNamed { file = openNameless(folder, 0o666) }
    if file >= 0 {
      // Giving it a name later goes through /proc; without that, a name is needed from the start.
      if access("/proc/self/fd/\(file)", F_OK) == 0 { return }
      close(file)
    }
    let temporary = Self.randomName()
    file = openat(folder, temporary, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0o666)
    guard file >= 0 else { throw failure("no file can be made beside it", errno) }
    self.temporary = temporary
  }

  /// Takes all the room now: a full disk is found before the work, not after it.
  private func reserve() throws(BertError) {
    if let limit = fileSizeLimit(), limit < UInt64(size) {
      throw BertError(
        .cannotWrite,
        "takes \(size) bytes; this process may write files of at most \(limit) (ulimit -f)",
        file: path)
    }
    let code = reserveRoom(file, bytes: size)
    if code != 0 { throw failure("there is no room for its \(size) bytes", code) }
  }

  /// Puts bytes at an offset.
  ///
  /// - Throws: `cannotWrite`; the file is then of no use and goes away with this object.
  package func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(BertError) {
    guard var next = bytes.baseAddress else { return }
    var (left, position) = (bytes.count, offset)
    while left > 0 {
      let written = write(file, next, min(left, 1 << 30), position)
      if written < 0 && errno == EINTR { continue }
      if written <= 0 { throw failure("writing at byte \(position) failed", errno) }
      next += written
      left -= written
      position += written
    }
  }

  /// A path by which this process can read what is written so far, before it has its name.
  package var temporaryPath: String {
    temporary.map { "\(parent)/\($0)" } ?? "/proc/self/fd/\(file)"
  }

  /// Syncs the file and gives it its name, replacing what had it.
  ///
  /// - Throws: `cannotWrite`; what had the name before is then still there.
  package func commit() throws(BertError) {
    if let mode, fchmod(file, mode) != 0 {
      throw failure("it cannot have the permissions of the file that it replaces", errno)
    }
    guard fsync(file) == 0 else { throw failure("the disk did not take it", errno) }
    if temporary == nil {
      let link = "/proc/self/fd/\(file)"
      if linkat(AT_FDCWD, link, folder, name, AT_SYMLINK_FOLLOW) == 0 { return try finish() }
      // A link cannot replace a file: it gets a name of its own first, and that is renamed.
      let temporary = Self.randomName()
      guard linkat(AT_FDCWD, link, folder, temporary, AT_SYMLINK_FOLLOW) == 0 else {
        throw failure("it cannot be given its name", errno)
      }
      self.temporary = temporary
    }
    guard let temporary, renameat(folder, temporary, folder, name) == 0 else {
      throw failure("it cannot be given its name", errno)
    }
    self.temporary = nil
    try finish()
  }

  private func finish() throws(BertError) {
    // Some file systems refuse this for folders (EINVAL). What the disk says is passed on: the name may be gone
    // after a power failure.
    let code = fsync(folder) == 0 ? 0 : errno
    discard()
    if [EIO, ENOSPC, EDQUOT].contains(code) {
      throw failure("the disk did not take its name", code)
    }
  }

  /// Closes everything and removes what has no final name; harmless when done twice.
  package func discard() {
    if let temporary { unlinkat(folder, temporary, 0) }
    temporary = nil
    if file >= 0 { close(file) }
    if folder >= 0 { close(folder) }
    (file, folder) = (-1, -1)
  }

  private func failure(_ what: String, _ code: CInt) -> BertError {
    BertError(.cannotWrite, "cannot be written: \(what): \(reason(code))", file: path)
  }

  private static func randomName() -> String {
    ".bertq-" + String(UInt64.random(in: .min ... .max), radix: 16) + ".tmp"
  }
}
