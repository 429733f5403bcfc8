import ArgumentParser
import BertDrift
import BertErrors
import ByteFiles
import CommandSupport

/// What `bert-run` is told about the drift.
struct DriftOptions: ParsableArguments {
  @Flag(help: "Run the other path too and report the drift.")
  var drift = false

  @Option(
    name: .customLong("drift-report"),
    help: ArgumentHelp(
      "Write the drift report, with what causes it, as .json or .html.", valueName: "file"),
    completion: .file())
  var reports: [String] = []

  @Option(help: "Fail with exit code 3 unless the drift keeps to NAME=NUMBER,...")
  var require: String?

  @Option(
    help: ArgumentHelp("Read such thresholds from a .json or .toml file.", valueName: "file"),
    completion: .file(extensions: ["json", "toml"]))
  var requireFile: String?

  func validate() throws {
    for path in reports where !path.hasSuffix(".json") && !path.hasSuffix(".html") {
      throw ValidationError("--drift-report takes file names that end in .json or .html")
    }
  }

  var isMeasured: Bool {
    drift || !reports.isEmpty || require != nil || requireFile != nil
  }

  func gate() throws(BertError) -> DriftGate? {
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

  /// Shows and writes the drift and applies the gate.
  func conclude(_ report: DriftReport, _ gate: DriftGate?) throws(BertError) {
    Console.note(report.summary)
    let failures = gate?.failures(report)
    for path in reports {
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
