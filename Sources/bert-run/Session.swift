import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq

/// A model ready to answer one task in one precision.
struct Session {
  let model: ServedModel
  let precision: Precision
  let task: ModelTask
  let kernels: KernelSet
  let encoder: BertEncoder
  let normalizes: Bool
  let truncates: Bool

  /// What can be answered: a head's scores are measured for drift only.
  static let tasks: [ModelTask] = [.embedding, .tokens, .pooled]

  init(
    model: ServedModel, precision: Precision, task: ModelTask?, kernels: KernelSet, threads: Int,
    tokenBudget: Int?, truncates: Bool
  ) throws(BertError) {
    self.model = model
    self.precision = precision
    self.task = task ?? model.description.task
    self.kernels = kernels
    self.truncates = truncates
    guard Self.tasks.contains(self.task) else {
      throw BertError(
        .unsupported,
        "the task '\(self.task.rawValue)' is not supported; ask for --task "
          + "embedding, tokens or pooled", file: model.file.path)
    }
    normalizes = self.task == .embedding && model.description.normalizes
    encoder = try model.encoder(
      precision, kernels: kernels, team: ThreadTeam(count: threads), tokenBudget: tokenBudget)
  }

  /// What makes one vector of a text.
  ///
  /// - Throws: `unsupported` when that takes a pooler and the model has none.
  func pooler() throws(BertError) -> Pooler {
    try Pooler(pooling, source: model.file, kernels: kernels)
  }

  private var pooling: Pooling { task == .pooled ? .pooler : model.description.pooling }

  /// The hidden states of a text that the task reads.
  var wanted: WantedRows { task == .tokens ? .all : pooling.wanted }
}
