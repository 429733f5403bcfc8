import ArgumentParser
import BertErrors
import BertImport
import CommandSupport
import JSONText

/// Which weights a file is to hold.
enum WeightChoice: String, ExpressibleByArgument, CaseIterable {
  case both
  case int8
  case float
}

/// `bert-convert INPUT OUTPUT.bertq`.
@main
struct BertConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bert-convert",
    abstract: "Turns a published BERT checkpoint into one .bertq file.",
    discussion: """
      INPUT is a .safetensors or .npz file, a model.safetensors.index.json, or the folder that \
      holds them. Its configuration, vocabulary, tokenizer and pooling settings are found beside it.
      """)

  @Argument(help: "The checkpoint: a file, a shard index or a folder.")
  var input: String

  @Argument(help: "The .bertq file to write.")
  var output: String

  @Option(
    help: ArgumentHelp("The configuration, when not beside the checkpoint.", valueName: "file"))
  var config: String?

  @Option(
    help: ArgumentHelp("vocab.txt or tokenizer.json, when not beside it.", valueName: "file"))
  var vocab: String?

  @Option(help: "Which weights to write.")
  var weights = WeightChoice.both

  @Option(help: ArgumentHelp("Write the import report as JSON.", valueName: "file"))
  var report: String?

  func run() {
    Console.run("bert-convert") {
      var report: ImportReport?
      defer { note(report) }
      do throws(BertError) {
        let model = try ModelImport.read(input: input, config: config, vocabulary: vocab) {
          report = $0
        }
        let conversion = Conversion(model: model, weights: weights)
        let fingerprints = try conversion.write(to: output)
        try writeReport(report)
        Console.note("\(output): \(conversion.summary)")
        Console.note("fingerprints: \(fingerprints)")
      } catch {
        try? writeReport(report)
        throw error
      }
    }
  }

  private func writeReport(_ found: ImportReport?) throws(BertError) {
    if let path = report, let found {
      try writeFile(path, Array((found.json.text(pretty: true) + "\n").utf8))
    }
  }

  private func note(_ report: ImportReport?) {
    for notice in report?.notices ?? [] { Console.note("note: \(notice)") }
  }
}
