import BertDrift
import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import ByteFiles

/// Measures how far both paths of a model lie apart on the texts that it answers.
package struct DriftRun {
  private let model: Model
  private let kernels: KernelSet
  private let meter: DriftMeter

  package init(
    _ model: Model, task: AnswerTask?, kernels: KernelSet, threads: Int, attributes: Bool,
    reference: String?
  ) throws(BertError) {
    let served = model.served
    for precision in [Precision.float32, .int8] where !served.holds(precision) {
      throw BertError(
        .unsupported,
        "drift needs both paths, and the file holds no \(precision.rawValue) "
          + "weights: convert it again with --weights both", file: served.file.path)
    }
    self.model = model
    self.kernels = kernels
    let description = served.description
    let task = task ?? AnswerTask(description.task)
    meter = try DriftMeter(
      source: served.file, kernels: kernels, team: ThreadTeam(count: threads),
      pooler: Pooler(
        task == .pooled ? EmbeddingRecipe(.pooler) : description.embedding, source: served.file,
        kernels: kernels), attributes: attributes,
      vectors: try reference.map { path throws(BertError) in
        let file = try FileMapping(path: path)
        return try ReferenceVectors(file.bytes, owner: file, name: path)
      })
  }

  /// Measures a batch of texts too.
  package func add(_ texts: [TextQuestion]) throws(BertError) {
    var batch = TokenBatch()
    for text in texts {
      try batch.append(
        ids: text.tokens.ids, types: text.tokens.types,
        for: model.served.description.configuration)
    }
    try meter.add(
      batch, labels: texts.map { String(decoding: $0.input.text, as: UTF8.self) },
      promptTokens: texts.map(\.tokens.promptTokens))
  }

  /// What the drift was.
  private func report() throws(BertError) -> DriftReport {
    try meter.report(
      settings: DriftReport.Settings(
        fingerprint: model.served.fingerprint(.int8) ?? "", model: model.served.file.path,
        kernels: kernels.name,
        quantizer: model.served.file.quantizer.map { (key: $0.key, value: $0.value) },
        date: Timestamp.now))
  }

  /// The kinds of report files, by the ends of their names.
  package static let reportSuffixes = [".json", ".html", ".md"]

  /// Shows the drift, writes the reports, and fails where the gate does.
  package func conclude(
    _ gate: DriftGate?, reports: [String], isQuiet: Bool
  ) throws(BertError) {
    let report = try report()
    let verdict = gate?.verdict(report)
    if !isQuiet { Console.note(report.summary(verdict: verdict)) }
    for path in reports {
      let text =
        if path.hasSuffix(".html") {
          DriftPage(report, verdict: verdict).html
        } else if path.hasSuffix(".md") {
          DriftMarkdown(report, verdict: verdict).text
        } else {
          report.json(verdict: verdict).text(pretty: true) + "\n"
        }
      try OutputFile.write(Array(text.utf8), to: path)
    }
    if let failures = verdict?.failures, !failures.isEmpty {
      throw BertError(.driftGate, "the drift gate failed: " + failures.joined(separator: "; "))
    }
  }
}
