import ArgumentParser
import BertConvert
import BertDrift
import BertErrors
import ByteFiles
import CommandSupport

extension CheckpointConversion.Weights: ExpressibleByArgument {}
extension CheckpointConversion.WordEmbeddings: ExpressibleByArgument {}

/// `bert-convert INPUT OUTPUT.bertq`.
@main
struct BertConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bert-convert",
    abstract: "Turns a published BERT checkpoint into one .bertq file.",
    discussion: """
      INPUT is a safetensors, npz, PyTorch, TensorFlow or ONNX file, a shard index, or the folder \
      that holds one. Its configuration, vocabulary, tokenizer and pooling settings are found beside \
      it. With --list, INPUT is any such file or a .bertq file, and nothing is converted.
      """,
    version: Release.name)

  @Argument(help: "The checkpoint: a file, a shard index or a folder.", completion: .file())
  var input: String

  @Argument(help: "The .bertq file to write.", completion: .file())
  var output: String?

  @Flag(help: "List the tensors of the input: SHA-256 as float32, type, shape, name.")
  var list = false

  @Flag(help: "With --list: as JSON.")
  var json = false

  @Option(
    help: ArgumentHelp("The configuration, when not beside the checkpoint.", valueName: "file"),
    completion: .file())
  var config: String?

  @Option(
    help: ArgumentHelp("vocab.txt or tokenizer.json, when not beside it.", valueName: "file"),
    completion: .file())
  var vocab: String?

  @Option(
    help: ArgumentHelp("Attention heads, where no configuration says it.", valueName: "number"))
  var heads: Int?

  @Flag(help: "Leave the tokenizer out: the file then takes token ids, not texts.")
  var idsOnly = false

  @Option(help: "Which weights to write.")
  var weights = CheckpointConversion.Weights.both

  @Option(
    help: """
      How int8's word embeddings are stored; f16 and int8 make small files of multilingual models.
      """)
  var embeddings = CheckpointConversion.WordEmbeddings.f32

  @Option(
    help: ArgumentHelp(
      "Texts, one a line, that int8 weights are fitted to (default: some that come with it).",
      valueName: "file"),
    completion: .file())
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

  @Option(
    help: ArgumentHelp("Write what was imported and quantised as JSON.", valueName: "file"),
    completion: .file())
  var report: String?

  static func main() {
    Console.begin("bert-convert")
    start()
  }

  func validate() throws {
    if list != (output == nil) {
      throw ValidationError(
        list
          ? "--list writes no file: leave the output out" : "Missing expected argument '<output>'")
    }
    if json && !list { throw ValidationError("--json goes with --list") }
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
    if idsOnly && (vocab != nil || calibrate != nil || maxDrift != nil) {
      throw ValidationError(
        "--ids-only leaves out the tokenizer that --vocab, --calibrate and --max-drift need")
    }
    if let heads, heads < 1 {
      throw ValidationError("--heads is \(heads); it must be at least 1")
    }
    if let threads, threads < 1 {
      throw ValidationError("--threads is \(threads); it must be at least 1")
    }
  }

  func run() {
    Console.run {
      try RawArguments.requireUTF8([input, output, config, vocab, calibrate, report])
      guard let output else {
        let listing = try FileListing(path: input)
        var standardOutput = StandardOutput()
        standardOutput.buffer += Array((json ? listing.json.text() + "\n" : listing.text).utf8)
        try standardOutput.flush()
        return
      }
      var conversion = CheckpointConversion(input: input, output: output)
      conversion.configuration = config
      conversion.vocabulary = vocab
      conversion.heads = heads
      conversion.idsOnly = idsOnly
      conversion.weights = weights
      conversion.embeddings = embeddings
      conversion.calibration =
        withoutCalibration ? .none : calibrate.map { .file($0) } ?? .builtIn
      conversion.driftLimit = try maxDrift.map(Self.driftLimit)
      conversion.recipe = recipe
      conversion.threads = threads.map(ThreadOption.limited)
      conversion.report = report
      let progress = ProgressBars()
      defer { progress.finish() }
      let result = try advised { () throws(BertError) in
        try conversion.run { event in
          switch event {
          case .progress(let stage, let done, let total):
            progress.update(stage.rawValue, done, of: total)
          case .note(let text):
            progress.finish()
            Console.note("note: \(text)")
          }
        }
      }
      progress.finish()
      Self.announce(result, output)
    }
  }

  /// Does something with the input; where that is not there, says what may help.
  private func advised<Value>(
    _ body: () throws(BertError) -> Value
  ) throws(BertError) -> Value {
    do throws(BertError) { return try body() } catch {
      guard error.code == .notFound, error.file == input else { throw error }
      var error = error
      error.message += ModelArgument.hubAdvice(input)
      throw error
    }
  }

  /// Says what the file is for.
  private static func announce(_ result: ConversionResult, _ output: String) {
    Console.note("\(output): \(result.summary)")
    Console.note("for: \(result.purpose)")
    if !result.labels.isEmpty {
      let shown = result.labels.prefix(mostLabels).map { String($0.prefix(80)) }
      let rest = result.labels.count - shown.count
      Console.note(
        "labels: " + shown.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : ""))
    }
    Console.note("answers: " + result.tasks.joined(separator: ", "))
    let fingerprints = [
      result.floatFingerprint.map { "float \($0)" }, result.int8Fingerprint.map { "int8 \($0)" },
    ]
    Console.note("fingerprints: " + fingerprints.compactMap { $0 }.joined(separator: ", "))
  }

  private static let mostLabels = 20

  private static func driftLimit(_ text: String) throws(BertError) -> DriftLimit {
    var limit = DriftLimit()
    for threshold in try ThresholdText.read(list: text) {
      switch threshold.name {
      case "cosine": limit.cosine = threshold.value
      case "sqnr": limit.sqnr = threshold.value
      default:
        throw BertError(.usage, "--max-drift knows cosine and sqnr, not '\(threshold.name)'")
      }
    }
    return limit
  }
}
