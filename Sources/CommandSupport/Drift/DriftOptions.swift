import ArgumentParser
import BertDrift
import BertErrors
import ByteFiles

/// What `bert-run` is told about the drift.
package struct DriftOptions: ParsableArguments {
  @Flag(help: "Run the other path too and report the drift.")
  package var drift = false

  @Option(
    name: .customLong("drift-report"),
    help: ArgumentHelp(
      "Write the drift report, with what causes it, as .json, .html or .md.", valueName: "file"),
    completion: .file())
  package var reports: [String] = []

  @Option(help: "Fail with exit code 3 unless the drift keeps to NAME=NUMBER,...")
  package var require: String?

  @Option(
    help: ArgumentHelp("Read such thresholds from a .json or .toml file.", valueName: "file"),
    completion: .file(extensions: ["json", "toml"]))
  package var requireFile: String?

  @Option(
    help: ArgumentHelp(
      "Compare both paths with another program's vectors too: a .npy file, a row for each text.",
      valueName: "file"), completion: .file(extensions: ["npy"]))
  package var reference: String?

  package init() {}

  package func validate() throws {
    for path in reports where !DriftRun.reportSuffixes.contains(where: path.hasSuffix) {
      throw ValidationError("--drift-report takes file names that end in .json, .html or .md")
    }
  }

  package var isMeasured: Bool {
    drift || !reports.isEmpty || require != nil || requireFile != nil
      || reference != nil
  }

  package func gate() throws(BertError) -> DriftGate? {
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
}
