import BertErrors
import FoundationEssentials
import SystemLibrary

/// A folder that is removed, with all that is in it, when the last use of it ends.
package final class TemporaryFolder: Sendable {
  /// Where it is.
  package let path: String

  /// Makes an empty folder.
  ///
  /// - Throws: `system` when there is no place for one.
  package init() throws(BertError) {
    path = "/tmp/bertq-tests-\(getpid())-" + String(UInt64.random(in: 0 ... .max), radix: 16)
    guard mkdir(path, 0o700) == 0 else {
      throw BertError(.system, "cannot make a folder", file: path)
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The names of all that is in it, sorted.
  package var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }

  /// The path of a file in it.
  package static func / (folder: TemporaryFolder, name: String) -> String {
    folder.path + "/" + name
  }

  /// Writes a file, making the folders that its name needs; gives its path.
  @discardableResult package func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = self / name
    let parts = file.split(separator: "/", omittingEmptySubsequences: false)
    try FileManager.default.createDirectory(
      atPath: parts.dropLast().joined(separator: "/"), withIntermediateDirectories: true)
    try writeBytes(bytes, to: file)
    return file
  }

  /// Writes a text, as `write(_:_:)` does bytes.
  @discardableResult package func write(_ name: String, _ text: String) throws -> String {
    try write(name, Array(text.utf8))
  }

  /// Makes a symbolic link.
  package func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: self / name, withDestinationPath: target)
  }

  /// Copies all that is in another folder into this one.
  package func copy(filesOf other: String, except omitted: [String] = []) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: other)
    where !omitted.contains(name) {
      try FileManager.default.copyItem(atPath: other + "/" + name, toPath: path + "/" + name)
    }
  }
}

/// The bytes of a file.
package func readBytes(_ path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(filePath: path)))
}

/// Writes a file.
package func writeBytes(_ bytes: [UInt8], to path: String) throws {
  try Data(bytes).write(to: URL(filePath: path))
}

/// Whether there is something at a path.
package func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
