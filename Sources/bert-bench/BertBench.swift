import ArgumentParser
import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import CommandSupport
import JSONText

extension Precision: ExpressibleByArgument {}

/// `bert-bench MODEL.bertq`.
@main
struct BertBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bert-bench",
    abstract: "Measures a .bertq model's speed, beside what this CPU can reach.",
    usage: "bert-bench <model> [<options>]",
    discussion: """
      Each round is measured beside a loop of multiply-adds in registers; the fraction says how \
      much of that ceiling the encoder's own multiply-adds reach.
      """,
    version: Release.name)

  @Argument(help: "The model.")
  var model: String

  @Option(parsing: .upToNextOption, help: "Precisions to measure (default: all the file holds).")
  var precision: [Precision] = []

  @Option(parsing: .upToNextOption, help: "Thread counts (default: 1 and this process's share).")
  var threads: [Int] = []

  @Option(parsing: .upToNextOption, help: "Cells as BATCHxLENGTH, or ragged.")
  var cells: [String] = ["1x16", "1x128", "1x512", "32x128", "ragged"]

  @Option(help: ArgumentHelp("Texts for the ragged cell, one a line.", valueName: "file"))
  var input: String?

  @Option(help: "Rounds of each cell.")
  var rounds = 9

  @Option(help: "Seconds of each round.")
  var seconds = 0.3

  @Option(help: "Force a kernel set.")
  var kernels: String?

  @Flag(help: "Write JSON instead of a table.")
  var json = false

  @Flag(help: "Show where the time goes.")
  var stages = false

  @Option(help: ArgumentHelp("Show ratios to an earlier --json.", valueName: "file"))
  var compare: String?

  @Option(
    help: ArgumentHelp(
      "Measure another model of the same sizes in turn with this one.", valueName: "model"))
  var against: String?

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
    if rounds < 1 { throw ValidationError("--rounds is \(rounds); it must be at least 1") }
    if !(seconds > 0 && seconds < 600) {
      throw ValidationError("--seconds is \(seconds); it must be above 0 and below 600")
    }
    for count in threads where !(1...CpuShare.limit).contains(count) {
      throw ValidationError("--threads is \(count); it must be from 1 to \(CpuShare.limit)")
    }
  }

  func run() {
    Console.run {
      let earlier = try compare.map { path throws(BertError) in try EarlierRun(path: path) }
      let kernels = try KernelSet.choose(kernels)
      let served = try ServedModel(path: model)
      if worker {
        var worker = try Worker(
          model: served, precision: precision[0], threads: threads[0], kernels: kernels)
        return try worker.serve()
      }
      let workloads = try workloads(served)
      let rival = try against.map { path throws(BertError) in try ServedModel(path: path) }
      if let rival { try requireSameSizes(rival, as: served) }
      let report = BenchReport(
        served: served, kernels: kernels, earlier: earlier, showsStages: stages,
        rival: rival?.file.path)
      for notice in try earlier?.differences(from: report.json([])) ?? [] {
        Console.note("note: \(notice)")
      }
      if !json { report.printHeader() }
      var done: [Cell] = []
      for threads in threadCounts {
        let team = ThreadTeam(count: threads)
        for precision in precisions(served) {
          let encoder = try served.encoder(precision, kernels: kernels, team: team)
          let other = try rival.map { model throws(BertError) in
            try model.encoder(precision, kernels: kernels, team: team)
          }
          let measurement = Measurement(
            encoder: encoder, rival: other, rounds: rounds, seconds: seconds)
          for workload in workloads {
            let cell = try measurement.run(workload)
            if !json { report.printRow(cell) }
            done.append(cell)
          }
        }
      }
      if json { print(report.json(done).text(pretty: true)) }
    }
  }

  private func requireSameSizes(_ rival: ServedModel, as model: ServedModel) throws(BertError) {
    guard rival.description.configuration == model.description.configuration else {
      throw BertError(
        .usage, "--against wants a model of the same sizes as \(model.file.path)",
        file: rival.file.path)
    }
  }

  private var threadCounts: [Int] {
    if !threads.isEmpty { return threads }
    return CpuShare.threads > 1 ? [1, CpuShare.threads] : [1]
  }

  private func precisions(_ model: ServedModel) -> [Precision] {
    precision.isEmpty ? [.int8, .float32].filter { model.holds($0) } : precision
  }

  private func workloads(_ model: ServedModel) throws(BertError) -> [Workload] {
    let c = model.description.configuration
    var list: [Workload] = []
    for cell in cells {
      if cell == "ragged" {
        if let input {
          list.append(try Workload.ragged(model, file: input))
        } else {
          list.append(try Workload.ragged(c))
        }
        continue
      }
      let parts = cell.split(separator: "x", omittingEmptySubsequences: false)
      let sizes = parts.compactMap { Int($0) }
      guard parts.count == 2, sizes.count == 2, sizes[0] > 0, sizes[1] > 0, sizes[0] <= 4096 else {
        throw BertError(.usage, "'\(cell)' is no cell; expected BATCHxLENGTH or ragged")
      }
      if sizes[1] > c.maximumPositions {
        Console.note(
          "note: \(cell) left out: the model has \(c.maximumPositions) positions")
        continue
      }
      list.append(try Workload.grid(batch: sizes[0], length: sizes[1], c))
    }
    if list.isEmpty {
      throw BertError(
        .usage, "no cell is left to measure: name shorter ones with --cells", file: model.file.path)
    }
    return list
  }
}
