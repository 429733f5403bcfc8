import BertErrors
import BertKernels
import BertModel

/// A BERT encoder in one precision, over weights used in place.
///
/// One encoder serves one caller at a time; its threads belong to the team it was given.
public final class Encoder {
  /// The encoder's sizes.
  public var configuration: BertConfiguration { weights.configuration }
  /// Its arithmetic.
  public var precision: Precision { weights.precision }
  /// The kernels it calls.
  public let kernels: KernelSet
  /// The threads it runs on.
  public let team: ThreadTeam
  /// The most tokens computed in one pass; longer batches take several, so this bounds the memory.
  public let tokenBudget: Int

  /// Sums up the time of each stage when set.
  public var clock: StageClock?

  let weights: EncoderWeights
  private var space: Workspace?
  private var longest = 0
  private let counters: [WorkCounter]
  private var verifiedRows: [Bool]

  /// A budget that keeps a pass of BERT-base under 20 MB.
  public static let defaultTokenBudget = 2048

  /// Loads an encoder; the weights it will use are verified now, embedding rows when looked up.
  ///
  /// - Parameter quantizes: which places of which layers the int8 path computes in int8; where it
  ///   says no, or the file has no int8 weights, they are computed in float32.
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` when the file does not
  ///   hold this precision.
  public init(
    source: any WeightSource, precision: Precision, kernels: KernelSet, team: ThreadTeam,
    tokenBudget: Int = Encoder.defaultTokenBudget,
    quantizes: (Int, QuantizedSite) -> Bool = { _, _ in true }
  ) throws(BertError) {
    weights = try EncoderWeights(source: source, precision: precision, quantizes: quantizes)
    self.kernels = kernels
    self.team = team
    self.tokenBudget = max(1, tokenBudget)
    counters = (0...(2 * weights.configuration.layerCount)).map { _ in WorkCounter() }
    verifiedRows = [Bool](repeating: false, count: weights.configuration.vocabularySize)
  }

  /// The hidden states of one pass: rows of `hiddenSize` floats, `stride` apart.
  public struct HiddenStates {
    /// The texts of the batch that this pass computed.
    public let texts: Range<Int>
    /// The tokens of the batch that this pass computed.
    public let tokens: Range<Int>
    /// The first token's row.
    public let values: UnsafePointer<Float>
    /// Floats from one row to the next.
    public let stride: Int

    /// The row of token `index` of the batch.
    public func row(_ index: Int) -> UnsafePointer<Float> {
      values + (index - tokens.lowerBound) * stride
    }
  }

  /// Runs the encoder over a batch and hands out the last layer's hidden states, pass by pass.
  ///
  /// Passes come in the order of the batch; the states are valid only during the call of `body`.
  public func encode(
    _ batch: TokenBatch, observer: (any EncoderObserver)? = nil,
    _ body: (HiddenStates) throws(BertError) -> Void
  ) throws(BertError) {
    var text = 0
    while text < batch.count {
      var end = text + 1
      let start = batch.starts[text]
      while end < batch.count, batch.starts[end + 1] - start <= tokenBudget { end += 1 }
      try pass(batch, text..<end, observer)
      guard let space else { return }
      try body(
        HiddenStates(
          texts: text..<end, tokens: start..<batch.starts[end], values: space.hidden.floats,
          stride: space.hiddenStride))
      text = end
    }
  }

  private func pass(
    _ batch: TokenBatch, _ texts: Range<Int>, _ observer: (any EncoderObserver)?
  ) throws(BertError) {
    let first = batch.starts[texts.lowerBound]
    let tokens = batch.starts[texts.upperBound] - first
    try verifyWords(batch.ids[first..<(first + tokens)])
    let starts = texts.map { batch.starts[$0] - first } + [tokens]
    let lengths = texts.map { batch.range($0).count }
    let space = workspace(tokens: tokens, longest: lengths.max() ?? 1)
    for counter in counters { counter.reset() }
    batch.ids.withUnsafeBufferPointer { ids in
      batch.types.withUnsafeBufferPointer { types in
        guard let ids = ids.baseAddress, let types = types.baseAddress else { return }
        let pass = ForwardPass(
          weights: weights, calls: kernels.calls, team: team, space: space, ids: ids + first,
          types: types + first, starts: starts,
          order: lengths.indices.sorted { (lengths[$0], $1) > (lengths[$1], $0) },
          positions: lengths.flatMap { 0..<Int32($0) },
          blocks: ForwardPass.blockCount(tokens: tokens, workers: team.count), counters: counters,
          observer: observer, clock: clock)
        team.run { pass.work($0) }
      }
    }
  }

  /// Checks the embedding rows of tokens that were not looked up before.
  private func verifyWords(_ ids: ArraySlice<Int32>) throws(BertError) {
    let rowBytes = configuration.hiddenSize * 4
    for id in ids where !verifiedRows[Int(id)] {
      let start = Int(id) * rowBytes
      try weights.source.verify(weights.word, bytes: start..<(start + rowBytes))
      verifiedRows[Int(id)] = true
    }
  }

  private func workspace(tokens: Int, longest needed: Int) -> Workspace {
    if let space, space.tokens >= tokens, longest >= needed { return space }
    longest = max(longest, needed)
    let made = Workspace(
      weights: weights, tokens: max(tokens, space?.tokens ?? 0), longest: longest,
      workers: team.count, kernels: kernels)
    space = made
    return made
  }
}
