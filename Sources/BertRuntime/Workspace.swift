import BertErrors
import BertKernels
import BertModel

/// The memory of a pass's workers for passes over up to `tokens` tokens, besides their hidden states.
final class Workspace {
  let tokens: Int
  let longest: Int
  /// Tokens of which a worker holds queries, keys and values at once.
  let headTokens: Int
  /// Floats from one row to the next: at least a whole number of panels.
  let stride: Int
  /// Attention's output, `[tokens][stride]`.
  let context: AlignedBuffer
  /// Norms of hidden states that stay as they are, `[tokens][stride]`; empty where there are none.
  let normalised: AlignedBuffer
  /// The hidden states as the query, key and value linear wants them: quantised rows and scales.
  let rows: AlignedBuffer
  let rowScales: AlignedBuffer
  let scratches: [WorkerScratch]

  init(
    _ weights: EncoderWeights, _ kernels: KernelSet, tokens: Int, longest: Int, workers: Int
  ) throws(BertError) {
    let c = weights.configuration
    self.tokens = tokens
    self.longest = longest
    headTokens = min(tokens, max(BatchPlan.passTokens(c), longest))
    stride = Self.stride(c)
    func memory(_ bytes: Int) throws(BertError) -> AlignedBuffer {
      try AlignedBuffer(checkedBytes: bytes, for: "computing \(tokens) tokens at once")
    }
    context = try memory(4 * tokens * stride)
    normalised = try memory(c.normalizesFirst ? 4 * tokens * stride : 0)
    let rowBytes = weights.layers.map { $0[.queryKeyValue].rowBytes }.max() ?? 0
    rows = try memory(tokens * rowBytes)
    rowScales = try memory(4 * tokens)
    scratches = try (0..<workers).map { [headTokens] _ throws(BertError) in
      try WorkerScratch(weights, kernels, tokens: headTokens, longest: longest)
    }
  }

  /// Floats from one token's hidden state to the next.
  static func stride(_ c: BertConfiguration) -> Int {
    rowStride(bytes: 4 * roundUp(c.hiddenSize, to: BK_PANEL)) / 4
  }
}

/// Who computes a pass: all workers of a team, or one of them alone.
struct PassWorkers {
  /// Nil for a single worker, which waits for nobody.
  let team: ThreadTeam?
  /// The team's index of the pass's first worker, for the clock.
  let first: Int

  var count: Int { team?.count ?? 1 }
}

/// Workers, with memory that grows to the largest pass they have computed.
///
/// Safety: one pass at a time, which one thread prepares before its workers begin.
final class WorkerSpace: @unchecked Sendable {
  let workers: PassWorkers
  let shares: WorkShares
  let weights: EncoderWeights
  let kernels: KernelSet
  private var space: Workspace?
  /// Why a worker of its own could not compute a pass.
  var failure: BertError?

  init(_ workers: PassWorkers, weights: EncoderWeights, kernels: KernelSet) {
    self.workers = workers
    self.weights = weights
    self.kernels = kernels
    shares = WorkShares(stages: 2 * weights.configuration.layerCount + 1, workers: workers.count)
  }

  /// Memory for a pass.
  ///
  /// - Throws: `system` when there is none.
  func workspace(for input: PassInput) throws(BertError) -> Workspace {
    let tokens = input.tokens.count
    let longest = input.texts.map { input.batch.range($0).count }.max() ?? 1
    if let space, space.tokens >= tokens, space.longest >= longest { return space }
    let made = try Workspace(
      weights, kernels, tokens: max(tokens, space?.tokens ?? 0),
      longest: max(longest, space?.longest ?? 0), workers: workers.count)
    space = made
    return made
  }
}

/// What one worker needs for a block of rows and for a group of heads.
final class WorkerScratch {
  /// The most rows of a block: a multiple of every kernel's row tile, small enough that a block's
  /// widest float rows stay in a second-level cache.
  static let blockRows = Int(BK_BLOCK_ROWS)

  /// `[blockRows]` rows of the feed-forward block between its linears, or of embeddings before their linear.
  let wide: AlignedBuffer
  let wideStride: Int
  /// `[blockRows]` hidden states, where only some rows of a text are computed.
  let selected: AlignedBuffer
  /// Rows of a group's queries, keys and values, for a run of texts.
  let heads: AlignedBuffer
  let headStride: Int
  /// `[blockRows]` quantised rows of the deepest linear.
  let bytes: AlignedBuffer
  let scales: AlignedBuffer
  /// Some float rows, for quantising.
  let rotated: AlignedBuffer
  /// For the linear and attention kernels.
  let kernel: AlignedBuffer
  /// For the terms of scores by distance; empty where there are none.
  let relative: AlignedBuffer

  init(
    _ weights: EncoderWeights, _ kernels: KernelSet, tokens: Int, longest: Int
  ) throws(BertError) {
    func memory(_ bytes: Int) throws(BertError) -> AlignedBuffer {
      try AlignedBuffer(checkedBytes: bytes, for: "a thread that computes \(tokens) tokens")
    }
    let c = weights.configuration
    let calls = kernels.calls
    let steps = weights.layers.flatMap(\.linears)
    let widest = roundUp(
      max(c.hiddenSize, c.embeddingWidth, LinearSite.feedForwardUp.outputs(c)), to: BK_PANEL)
    wideStride = rowStride(bytes: 4 * widest) / 4
    wide = try memory(4 * Self.blockRows * wideStride)
    selected = try memory(4 * Self.blockRows * Workspace.stride(c))
    headStride = rowStride(bytes: 4 * weights.heads.width) / 4
    heads = try memory(4 * tokens * headStride)
    bytes = try memory(Self.blockRows * (steps.map(\.rowBytes).max() ?? 0))
    scales = try memory(4 * Self.blockRows)
    rotated = try memory(4 * BK_QUANTIZE_ROWS * wideStride)
    let kinds = Set(weights.layers.map(\.hasInt8Attention))
    var most = 0
    if kinds.contains(true) { most = max(most, calls.attend_s8_scratch(longest, c.headSize)) }
    if kinds.contains(false) { most = max(most, calls.attend_f32_scratch(longest, c.headSize)) }
    for layer in weights.layers {
      for site in LinearSite.allCases {
        guard case .int8(let linear, _) = layer[site].arithmetic else { continue }
        let rows = site == .queryKeyValue ? tokens : Self.blockRows
        most = max(most, calls.linear_s8_scratch(rows, linear.groups))
      }
    }
    kernel = try memory(most)
    relative = try memory(c.relative == nil ? 0 : calls.relative_scratch(longest, c.headSize))
  }
}
