import ArgumentParser
import BertErrors
import Bertq

/// How results are written.
package enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// One JSON object a line.
  case jsonl
  /// One NumPy array.
  case npy
}

extension Model {
  /// What `--prompt` asks for: one of the file's prompts by its name, or words.
  ///
  /// - Throws: `usage` for what looks like a name that the file does not have.
  package func prompt(_ given: String) throws(BertError) -> TextPrompt {
    let prompts = served.description.prompts
    if prompts.contains(where: { $0.name == given }) { return .named(given) }
    // Words end in something that keeps them from the text.
    let isWord =
      !given.isEmpty && given.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
    if !isWord { return .text(given) }
    let names = prompts.map { "'\($0.name)'" }.joined(separator: ", ")
    throw BertError(
      .usage,
      "--prompt \(given): the file's prompts are \(names.isEmpty ? "none" : names); words to put before "
        + "texts end in a space or a mark, such as '\(given): '")
  }
}
