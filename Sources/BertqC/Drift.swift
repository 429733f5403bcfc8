import BertDrift
import BertKernels
import BertModel
import BertRuntime
import Bertq
import CBertq
import JSONText

@_cdecl("bertq_drift")
package func bertqDrift(
  _ pointer: OpaquePointer?, _ input: UnsafePointer<bertq_input>?, _ truncates: Int32,
  _ attributes: Int32, _ requirements: UnsafePointer<CChar>?,
  _ json: UnsafeMutablePointer<OpaquePointer?>?, _ place: UnsafeMutablePointer<bertq_error>?
) -> Int32 {
  var failed: Int?
  do throws(BertError) {
    json?.pointee = nil
    var gate = DriftGate()
    if let list = try text(requirements, "the list of thresholds") {
      try gate.add(ThresholdText.read(list: list))
    }
    let report = try drift(
      try model(pointer), Inputs(input), truncates: flag(truncates, "truncates"),
      attributes: flag(attributes, "attributes"), failed: &failed)
    let verdict = gate.requirements.isEmpty ? nil : gate.verdict(report)
    json?.pointee = OwnedText.give(report.json(verdict: verdict))
    if let failures = verdict?.failures, !failures.isEmpty {
      throw BertError(.driftGate, "the drift gate failed: " + failures.joined(separator: "; "))
    }
    return BertqCode.done
  } catch {
    return report(error, ofText: failed, to: place)
  }
}

/// Measures; `failed` is the text that an error concerns.
private func drift(
  _ model: Model, _ inputs: Inputs, truncates: Bool, attributes: Bool, failed: inout Int?
) throws(BertError) -> DriftReport {
  let (served, kernels) = (model.served, model.kernels)
  for precision in [Precision.float32, .int8] where !served.holds(precision) {
    throw BertError(
      .unsupported,
      "drift needs both paths, and the file holds no \(precision.rawValue) weights",
      file: served.file.path, remedy: .storeBothPrecisions)
  }
  // What was not measured must look neither good nor bad.
  if inputs.count == 0 { throw BertError(.usage, "there are no texts to measure the drift on") }
  let meter = try DriftMeter(
    source: served.file, kernels: kernels, team: ThreadTeam(count: model.threads),
    pooler: Pooler(served.description.embedding, source: served.file, kernels: kernels),
    attributes: attributes)
  // As `bert-run` asks a file of its own task.
  let hasDefaultPrompt = AnswerTask(served.description.task).hasDefaultPrompt
  var (batch, labels, prompts) = (TokenBatch(), [String](), [Int]())
  for index in 0..<inputs.count {
    failed = index
    let tokens = try model.tokenize(
      inputs[index], truncates: truncates, defaultPrompt: hasDefaultPrompt)
    try batch.append(
      ids: tokens.ids, types: tokens.types, for: served.description.configuration)
    failed = nil
    prompts.append(tokens.promptTokens)
    labels.append(inputs.label(index))
    if batch.tokenCount >= DriftMeter.tokenBudget || index == inputs.count - 1 {
      try meter.add(batch, labels: labels, promptTokens: prompts)
      (batch, labels, prompts) = (TokenBatch(), [], [])
    }
  }
  return try meter.report(
    settings: DriftReport.Settings(
      fingerprint: served.fingerprint(.int8) ?? "", model: served.file.path, kernels: kernels.name,
      quantizer: served.file.quantizer.map { (key: $0.key, value: $0.value) }, date: ""))
}
