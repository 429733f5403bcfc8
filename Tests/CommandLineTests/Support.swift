import BertErrors
import BertModel
import BertqFile
import Fixtures
import FoundationEssentials
import JSONText
import Testing

/// A folder with the tiny checkpoint, or a model made of it.
struct Workshop {
  let folder: TemporaryFolder
  var input: String { folder / "checkpoint" }
  var output: String { folder / "out.bertq" }
  var model: String { folder / "model.bertq" }

  /// Copies the tiny checkpoint, for a test to damage.
  init() throws {
    folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: input, withIntermediateDirectories: false)
    for name in ["model.safetensors", "config.json", "vocab.txt"] {
      try writeBytes(readBytes(PublishedCheckpoint.own + "/" + name), to: input + "/" + name)
    }
  }

  /// Converts the tiny checkpoint.
  static func converted(_ options: String...) throws -> Workshop {
    let shop = try Workshop()
    let outcome = try Program.convert.run([shop.input, shop.model] + options)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return shop
  }

  /// Converts what is there; expects a failure that leaves nothing behind.
  func expectRefusal(_ code: BertError.Code, _ words: String..., of path: String? = nil) throws {
    let before = folder.names
    let outcome = try Program.convert(path ?? input, output)
    expectFailure(outcome, code, words)
    #expect(folder.names == before, "nothing is left behind")
  }

  /// Changes `config.json`.
  func configure(_ change: (inout [String: JSON]) -> Void) throws {
    let path = input + "/config.json"
    let json = try JSON.parse(readBytes(path))
    var members = Dictionary(
      uniqueKeysWithValues: (json.objectValue ?? JSONObject()).map { ($0.key, $0.value) })
    change(&members)
    let object = JSONObject(members.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    try writeBytes(Array(JSON.object(object).text(pretty: true).utf8), to: path)
  }
}

/// One clear line of message, the right exit code, and no trap.
func expectFailure(_ outcome: Program.Outcome, _ code: BertError.Code, _ words: [String] = []) {
  #expect(outcome.code == code.exitCode, "\(outcome.errors)")
  for word in words {
    #expect(
      outcome.errors.lowercased().contains(word.lowercased()), "no '\(word)' in: \(outcome.errors)")
  }
  #expect(!outcome.errors.contains("Fatal error"))
  if code != .usage {
    let messages = outcome.errors.split(separator: "\n").filter { $0.contains(": error: ") }
    #expect(messages.count == 1, "\(outcome.errors)")
  }
}

/// The JSON of each line of an output.
func jsonLines(_ outcome: Program.Outcome) throws -> [JSON] {
  try outcome.lines.map { try JSON.parse(Array($0.utf8)) }
}

extension JSON {
  /// The numbers of an array.
  var numbers: [Double] { arrayValue?.compactMap(\.numberValue) ?? [] }
}

/// The output of a shell command; 127 and nothing when there is no shell.
func shell(_ command: String) throws -> Program.Outcome {
  try Program(at: "/bin/sh").run(["-c", command])
}
