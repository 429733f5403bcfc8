import BertErrors
import ByteFiles
import TensorFiles

/// One reason why an import fails.
struct ImportProblem {
  var code: BertError.Code
  /// The published tensor concerned, whether it is there or not.
  var name: String?
  /// What is the matter with it.
  var text: String
  /// Where it is, if it is there.
  var tensor: TensorInfo?

  /// The problem as a sentence.
  var sentence: String { (name.map { "'\($0.prefix(200))' " } ?? "") + text }

  /// All problems as one error; nil when there is none.
  static func error(_ problems: [ImportProblem], file: String) -> BertError? {
    guard let first = problems.first else { return nil }
    let code = problems.contains { $0.code == .malformed } ? BertError.Code.malformed : first.code
    if problems.count == 1 {
      return BertError(
        code, first.text, file: first.tensor?.file ?? file,
        tensor: first.name.map { String($0.prefix(200)) }, byteOffset: first.tensor?.byteOffset)
    }
    var lines = problems.map { problem in
      let place = problem.tensor.map { " (\(Folder.name(of: $0.file)), byte \($0.byteOffset))" }
      return "\n  " + problem.sentence + (place ?? "")
    }
    // What is missing comes first, what nobody asked for last: a person wants some of both.
    let hidden = lines.count - 2 * mostAtAnEnd
    if hidden > 1 {
      lines.replaceSubrange(
        mostAtAnEnd..<mostAtAnEnd + hidden, with: ["\n  ... \(hidden) more (the report lists all)"])
    }
    return BertError(
      code,
      "the checkpoint and its configuration do not fit; \(problems.count) problems:"
        + lines.joined(), file: file)
  }

  private static let mostAtAnEnd = 12
}
