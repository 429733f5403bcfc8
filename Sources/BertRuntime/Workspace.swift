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
  /// The hidden states as the query, key and value linear wants them: quantised rows and scales.
  let rows: AlignedBuffer
  let rowScales: AlignedBuffer
  let scratches: [WorkerScratch]

  init(
    weights: EncoderWeights, tokens: Int, longest: Int, workers: Int, kernels: KernelSet
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
    let rowBytes = weights.layers.map { $0[.queryKeyValue].rowBytes }.max() ?? 0
    rows = try memory(tokens * rowBytes)
    rowScales = try memory(4 * tokens)
    let groups = HeadGroups(c)
    scratches = try (0..<workers).map { [headTokens] _ throws(BertError) in
      try WorkerScratch(
        weights: weights, tokens: headTokens, longest: longest, groups: groups, kernels: kernels)
    }
  }

  /// Floats from one token's hidden state to the next.
  static func stride(_ c: BertConfiguration) -> Int {
    rowStride(bytes: 4 * roundUp(c.hiddenSize, to: 32)) / 4
  }
}

/// Workers, with memory that grows to the largest pass it has computed.
///
/// Safety: used by one pass at a time.
final class WorkerSpace: @unchecked Sendable {
  let workers: PassWorkers
  let shares: WorkShares
  private let weights: EncoderWeights
  private let kernels: KernelSet
  private var space: Workspace?
  /// Why a worker of its own could not compute a pass.
  var failure: BertError?

  init(_ workers: PassWorkers, weights: EncoderWeights, kernels: KernelSet) {
    self.workers = workers
    self.weights = weights
    self.kernels = kernels
    shares = WorkShares(stages: 2 * weights.configuration.layerCount + 1, workers: workers.count)
  }

  /// Memory for a pass over some texts of a batch.
  ///
  /// - Throws: `system` when there is none.
  func workspace(
    for batch: TokenBatch, _ texts: Range<Int>
  ) throws(BertError) -> Workspace {
    let tokens = batch.starts[texts.upperBound] - batch.starts[texts.lowerBound]
    let longest = texts.map { batch.range($0).count }.max() ?? 1
    if let space, space.tokens >= tokens, space.longest >= longest { return space }
    let made = try Workspace(
      weights: weights, tokens: max(tokens, space?.tokens ?? 0),
      longest: max(longest, space?.longest ?? 0), workers: workers.count, kernels: kernels)
    space = made
    return made
  }
}

/// What one worker needs for a block of rows and for a group of heads.
final class WorkerScratch {
  /// The most rows of a block: a multiple of every kernel's row tile, small enough that a block's
  /// widest float rows stay in a second-level cache.
  static let blockRows = Int(BK_BLOCK_ROWS)

  /// `[blockRows]` rows of the feed-forward block between its linears.
  let wide: AlignedBuffer
  let wideStride: Int
  /// Rows of a group's queries, keys and values, for a run of texts.
  let heads: AlignedBuffer
  let headStride: Int
  /// `[blockRows]` quantised rows of the deepest linear.
  let bytes: AlignedBuffer
  let scales: AlignedBuffer
  /// Some float rows, for quantising.
  let mixed: AlignedBuffer
  /// For the linear and attention kernels.
  let kernel: AlignedBuffer

  init(
    weights: EncoderWeights, tokens: Int, longest: Int, groups: HeadGroups, kernels: KernelSet
  ) throws(BertError) {
    func memory(_ bytes: Int) throws(BertError) -> AlignedBuffer {
      try AlignedBuffer(checkedBytes: bytes, for: "a thread that computes \(tokens) tokens")
    }
    let c = weights.configuration
    let calls = kernels.calls
    let steps = weights.layers.flatMap(\.linears)
    wideStride = rowStride(bytes: 4 * roundUp(max(c.hiddenSize, c.intermediateSize), to: 32)) / 4
    wide = try memory(4 * Self.blockRows * wideStride)
    headStride = rowStride(bytes: 4 * groups.width) / 4
    heads = try memory(4 * tokens * headStride)
    bytes = try memory(Self.blockRows * (steps.map(\.rowBytes).max() ?? 0))
    scales = try memory(4 * Self.blockRows)
    mixed = try memory(4 * BK_QUANTIZE_ROWS * wideStride)
    let kinds = Set(weights.layers.map(\.hasInt8Attention))
    var most = 0
    if kinds.contains(true) { most = max(most, calls.attend_s8_scratch(longest, c.headSize)) }
    if kinds.contains(false) { most = max(most, calls.attend_f32_scratch(longest, c.headSize)) }
    for layer in weights.layers {
      for site in LinearSite.allCases {
        guard case .int8(let linear, _) = layer[site] else { continue }
        let rows = site == .queryKeyValue ? tokens : Self.blockRows
        most = max(most, calls.linear_s8_scratch(rows, linear.groups))
      }
    }
    kernel = try memory(most)
  }
}
