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

  @OptionGroup var source: InputOptions

  @Option(help: "A text that cannot be answered: stop there, or report it and go on.")
  var onError = ErrorPolicy.stop

  @Option(help: "What to answer (default: what the file is for).")
  var task: AnswerTask?

  @Option(
    help: "How results are written (default: JSON Lines; what a person reads, on a terminal).")
  var format: OutputFormat?

  @OptionGroup(title: "Options of single tasks") var tasks: TaskOptions

  @Option(
    help: ArgumentHelp(
      "Write beside an array, as JSON Lines, the ids and rows of each text.", valueName: "file"),
    completion: .file())
  var ids: String?

  @OptionGroup var compute: ComputeOptions

  @Flag(help: "Cut texts that are too long instead of refusing them.")
  var truncate = false

  @Option(
    help: ArgumentHelp(
      "What stands before every text: the name of one of the file's prompts, or words "
        + "(default: the file's default prompt).", valueName: "name|text"))
  var prompt: String?

  @Flag(help: "Say nothing but errors on standard error.")
  var quiet = false

  @Flag(help: "List the kernel sets, mark the choice, and end.")
  var cpu = false

  @Flag(help: "Check every byte of the file and end.")
  var verify = false

  @Flag(help: "Run the other path too and report the drift.")
  var drift = false

  @Option(
    help: ArgumentHelp(
      "Write the drift report, with what causes it, as .json or .html.", valueName: "file"))
  var driftReport: [String] = []

  @Option(help: "Fail with exit code 3 unless the drift keeps to NAME=NUMBER,...")
  var require: String?

  @Option(
    help: ArgumentHelp("Read such thresholds from a .json or .toml file.", valueName: "file"))
  var requireFile: String?

  static func main() {
    Console.begin("bert-run")
    start()
  }

  func validate() throws {
    if model == nil && !cpu { throw ValidationError("Missing expected argument '<model>'") }
    if int8 && float { throw ValidationError("--int8 and --float exclude each other") }
    for path in driftReport where !path.hasSuffix(".json") && !path.hasSuffix(".html") {
      throw ValidationError("--drift-report takes file names that end in .json or .html")
    }
    if (verify || cpu) && (measuresDrift || source.input != nil || !texts.isEmpty) {
      throw ValidationError(
        "\(verify ? "--verify" : "--cpu") computes nothing: leave out the texts and what is measured "
          + "of them")
    }
    if source.input != nil && !texts.isEmpty {
      throw ValidationError("texts come from the arguments or from --input, not from both")
    }
    if ids != nil && format != .npy {
      throw ValidationError("--ids goes with --format npy; JSON Lines hold the ids themselves")
    }
    if onError == .report && format == .npy && ids == nil {
      throw ValidationError(
        "--on-error report with --format npy needs --ids FILE, where it is said what is wrong")
    }
  }

  func run() {
    Console.run {
      let kernels = try KernelSet.choose(compute.kernels)
      if cpu { return ComputeOptions.list(chosen: kernels) }
      guard let path = model else { return }
      let gate = try gate()
      if verify { return try Self.verify(path) }
      for report in driftReport { try OutputFile.check(report) }
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
    let prompt = try prompt.map { (given) throws(BertError) in try model.prompt(given) }
    let task = task ?? AnswerTask(model.served.description.task)
    try model.served.require(task)
    try tasks.check(for: task, isTable: source.isTable)
    func run(_ task: some RecordTask) throws(BertError) {
      try self.run(task, model, kernels, gate, batchTokens)
    }
    switch (task, tasks.query) {
    case (.embedding, _): try run(VectorTask(.embedding, model, prompt: prompt))
    case (.pooled, _): try run(VectorTask(.pooled, model, prompt: prompt))
    case (.tokens, _): try run(TokensTask(model, prompt: prompt))
    case (.multiVector, _): try run(MultiVectorTask(model, tasks))
    case (.rerank, let query?): try run(RankingTask(model, query: query, tasks))
    default: try run(HeadTask(task, model, tasks, prompt: prompt))
    }
  }

  private func run<Task: RecordTask>(
    _ task: Task, _ model: Model, _ kernels: KernelSet, _ gate: DriftGate?, _ batchTokens: Int
  ) throws(BertError) {
    var settings = RunSettings()
    settings.writesArray = format == .npy
    settings.ids = try ids.map { path throws(BertError) in try RowsWriter(path: path) }
    settings.policy = onError
    settings.batchTokens = batchTokens
    settings.isQuiet = quiet
    settings.isReadable = format == nil && isatty(1) != 0
    var run = try TextRun(task, input: source.settings(texts: texts), settings)
    guard measuresDrift else {
      try run.perform()
      return try run.requireAllAnswered()
    }
    let drift = try DriftRun(
      model, task: self.task, kernels: kernels, threads: compute.threadCount,
      attributes: !driftReport.isEmpty)
    try run.perform { (questions) throws(BertError) in
      try drift.add(questions.flatMap(task.measured))
    }
    // What was not measured must look neither good nor bad, and must not pass.
    if run.texts == 0 {
      throw BertError(
        gate == nil ? .usage : .driftGate,
        "there are no texts to measure the drift on" + (gate == nil ? "" : ": the gate fails"),
        file: source.input == "-" ? nil : source.input)
    }
    try conclude(drift.report(), gate)
    try run.requireAllAnswered()
  }

  private var measuresDrift: Bool {
    drift || !driftReport.isEmpty || require != nil || requireFile != nil
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

  /// Shows and writes the drift and applies the gate.
  private func conclude(_ report: DriftReport, _ gate: DriftGate?) throws(BertError) {
    Console.note(report.summary)
    let failures = gate?.failures(report)
    for path in driftReport {
      let text =
        path.hasSuffix(".html")
        ? DriftPage(report, failures: failures).html : report.json.text(pretty: true) + "\n"
      try OutputFile.write(Array(text.utf8), to: path)
    }
    if let failures, !failures.isEmpty {
      throw BertError(.driftGate, "the drift gate failed: " + failures.joined(separator: "; "))
    }
  }
}
