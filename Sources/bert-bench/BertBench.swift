import ArgumentParser
import BertBench
import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import CommandSupport

extension Precision: ExpressibleByArgument {}
extension BenchRows: ExpressibleByArgument {}

/// `bert-bench MODEL.bertq`.
@main
struct BertBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bert-bench",
    abstract: "Measures a .bertq model's speed, beside what this CPU can reach.",
    usage: "bert-bench <model> [<options>]",
    discussion: """
      Each round is measured beside a loop of multiply-adds in registers; the fraction says how \
      much of that ceiling the encoder's own multiply-adds reach.

      When other programs take the cores, it says so: such figures say little.

      With --check each kernel set first shows that it computes on this CPU what all others do; \
      no model is needed for that.
      """,
    version: Release.name)

  @Argument(help: "The model.", completion: .file(extensions: ["bertq"]))
  var model: String?

  @Option(parsing: .upToNextOption, help: "Precisions to measure (default: all the file holds).")
  var precision: [Precision] = []

  @Option(parsing: .upToNextOption, help: "Thread counts (default: 1 and this process's share).")
  var threads: [Int] = []

  @Option(parsing: .upToNextOption, help: "Cells as BATCHxLENGTH, or ragged.")
  var cells: [String] = ["1x16", "1x128", "1x512", "32x128", "ragged"]

  @Option(
    help: ArgumentHelp(
      "Which last hidden states are wanted: all, or the first, as CLS pooling and classifiers do.",
      valueName: "rows"))
  var rows = BenchRows.all

  @Option(
    help: ArgumentHelp("Texts for the ragged cell, one a line.", valueName: "file"),
    completion: .file())
  var input: String?

  @Option(help: "Rounds of each cell.")
  var rounds = 9

  @Option(help: "Seconds of each round.")
  var seconds = 0.3

  @Option(help: "Force a kernel set.", completion: .list(KernelSet.all.map(\.name)))
  var kernels: String?

  @Flag(help: "Write JSON instead of a table.")
  var json = false

  @Flag(help: "Show where the time goes.")
  var stages = false

  @Option(
    help: ArgumentHelp("Show ratios to an earlier --json.", valueName: "file"),
    completion: .file())
  var compare: String?

  @Option(
    help: ArgumentHelp(
      "Measure another model of the same sizes in turn with this one.", valueName: "model"),
    completion: .file(extensions: ["bertq"]))
  var against: String?

  @Option(
    help: ArgumentHelp(
      "Measure the library instead: so many callers with one text a call, and a query beside a bulk job.",
      valueName: "number"))
  var callers: Int?

  @Flag(help: "Check the results of every kernel set that this CPU runs.")
  var check = false

  @Flag(help: "Answer requests on standard input (tools/peers/README.md).")
  var worker = false

  static func main() {
    Console.begin("bert-bench")
    start()
  }

  func validate() throws {
    if worker && (precision.count != 1 || threads.count != 1) {
      throw ValidationError("--worker takes one --precision and one --threads")
    }
    if model == nil && !check { throw ValidationError("Missing expected argument '<model>'") }
    if rounds < 1 { throw ValidationError("--rounds is \(rounds); it must be at least 1") }
    if !(seconds > 0 && seconds < 600) {
      throw ValidationError("--seconds is \(seconds); it must be above 0 and below 600")
    }
    if let callers, !(1...1024).contains(callers) {
      throw ValidationError("--callers is \(callers); it must be from 1 to 1024")
    }
    for count in threads where !(1...CpuShare.limit).contains(count) {
      throw ValidationError("--threads is \(count); it must be from 1 to \(CpuShare.limit)")
    }
  }

  func run() {
    Console.run {
      try RawArguments.requireUTF8([model, input, compare, against])
      let digests = check ? KernelDigest.each(of: KernelSet.available) : []
      if !json { for digest in digests { Console.printNow(digest.line) } }
      if let model {
        try measure(model, digests)
      } else if json {
        print(Machine.report(digests).text(pretty: true))
      }
      if !digests.allSatisfy(\.isRight) {
        throw BertError(.system, "a kernel set does not compute on this CPU what all others do")
      }
    }
  }

  private func measure(_ model: String, _ digests: [KernelDigest]) throws(BertError) {
    let earlier = try compare.map { path throws(BertError) in try EarlierRun(path: path) }
    let kernels = try KernelSet.choose(kernels)
    let served = try ModelArgument.open(model)
    if worker {
      var worker = try Worker(
        model: served, precision: precision[0], threads: threads[0], kernels: kernels)
      return try worker.serve { Console.printNow($0) }
    }
    let rival = try against.map { path throws(BertError) in try ServedModel(path: path) }
    var run = try BenchRun(served: served, rival: rival, kernels: kernels)
    run.precisions = precision
    run.threads = threads
    run.rounds = rounds
    run.seconds = seconds
    run.rows = rows
    if let callers {
      let load = CallerRun(run)
      let report = CallerReport(
        try load.throughput(callers: callers), try load.queryLatency())
      return print(json ? report.json.text(pretty: true) : report.lines)
    }
    let workloads = try run.workloads(cells, input: input) { Console.note("note: \($0)") }
    let report = BenchReport(
      served: served, kernels: kernels, earlier: earlier, showsStages: stages,
      rival: rival?.file.path)
    for notice in try earlier?.differences(from: report.json([])) ?? [] {
      Console.note("note: \(notice)")
    }
    if !json { Console.printNow(report.header) }
    let done = try run.perform(workloads) { if !json { Console.printNow(report.row($0)) } }
    if let disturbed = done.min(by: { $0.share < $1.share })?.disturbance {
      Console.note("note: \(disturbed)")
    }
    if json { print(report.json(done, digests: digests).text(pretty: true)) }
  }
}
