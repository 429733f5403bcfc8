import BertDrift
import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import CommandSupport

/// Measures how far both paths of a model lie apart on the texts that it answers.
struct DriftRun {
  private let model: Model
  private let kernels: KernelSet
  private let meter: DriftMeter

  init(
    _ model: Model, task: AnswerTask?, kernels: KernelSet, threads: Int, attributes: Bool
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
        kernels: kernels), attributes: attributes)
  }

  /// Measures a batch of texts too.
  func add(_ texts: [TextQuestion]) throws(BertError) {
    var batch = TokenBatch()
    for text in texts {
      try batch.append(
        ids: text.tokens.ids, types: text.tokens.types,
        for: model.served.description.configuration)
    }
    try meter.add(
      batch, labels: texts.map { String(decoding: $0.input.text, as: UTF8.self) })
  }

  /// What the drift was.
  func report() throws(BertError) -> DriftReport {
    try meter.report(
      settings: DriftReport.Settings(
        fingerprint: model.served.fingerprint(.int8) ?? "", model: model.served.file.path,
        kernels: kernels.name,
        quantizer: model.served.file.quantizer.map { (key: $0.key, value: $0.value) },
        date: Timestamp.now))
  }
}
