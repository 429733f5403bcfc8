import BertEngine
import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// A model ready to answer one task in one precision.
struct Session {
  let model: ServedModel
  let precision: Precision
  let task: Task
  let kernels: KernelSet
  let encoder: Encoder
  let pooler: Pooler
  let normalizes: Bool
  let truncates: Bool

  init(
    model: ServedModel, precision: Precision, task: Task?, kernels: KernelSet, threads: Int,
    tokenBudget: Int?, truncates: Bool
  ) throws(BertError) {
    self.model = model
    self.precision = precision
    self.task = task ?? model.description.task
    self.kernels = kernels
    self.truncates = truncates
    guard [.embedding, .tokens, .pooled].contains(self.task) else {
      throw BertError(
        .unsupported,
        "the task '\(self.task.rawValue)' is not supported; ask for --task "
          + "embedding, tokens or pooled", file: model.file.path)
    }
    let pooling = self.task == .pooled ? .pooler : model.description.pooling
    normalizes = self.task == .embedding && model.description.normalizes
    pooler = try Pooler(pooling, source: model.file, kernels: kernels)
    encoder = try model.encoder(
      precision, kernels: kernels, team: ThreadTeam(count: threads), tokenBudget: tokenBudget)
  }
}
