import BertErrors
import Bertq
import FoundationEssentials

/// Checkpoints that tests use when they are on this machine.
package enum PublishedCheckpoint {
  /// The folder of all-MiniLM-L6-v2, or nil when it was not fetched.
  ///
  /// `BERTQ_MINILM` names it; else it is where the quickstart keeps it (`BERTQ_CACHE`, by default
  /// `~/.cache/bertq`), or beside the project.
  package static let miniLM: String? = {
    let environment = ProcessInfo.processInfo.environment
    let cache = environment["BERTQ_CACHE"] ?? (environment["HOME"] ?? "") + "/.cache/bertq"
    let places =
      environment["BERTQ_MINILM"].map { [$0] } ?? [
        cache + "/all-MiniLM-L6-v2", SharedData.packageRoot + "/../.cache/minilm",
      ]
    return places.first { exists($0 + "/model.safetensors") }
  }()

  /// Whether tests that need all-MiniLM-L6-v2 can run; prints why not, once a test.
  package static func hasMiniLM() -> Bool {
    if miniLM == nil {
      print("skipped: no all-MiniLM-L6-v2 (tools/quickstart fetches it, or set BERTQ_MINILM)")
    }
    return miniLM != nil
  }

  /// all-MiniLM-L6-v2 as `bert-convert` makes it, once for all tests of a process.
  package static let servedMiniLM: Result<ServedModel, any Error> = Result {
    try converted(miniLM ?? "/nonexistent")
  }

  /// The tiny checkpoint that lies in the repository.
  package static let own = SharedData.packageRoot + "/Tests/Fixtures/tiny"

  /// Converts a checkpoint with `bert-convert` and opens the file.
  ///
  /// The file's name is gone when this returns; its mapping keeps it.
  package static func converted(_ input: String, _ options: String...) throws -> ServedModel {
    let folder = try TemporaryFolder()
    let outcome = try Program.convert.run([input, folder / "model.bertq"] + options)
    guard outcome.code == 0 else {
      throw BertError(.system, "bert-convert: \(outcome.code) \(outcome.errors)", file: input)
    }
    return try ServedModel(path: folder / "model.bertq")
  }
}
