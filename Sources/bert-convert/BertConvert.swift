import ArgumentParser
import BertErrors
import BertImport
import BertKernels
import BertModel
import BertQuantize
import BertTokenize
import BertqFile
import ByteFiles
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
      """,
    version: Release.name)

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

  @Option(
    help: ArgumentHelp(
      "Texts, one a line, that int8 weights are fitted to (default: some that come with it).",
      valueName: "file"))
  var calibrate: String?

  @Flag(name: .customLong("no-calibration"), help: "Quantise the weights looking at no text.")
  var withoutCalibration = false

  @Option(
    help: ArgumentHelp(
      "Keep the cheapest linears in float until the drift on texts held out from calibration is at "
        + "most this: cosine=NUMBER (worst embedding), sqnr=NUMBER (dB), or both.",
      valueName: "cosine=0.9995"))
  var maxDrift: String?

  @Option(
    help: ArgumentHelp(
      "Leave parts of the quantiser out, to see what each is worth: no-balance, no-rotation, "
        + "no-signs, nearest.", valueName: "parts"))
  var recipe: String?

  @Option(help: "Threads to use (default: this process's share of the cores).")
  var threads: Int?

  @Option(help: ArgumentHelp("Write what was imported and quantised as JSON.", valueName: "file"))
  var report: String?

  static func main() {
    Console.begin("bert-convert")
    start()
  }

  func validate() throws {
    if calibrate != nil && withoutCalibration {
      throw ValidationError("--calibrate and --no-calibration exclude each other")
    }
    if maxDrift != nil && withoutCalibration {
      throw ValidationError("--max-drift measures on calibration texts; --no-calibration has none")
    }
    if weights == .float && (calibrate != nil || maxDrift != nil || recipe != nil) {
      throw ValidationError(
        "--weights float writes nothing that --calibrate, --max-drift or --recipe have a say in")
    }
    if let threads, threads < 1 {
      throw ValidationError("--threads is \(threads); it must be at least 1")
    }
  }

  func run() {
    Console.run {
      var found: ImportReport?
      var record: QuantizationRecord?
      defer { note(found, record) }
      try requireTargets(besides: [input, config, vocab, calibrate].compactMap { $0 })
      let model: ImportedModel
      do throws(BertError) {
        model = try ModelImport.read(input: input, config: config, vocabulary: vocab) {
          found = $0
        }
      } catch {
        try? writeReport(found, record)
        throw error
      }
      try requireTargets(besides: Array(model.files))
      do throws(BertError) {
        let fingerprints = try convert(model, &record)
        try writeReport(found, record)
        Console.note("fingerprints: " + Self.text(fingerprints))
      } catch {
        try? writeReport(found, record)
        throw error
      }
    }
  }

  /// Checks before long work that what is written can be, and replaces nothing that is read.
  private func requireTargets(besides sources: [String]) throws(BertError) {
    for target in [output, report].compactMap({ $0 }) {
      try OutputFile.check(target)
      if sources.contains(where: { OutputFile.isSame($0, as: target) }) {
        throw BertError(
          .usage, "is read by this conversion, and would be replaced: name another file to write",
          file: target)
      }
    }
    if let report, OutputFile.isSame(report, as: output) {
      throw BertError(.usage, "cannot be both the model and --report", file: report)
    }
  }

  private func convert(
    _ model: ImportedModel, _ record: inout QuantizationRecord?
  ) throws(BertError) -> BertqFingerprints {
    if let threads, threads > CpuShare.limit {
      Console.note("note: --threads \(threads) is more than \(CpuShare.limit); using that")
    }
    let budget = try maxDrift.map { text throws(BertError) in try DriftBudget.parse(text) }
    let recipe = try recipe.map { text throws(BertError) in try Recipe.parse(text) } ?? .standard
    let vocabulary =
      model.vocabulary.isEmpty ? [] : try VocabularyTable.build(model.vocabulary)
    let calibration = try calibration(model.description, vocabulary, holdsOut: budget != nil)
    var conversion = Conversion(
      model: model, vocabulary: vocabulary, weights: weights, recipe: recipe,
      calibration: calibration, kernels: try KernelSet.choose(),
      team: ThreadTeam(count: min(threads ?? CpuShare.threads, CpuShare.limit)))
    let fingerprints: BertqFingerprints
    if let budget {
      fingerprints = try conversion.write(to: output, budget: budget)
    } else {
      fingerprints = try conversion.write(to: output)
    }
    if weights != .float { record = conversion.record }
    Console.note("\(output): \(conversion.summary)")
    return fingerprints
  }

  private func calibration(
    _ model: ModelDescription, _ vocabulary: [UInt8], holdsOut: Bool
  ) throws(BertError) -> CalibrationInput? {
    if weights == .float || withoutCalibration { return nil }
    guard !vocabulary.isEmpty else {
      if calibrate == nil {
        Console.note("note: the model has no vocabulary, so int8 weights are made without texts")
        return nil
      }
      throw BertError(
        .unsupported,
        "--calibrate needs a vocabulary, and the model has none; name one with --vocab")
    }
    if let calibrate {
      return try .file(calibrate, model: model, vocabulary: vocabulary, holdsOut: holdsOut)
    }
    let input = CalibrationInput.builtIn(
      model: model, vocabulary: vocabulary, holdsOut: holdsOut)
    if input == nil {
      Console.note(
        "note: the vocabulary knows no word of the built-in texts, so int8 weights are made without "
          + "texts; --calibrate takes others")
    }
    return input
  }

  private static func text(_ fingerprints: BertqFingerprints) -> String {
    [fingerprints.float.map { "float \($0)" }, fingerprints.int8.map { "int8 \($0)" }]
      .compactMap { $0 }.joined(separator: ", ")
  }

  private func writeReport(
    _ found: ImportReport?, _ record: QuantizationRecord?
  ) throws(BertError) {
    guard let path = report, let found else { return }
    var json = found.json
    if let record, var object = json.objectValue {
      object["quantizer"] = record.json
      json = .object(object)
    }
    try OutputFile.write(Array((json.text(pretty: true) + "\n").utf8), to: path)
  }

  private func note(_ report: ImportReport?, _ record: QuantizationRecord?) {
    for notice in (report?.notices ?? []) + (record?.notices ?? []) {
      Console.note("note: \(notice)")
    }
  }
}
