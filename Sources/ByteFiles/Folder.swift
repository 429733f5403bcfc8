import BertErrors
import SystemLibrary

/// What finding files needs of a file system.
package enum Folder {
  /// Whether `path` is a folder.
  package static func isFolder(_ path: String) -> Bool { kind(path) == S_IFDIR }

  /// Whether `path` is a regular file.
  package static func isFile(_ path: String) -> Bool { kind(path) == S_IFREG }

  private static func kind(_ path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  /// The names in a folder, sorted; none when it cannot be read.
  package static func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      // The record may be shorter than the struct, so the name is read where it lies.
      guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { break }
      let start = UnsafeRawPointer(entry).advanced(by: offset)
      let name = String(cString: start.assumingMemoryBound(to: CChar.self))
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// The folder that holds `path`, itself a path that can be opened.
  package static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Whether a name that a file gives stays in that file's folder: no absolute path, no `..`,
  /// nothing invisible.
  package static func isInside(_ name: String) -> Bool {
    guard !name.isEmpty, name.utf8.count <= 1024, !name.utf8.contains(where: { $0 < 0x20 }) else {
      return false
    }
    return name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
      !$0.isEmpty && $0 != "." && $0 != ".."
    }
  }

  /// The last part of a path.
  package static func name(of path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }
}
