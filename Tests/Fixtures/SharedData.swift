import FoundationEssentials

/// Reference data that lies outside the project: real texts, foreign cases and oracles.
///
/// `BERTQ_SHARED_DATA` names its folder; by default it is `../shared/data` from the project's root.
package enum SharedData {
  /// The folder of the package under test.
  package static let packageRoot: String = {
    var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    parts.removeLast(3)
    return parts.joined(separator: "/")
  }()

  /// The data folder, or nil when it is absent.
  package static let root: String? = {
    let path =
      ProcessInfo.processInfo.environment["BERTQ_SHARED_DATA"] ?? packageRoot + "/../shared/data"
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }()

  /// Whether tests that need the data can run; prints why not, once a test.
  package static func isPresent(_ parts: String...) -> Bool {
    guard let root else {
      print("skipped: no shared data (set BERTQ_SHARED_DATA to its folder)")
      return false
    }
    for part in parts where !FileManager.default.fileExists(atPath: root + "/" + part) {
      print("skipped: \(part) is not in the shared data")
      return false
    }
    return true
  }

  /// The path of a file under the data folder.
  package static func path(_ part: String) -> String { (root ?? "/nonexistent") + "/" + part }

  /// The bytes of a file under the data folder.
  package static func bytes(_ part: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: path(part))))
  }
}
