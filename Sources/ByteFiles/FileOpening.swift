import BertErrors
import SystemLibrary

/// A file opened for reading, before it is known what for.
///
/// Every reader of this module opens through here, so that the same trouble is said in the same words.
struct OpenedFile {
  /// What is allowed to be behind a name.
  enum Kinds {
    /// A regular file.
    case regular
    /// A regular file, or what gives bytes as they come: a pipe, a device.
    case readable
  }

  let descriptor: CInt
  /// Bytes of a regular file; 0 of what has no size.
  let size: Int

  /// Opens a file.
  ///
  /// - Throws: `notFound` when it is absent, cannot be read, or is a folder or another kind of file.
  init(_ path: String, _ kinds: Kinds = .regular) throws(BertError) {
    // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
    let patience = kinds == .regular ? O_NONBLOCK : 0
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | patience)
    guard descriptor >= 0 else { throw Self.failure(errno, path) }
    do throws(BertError) {
      size = try Self.size(of: descriptor, kinds, path)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  /// The size of what is open already.
  static func size(
    of descriptor: CInt, _ kinds: Kinds, _ name: String
  ) throws(BertError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(errno, name) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return Int(status.st_size)
    case S_IFDIR: throw BertError(.notFound, "is a folder; expected a file", file: name)
    default:
      if kinds == .readable { return 0 }
      throw BertError(
        .notFound, "is a device, pipe or socket; expected a regular file", file: name)
    }
  }

  private static func failure(_ code: CInt, _ path: String) -> BertError {
    let text =
      code == ENOENT || code == ENOTDIR ? "no such file" : "cannot be opened: \(reason(code))"
    return BertError(.notFound, text, file: path)
  }
}
