import BertKernels
import BertModel

/// The memory of one forward pass over up to `tokens` tokens, and one scratch a worker.
final class Workspace {
  let tokens: Int
  /// Rows of each float matrix are a whole number of panels apart.
  let hiddenStride: Int
  let hidden: AlignedBuffer
  let context: AlignedBuffer
  /// Query, key and value of every token: int8 slices, or floats.
  let heads: AlignedBuffer
  /// Bytes of a token's slices.
  let int8HeadBytes: Int
  /// Floats of a token's query, key and value.
  let floatHeadStride: Int
  let headScales: AlignedBuffer
  let scratches: [WorkerScratch]

  init(weights: EncoderWeights, tokens: Int, longest: Int, workers: Int, kernels: KernelSet) {
    let c = weights.configuration
    self.tokens = tokens
    hiddenStride = roundUp(c.hiddenSize, to: 32)
    hidden = AlignedBuffer(floats: tokens * hiddenStride)
    context = AlignedBuffer(floats: tokens * hiddenStride)
    int8HeadBytes = 3 * c.headCount * roundUp(c.headSize, to: 4)
    floatHeadStride = roundUp(3 * c.hiddenSize, to: 32)
    let kinds = Set(weights.layers.map(\.hasInt8Attention))
    heads = AlignedBuffer(
      bytes: tokens
        * max(
          kinds.contains(true) ? int8HeadBytes : 0, kinds.contains(false) ? floatHeadStride * 4 : 0)
    )
    headScales = AlignedBuffer(floats: kinds.contains(true) ? tokens * 3 * c.headCount : 0)
    scratches = (0..<workers).map {
      WorkerScratch(worker: $0, weights: weights, longest: longest, kernels: kernels)
    }
  }
}

/// What one worker needs for a block of rows and for one attention head.
final class WorkerScratch {
  /// The most rows of a block: a multiple of every kernel's row tile, small enough that a block's
  /// widest float rows stay in a second-level cache.
  static let blockRows = 48

  let worker: Int
  /// [blockRows] rows of the widest float matrix between two linears.
  let wide: AlignedBuffer
  let wideStride: Int
  /// [blockRows] quantised rows of the deepest linear.
  let bytes: AlignedBuffer
  let scales: AlignedBuffer
  /// One float row, for quantising.
  let row: AlignedBuffer
  /// For the linear and attention kernels.
  let kernel: AlignedBuffer

  init(worker: Int, weights: EncoderWeights, longest: Int, kernels: KernelSet) {
    self.worker = worker
    let c = weights.configuration
    let calls = kernels.calls
    let steps = weights.layers.flatMap(\.linears)
    wideStride = roundUp(max(3 * c.hiddenSize, c.intermediateSize), to: 32)
    wide = AlignedBuffer(floats: Self.blockRows * wideStride)
    bytes = AlignedBuffer(bytes: Self.blockRows * (steps.map(\.rowBytes).max() ?? 0))
    scales = AlignedBuffer(bytes: Self.blockRows * MemoryLayout<bk_row_scale>.stride)
    row = AlignedBuffer(floats: wideStride)
    var most = max(
      calls.attend_s8_scratch(longest, c.headSize), calls.attend_f32_scratch(longest, c.headSize))
    for step in steps {
      if case .int8(let linear, _) = step {
        most = max(most, calls.linear_s8_scratch(Self.blockRows, linear.groups))
      }
    }
    kernel = AlignedBuffer(bytes: most)
  }
}
