import ArgumentParser
import BertErrors

/// What is done with bytes that are no UTF-8.
enum InvalidUTF8: String, ExpressibleByArgument, CaseIterable {
  /// The text is not answered.
  case error
  /// They become U+FFFD.
  case replace
}

extension ErrorPolicy: ExpressibleByArgument {}

/// What a program is told about the texts that it reads.
package struct InputOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Read texts from a file, one a line; - is standard input.", valueName: "file"),
    completion: .file())
  package var input: String?

  @Flag(
    help: """
      Input lines are JSON objects: text and optionally pair, or ids and optionally types and \
      attention_mask; and id, prompt, truncate.
      """)
  package var jsonl = false

  @Flag(help: "The input is a table, comma-separated, with a row of column names.")
  package var csv = false

  @Flag(help: "The input is a table, tab-separated, with a row of column names.")
  package var tsv = false

  @Option(
    help: ArgumentHelp(
      "The member or column with the text; given several times, they are joined by a space "
        + "(default: text).", valueName: "name"))
  package var textField: [String] = []

  @Option(
    help: ArgumentHelp("The one with a second text (default: pair).", valueName: "name"))
  package var pairField: String?

  @Option(
    help: ArgumentHelp(
      "The one with the id that results repeat (default: id).", valueName: "name"))
  package var idField: String?

  @Option(help: "Bytes that are no UTF-8: an error, or replaced by U+FFFD and counted.")
  var invalidUtf8 = InvalidUTF8.error

  /// The defaults.
  package init() {}

  package func validate() throws {
    if [jsonl, csv, tsv].count(where: { $0 }) > 1 {
      throw ValidationError("--jsonl, --csv and --tsv exclude each other")
    }
    let namesFields = !textField.isEmpty || pairField != nil || idField != nil
    if namesFields && !(jsonl || csv || tsv) {
      throw ValidationError("fields are named of --jsonl, --csv or --tsv")
    }
  }

  /// Whether records have members: JSON objects, or rows of a table.
  package var isTable: Bool { jsonl || csv || tsv }

  /// Where records come from, and how they are read.
  package func settings(texts: [String]) -> InputSettings {
    var settings = InputSettings()
    settings.texts = texts
    settings.path = input
    settings.form =
      jsonl
      ? .jsonl
      : csv ? .table(separator: UInt8(ascii: ",")) : tsv ? .table(separator: 0x09) : .text
    settings.fields.text = textField
    settings.fields.pair = pairField
    settings.fields.id = idField
    settings.replacesInvalidUTF8 = invalidUtf8 == .replace
    return settings
  }
}
