import BertErrors

/// Where a text came from, as a message names it: results count texts from 0, but who mends an input
/// counts its lines from 1.
package struct InputPlace: Sendable {
  /// The file, or what else it was read from.
  package let source: String
  /// The line or argument.
  package let name: String

  /// Line `number`, from 1, of a file or of standard input.
  package init(line number: Int, of source: String) {
    self.source = source
    name = "line \(number)"
  }

  /// Text `number`, from 1, of the command line or of texts that come with it; quotes how it begins.
  package init(text number: Int, _ text: String, of source: String) {
    self.source = source
    let begin = text.prefix(Self.quoted)
    name = "text \(number), '\(begin)\(begin.endIndex < text.endIndex ? "…" : "")'"
  }

  private static let quoted = 40

  /// The same error, of a reader that replaces no bytes.
  package func locate(strictly error: BertError) -> BertError {
    var error = error
    if error.remedy == .replaceInvalidUTF8 { error.remedy = .convertToUTF8 }
    return locate(error)
  }

  /// The same error with this place in front, or all places up to another; an error about another
  /// file is not of this place, and neither is one about the system or about what is written.
  package func locate(_ error: BertError, to last: InputPlace? = nil) -> BertError {
    guard error.file == nil || error.file == source else { return error }
    if [.system, .cannotWrite].contains(error.code) { return error }
    var error = error
    let byte = error.byteOffset.map { ", byte \($0 + 1)" } ?? ""
    error.byteOffset = nil
    let end = last.map { $0.name == name ? "" : " to \($0.name)" } ?? ""
    error.message = "\(name)\(byte)\(end): \(error.message)"
    return error.inFile(source)
  }
}
