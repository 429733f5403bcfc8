import ArgumentParser
import BertDrift
import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import BertqFile
import ByteFiles
import CommandSupport
import SystemLibrary

/// `bert-run [--int8|--float] MODEL.bertq [TEXT ...]`.
@main
struct BertRun: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bert-run",
    abstract: "Runs a .bertq model over texts and writes a result for each.",
    discussion: """
      Texts come from the arguments, --input, or standard input, one a line; results go to standard \
      output in the same order, everything else to standard error.
      """,
    version: Release.name)

  @Argument(help: "The model.")
  var model: String?

  @Argument(help: "Texts to encode.")
  var texts: [String] = []

  @Flag(help: "Use the int8 weights (the default where the file has them).")
  var int8 = false

  @Flag(help: "Use the float32 weights.")
  var float = false

  @Option(help: ArgumentHelp("Read texts from a file, one a line.", valueName: "file"))
  var input: String?

  @Flag(
    help: """
      Input lines are JSON objects: text and optionally pair, or ids and optionally types; and id.
      """)
  var jsonl = false

  @Option(help: "What to answer (default: what the file is for).")
  var task: ModelTask?

  @Option(help: "How results are written.")
  var format = OutputFormat.jsonl

  @OptionGroup var compute: ComputeOptions

  @Flag(help: "Cut texts that are too long instead of refusing them.")
  var truncate = false

  @Flag(help: "List the kernel sets, mark the choice, and end.")
  var cpu = false

  @Flag(help: "Check every byte of the file and end.")
  var verify = false

  @Flag(help: "Run the other path too and report the drift.")
  var drift = false

  @Option(
    help: ArgumentHelp(
      "Write the drift report, with what causes it, as .json, .html or .md.", valueName: "file"))
  var driftReport: [String] = []

  @Option(help: "Fail with exit code 3 unless the drift keeps to NAME=NUMBER,...")
  var require: String?

  @Option(
    help: ArgumentHelp("Read such thresholds from a .json or .toml file.", valueName: "file"))
  var requireFile: String?

  @Option(
    help: ArgumentHelp(
      "Compare both paths with another program's vectors too: a .npy file, a row for each text.",
      valueName: "file"))
  var reference: String?

  static func main() {
    Console.begin("bert-run")
    start()
  }

  func validate() throws {
    if model == nil && !cpu { throw ValidationError("Missing expected argument '<model>'") }
    if int8 && float { throw ValidationError("--int8 and --float exclude each other") }
    for path in driftReport where !DriftRun.reportSuffixes.contains(where: path.hasSuffix) {
      throw ValidationError("--drift-report takes file names that end in .json, .html or .md")
    }
    if (verify || cpu) && (measuresDrift || input != nil || !texts.isEmpty) {
      throw ValidationError(
        "\(verify ? "--verify" : "--cpu") computes nothing: leave out the texts and what is measured "
          + "of them")
    }
    if input != nil && !texts.isEmpty {
      throw ValidationError("texts come from the arguments or from --input, not from both")
    }
  }

  func run() {
    Console.run {
      let kernels = try KernelSet.choose(compute.kernels)
      if cpu { return ComputeOptions.list(chosen: kernels) }
      guard let path = model else { return }
      let gate = try gate()
      if verify { return try Self.verify(path) }
      try OutputFile.check(
        driftReport, besides: [path, input, requireFile, reference].compactMap { $0 })
      if format == .npy, isatty(1) != 0 {
        throw BertError(
          .usage,
          "--format npy is binary, and standard output is a terminal: send it to a file or a pipe")
      }
      try answer(path, kernels, gate)
    }
  }

  private func answer(_ path: String, _ kernels: KernelSet, _ gate: DriftGate?) throws(BertError) {
    let threads = compute.threadCount
    var options = ModelOptions()
    options.precision = float ? .float32 : int8 ? .int8 : nil
    options.threads = threads
    options.kernels = kernels.name
    options.tokenBudget = compute.tokenBudget
    options.truncates = truncate
    let model = try Model(path: path, options: options)
    var batchTokens =
      compute.tokenBudget
      ?? BertEncoder.defaultTokenBudget(model.served.description.configuration, threads: threads)
    if measuresDrift { batchTokens = min(batchTokens, DriftMeter.tokenBudget) }
    let source = try TextSource(texts: texts, input: input, isJSON: jsonl)
    var run = try TextRun(
      model: model, task: task, source: source, format: format, batchTokens: batchTokens)
    guard measuresDrift else { return try run.perform() }
    let drift = try DriftRun(
      model, task: task, kernels: kernels, threads: threads, attributes: !driftReport.isEmpty,
      reference: reference)
    try run.perform { (batch) throws(BertError) in try drift.add(batch) }
    // What was not measured must look neither good nor bad, and must not pass.
    if run.texts == 0 {
      throw BertError(
        gate == nil ? .usage : .driftGate,
        "there are no texts to measure the drift on" + (gate == nil ? "" : ": the gate fails"),
        file: input == "-" ? nil : input)
    }
    try drift.conclude(gate, reports: driftReport)
  }

  private var measuresDrift: Bool {
    drift || !driftReport.isEmpty || require != nil || requireFile != nil || reference != nil
  }

  private func gate() throws(BertError) -> DriftGate? {
    guard require != nil || requireFile != nil else { return nil }
    var gate = DriftGate()
    if let path = requireFile {
      try WholeFile(path, limit: 1 << 20).parse { (bytes) throws(BertError) in
        try gate.add(
          path.hasSuffix(".json")
            ? ThresholdText.read(json: bytes) : ThresholdText.read(toml: bytes))
      }
    }
    if let require { try gate.add(ThresholdText.read(list: require)) }
    if gate.requirements.isEmpty {
      throw BertError(
        .usage, "asks for nothing; expected thresholds, such as cosine = 0.999", file: requireFile)
    }
    return gate
  }

  private static func verify(_ path: String) throws(BertError) {
    let file = try ModelFile.open(path)
    var bar = ProgressBar("verifying")
    defer { bar.finish() }
    try file.verifyAll { bar.update($0, of: $1) }
    // A file of an earlier numeric version is whole, but not served.
    if file.numericVersion == NumericContract.version { _ = try ServedModel(path: path) }
    Console.note("\(path): every byte is as it was written")
  }
}
