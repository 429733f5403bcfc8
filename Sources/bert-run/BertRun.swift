import ArgumentParser
import BertDrift
import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import ByteFiles
import CommandSupport
import SystemLibrary

/// `bert-run [--int8|--float] MODEL.bertq [TEXT ...]`.
@main
struct BertRun: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bert-run",
    abstract: "Runs a .bertq model over texts and writes a result for each.",
    discussion: HelpText.run,
    version: Release.name)

  @Argument(help: "The model.", completion: .file(extensions: ["bertq"]))
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

  @Option(help: "How results are written (default: jsonl; for a person on a terminal).")
  var format: OutputFormat?

  @Option(
    help: ArgumentHelp(
      "Write results to a file, behind those that an earlier run wrote there.", valueName: "file"),
    completion: .file())
  var resume: String?

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
      "What stands before every text, or query: the name of one of the file's prompts, or words "
        + "(default: the file's default prompt).", valueName: "name|text"))
  var prompt: String?

  @Option(help: "Numbers of an embedding: the first of the whole vector, not scaled again.")
  var dimensions: Int?

  @Flag(help: "Say nothing but errors on standard error.")
  var quiet = false

  @Flag(help: "List the kernel sets, mark the choice, and end.")
  var cpu = false

  @Flag(help: "Check every byte of the file and end.")
  var verify = false

  @Flag(help: "Say what is in the file and end.")
  var info = false

  @Flag(help: "With --info: as JSON.")
  var json = false

  @OptionGroup var drift: DriftOptions

  static func main() {
    Console.begin("bert-run")
    start()
  }

  func validate() throws {
    if model == nil && !cpu { throw ValidationError("Missing expected argument '<model>'") }
    if int8 && float { throw ValidationError("--int8 and --float exclude each other") }
    if (verify || cpu || info) && (drift.isMeasured || source.input != nil || !texts.isEmpty) {
      throw ValidationError(
        "\(verify ? "--verify" : cpu ? "--cpu" : "--info") computes nothing: leave out the texts and what is measured "
          + "of them")
    }
    if source.input != nil && !texts.isEmpty {
      throw ValidationError("texts come from the arguments or from --input, not from both")
    }
    if (source.csv || source.tsv) && !texts.isEmpty {
      throw ValidationError("--csv and --tsv read a file or standard input, not arguments")
    }
    if json && !info { throw ValidationError("--json goes with --info") }
    if resume != nil && format == .npy {
      throw ValidationError("--resume goes on with JSON Lines; a part of an array is none")
    }
    if resume != nil && drift.isMeasured {
      throw ValidationError("--resume passes over texts that the drift is measured on")
    }
    if drift.reference != nil && onError == .report {
      throw ValidationError(
        "--reference has a row for each text, so each needs an answer: use --on-error stop")
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
      try RawArguments.requireUTF8(
        [path, source.input, ids, resume, drift.requireFile, drift.reference] + drift.reports)
      let gate = try drift.gate()
      if verify { return try Self.verify(path) }
      if info {
        let report = try ModelReport(path: path)
        return print(json ? report.json.text(pretty: true) : report.text)
      }
      let written = drift.reports + [ids].compactMap { $0 }
      try OutputFile.check(
        written,
        besides: [path, source.input, drift.requireFile, drift.reference].compactMap { $0 })
      for file in written + [resume].compactMap({ $0 }) where OutputFile.isStandardOutput(file) {
        throw BertError(
          .usage, "is where standard output goes: name another file to write", file: file)
      }
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
    options.dimensions = dimensions
    let model = try ModelArgument.open(path, options, texts: texts)
    var batchTokens =
      compute.tokenBudget
      ?? BertEncoder.defaultTokenBudget(model.served.description.configuration, threads: threads)
    if drift.isMeasured { batchTokens = min(batchTokens, DriftMeter.tokenBudget) }
    let prompt = try prompt.map { (given) throws(BertError) in try model.prompt(given) }
    var settings = RunSettings()
    settings.target = try target()
    settings.policy = onError
    settings.batchTokens = batchTokens
    settings.isQuiet = quiet
    if isTyped, !quiet { Console.note("Type a text and Enter; Ctrl-D ends.") }
    let input = source.settings(texts: texts)
    guard drift.isMeasured else {
      let summary = try RunSummary(
        task, of: model, tasks, prompt: prompt, dimensions: dimensions, input: input, settings)
      if let failure = summary.failure { throw failure }
      return
    }
    let measured = try DriftRun(
      model, task: task, kernels: kernels, threads: threads, attributes: !drift.reports.isEmpty,
      reference: drift.reference)
    let summary = try RunSummary(
      task, of: model, tasks, prompt: prompt, dimensions: dimensions, input: input, settings,
      measure: measured.add)
    // What was not measured must look neither good nor bad, and must not pass.
    if summary.answered == 0 {
      throw BertError(
        gate == nil ? .usage : .driftGate,
        "there are no texts to measure the drift on" + (gate == nil ? "" : ": the gate fails"),
        file: source.input == "-" ? nil : source.input)
    }
    try measured.conclude(gate, reports: drift.reports, isQuiet: quiet)
    if let failure = summary.failure { throw failure }
  }

  /// Whether somebody types the texts.
  private var isTyped: Bool {
    texts.isEmpty && (source.input ?? "-") == "-" && isatty(0) != 0
  }

  /// Where results go, and in which form.
  private func target() throws(BertError) -> ResultTarget {
    let read = [model, source.input, drift.requireFile].compactMap { $0 }
    if let resume, read.contains(where: { OutputFile.isSame($0, as: resume) }) {
      throw BertError(.usage, "is read here: name another file to write", file: resume)
    }
    if let resume { return .linesBehind(try EarlierResults(resume)) }
    if format == .npy {
      return .array(try ids.map { path throws(BertError) in try RowsWriter(path: path) })
    }
    return format == nil && isatty(1) != 0 ? .terminal(isTyped: isTyped) : .lines
  }

  private static func verify(_ path: String) throws(BertError) {
    var bar = ProgressBar("verifying")
    defer { bar.finish() }
    try Model.verify(path: path) { bar.update($0, of: $1) }
    Console.note("\(path): every byte is as it was written")
  }
}
