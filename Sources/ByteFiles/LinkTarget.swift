import BertErrors
import SystemLibrary

/// Where a path leads when the links at its end are followed, whether anything is there or not.
enum LinkTarget {
  /// So many links in a row are a ring, as for the system.
  private static let mostLinks = 40
  /// The system's own limit of a path.
  private static let longestPath = 4096

  /// - Throws: `cannotWrite` for a ring of links, or a link that cannot be read.
  static func of(_ path: String) throws(BertError) -> String {
    var target = path
    for _ in 0..<mostLinks {
      var status = stat()
      guard lstat(target, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return target }
      let next = try read(target, named: path)
      target = next.hasPrefix("/") ? next : Folder.parent(of: target) + "/" + next
    }
    throw BertError(.cannotWrite, "is a link that leads round in a ring", file: path)
  }

  private static func read(_ link: String, named path: String) throws(BertError) -> String {
    var bytes = [CChar](repeating: 0, count: longestPath)
    let count = readlink(link, &bytes, bytes.count)
    guard count > 0, count < bytes.count else {
      throw BertError(
        .cannotWrite, "is a link that cannot be read" + (count < 0 ? ": \(reason(errno))" : ""),
        file: path)
    }
    return String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
