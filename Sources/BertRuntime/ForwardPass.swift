import BertErrors
import BertKernels
import BertModel

/// Watches a forward pass.
///
/// Workers call it for disjoint rows of the pass and at the same time, so both functions must be safe
/// to call from several threads. What they are given is valid during the call only.
package protocol EncoderObserver: AnyObject {
  /// The hidden states after `layer`; -1 stands for the embeddings.
  func hidden(layer: Int, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int)
  /// The float rows that go into a linear.
  func input(
    layer: Int, site: LinearSite, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int)
}

/// Some texts of a batch, and where their hidden states are.
struct PassInput {
  let batch: TokenBatch
  let texts: Range<Int>
  /// The first token's state; rows are `Workspace.stride` floats apart.
  let states: UnsafeMutablePointer<Float>
  /// Whether the embeddings are still to be put there.
  let embeds: Bool
  /// The rows that the last layer computes; nil for all.
  var selection: RowSelection?

  /// The tokens of the batch.
  var tokens: Range<Int> { batch.range(texts) }
}

/// One run of the encoder over the texts of one input.
///
/// Every worker runs `work`, each once and all at the same time. A layer has two stages with a barrier
/// after each: groups of heads over runs of texts (queries, keys, values, attention), then blocks of
/// rows (everything else). Within a stage each row, and each head of each text, belongs to one worker,
/// and what is computed for it reads nothing of any other text: so results do not depend on the number
/// of workers or on the batch.
struct ForwardPass {
  let input: PassInput
  let weights: EncoderWeights
  let calls: bk_kernels
  let workers: PassWorkers
  let shares: WorkShares
  let space: Workspace
  let observer: (any EncoderObserver)?
  let clock: StageClock?

  /// Where each text starts within the pass, and behind the last where it ends.
  let starts: [Int]
  /// Each token's row of the position table: its place in its text, or 0 where there is no such table.
  let positions: [Int32]
  /// Texts of the pass whose heads are computed together: as many as fit a worker's scratch.
  let runs: [Range<Int>]

  /// Prepares a pass in the memory of its workers.
  ///
  /// - Throws: `system` when there is no memory for it.
  init(
    _ input: PassInput, in workers: WorkerSpace, observer: (any EncoderObserver)? = nil,
    clock: StageClock? = nil
  ) throws(BertError) {
    self.input = input
    weights = workers.weights
    calls = workers.kernels.calls
    self.workers = workers.workers
    shares = workers.shares
    space = try workers.workspace(for: input)
    self.observer = observer
    self.clock = clock
    let batch = input.batch
    let texts = input.texts
    let tokens = input.tokens
    starts = (texts.lowerBound...texts.upperBound).map { batch.starts[$0] - tokens.lowerBound }
    positions =
      weights.configuration.lacksPositions
      ? [Int32](repeating: 0, count: tokens.count)
      : texts.flatMap { 0..<Int32(batch.range($0).count) }
    runs = batch.runs(of: texts, tokens: space.headTokens).map {
      ($0.lowerBound - texts.lowerBound)..<($0.upperBound - texts.lowerBound)
    }
    shares.reset()
  }

  /// Worker `worker` of the pass's part.
  func work(_ worker: Int) { PassWorker(self, worker).work() }

  /// The hidden state of a row of the pass.
  func hidden(_ row: Int) -> UnsafeMutablePointer<Float> { input.states + row * space.stride }

  /// The norm of a row's hidden state, where a block reads that; rows are those of the pass or of a selection.
  func normalised(_ row: Int) -> UnsafeMutablePointer<Float> {
    space.normalised.floats + row * space.stride
  }

  /// Attention's output for a row of the pass.
  func context(_ row: Int) -> UnsafeMutablePointer<Float> {
    space.context.floats + row * space.stride
  }
}
