import BertErrors
import BertKernels
import BertModel

/// A BERT encoder in one precision, over weights used in place.
///
/// For one caller at a time: it is not `Sendable`, and whoever shares one must lock it, and its team too,
/// which others may use between its calls but not during one. Several encoders may share weights and run
/// at the same time, each on a team of its own.
package final class BertEncoder {
  /// The encoder's sizes.
  package var configuration: BertConfiguration { weights.configuration }
  /// Its arithmetic.
  package var precision: Precision { weights.precision }
  /// The kernels it calls.
  package let kernels: KernelSet
  /// The threads it runs on.
  package let team: ThreadTeam
  /// The most tokens computed at once; longer batches take several rounds, so this bounds the memory.
  package let tokenBudget: Int

  /// Sums up the time of each stage when set.
  package var clock: StageClock?

  let weights: EncoderWeights
  private let plan: BatchPlan
  /// The hidden states of a round.
  private var states = AlignedBuffer(bytes: 0)
  private let together: WorkerSpace
  private let apart: [WorkerSpace]
  private var verifiedRows: [Bool]

  /// Enough tokens for each of several workers to have several passes of its own.
  package static func defaultTokenBudget(_ c: BertConfiguration, threads: Int) -> Int {
    let pass = BatchPlan.passTokens(c)
    return threads == 1 ? pass : 8 * threads * pass
  }

  /// Loads an encoder; the weights it will use are verified now, embedding rows when looked up.
  ///
  /// - Parameter quantizes: which places of which layers the int8 path computes in int8; where it
  ///   says no, or the file has no int8 weights, they are computed in float32.
  /// - Throws: `malformed` for missing or damaged tensors, `unsupported` when the file does not
  ///   hold this precision.
  package convenience init(
    source: any WeightSource, precision: Precision, kernels: KernelSet, team: ThreadTeam,
    tokenBudget: Int? = nil,
    quantizes: (Int, QuantizedSite) -> Bool = { _, _ in true }
  ) throws(BertError) {
    self.init(
      weights: try EncoderWeights(source: source, precision: precision, quantizes: quantizes),
      kernels: kernels, team: team, tokenBudget: tokenBudget)
  }

  /// An encoder over weights that others may use too.
  init(weights: EncoderWeights, kernels: KernelSet, team: ThreadTeam, tokenBudget: Int? = nil) {
    self.weights = weights
    self.kernels = kernels
    self.team = team
    self.tokenBudget = max(
      1,
      tokenBudget
        ?? Self.defaultTokenBudget(weights.configuration, threads: team.count))
    plan = BatchPlan(
      configuration: weights.configuration, workers: team.count, tokenBudget: self.tokenBudget)
    together = WorkerSpace(
      PassWorkers(team: team.count > 1 ? team : nil, first: 0), weights: weights, kernels: kernels)
    let everyone = team.count > 1 ? team.count : 0
    apart = (0..<everyone).map { [weights] worker in
      WorkerSpace(PassWorkers(team: nil, first: worker), weights: weights, kernels: kernels)
    }
    verifiedRows = [Bool](repeating: false, count: weights.configuration.vocabularySize)
  }

  /// The hidden states of one round: rows of `hiddenSize` floats, `stride` apart.
  ///
  /// Valid only during the call that hands them out; any number of threads may read them there.
  package struct HiddenStates {
    /// The texts of the batch that this round computed.
    package let texts: Range<Int>
    /// The tokens of those texts.
    package let tokens: Range<Int>
    /// Which of them have a state; nil when all do.
    fileprivate let present: [Bool]?
    /// The first token's row.
    package let values: UnsafePointer<Float>
    /// Floats from one row to the next.
    package let stride: Int

    /// The row of token `index` of the batch, one of those that the batch wants.
    package func row(_ index: Int) -> UnsafePointer<Float> {
      let place = index - tokens.lowerBound
      precondition(present?[place] ?? true, "token \(index)'s state was not asked for")
      return values + place * stride
    }
  }

  /// Runs the encoder over a batch and hands out the last layer's hidden states that it wants, round by
  /// round.
  ///
  /// Rounds come in the order of the batch; the states are valid only during the call of `body`. An
  /// observer is told of each round as of one pass, and counts rows from the round's first token; with
  /// one, all rows are computed.
  package func encode(
    _ batch: TokenBatch, observer: (any EncoderObserver)? = nil,
    _ body: (HiddenStates) throws(BertError) -> Void
  ) throws(BertError) {
    var text = 0
    while text < batch.count {
      let round = plan.round(batch, from: text, staysTogether: observer != nil)
      let texts = round.texts
      let tokens = batch.range(texts)
      try verifyWords(batch.ids[tokens])
      let stride = Workspace.stride(configuration)
      if states.count < tokens.count * stride * 4 {
        states = AlignedBuffer(bytes: 0)
        states = try AlignedBuffer(
          checkedFloats: tokens.count * stride, for: "the states of \(tokens.count) tokens")
      }
      try compute(batch, round, observer)
      let selection = observer == nil ? RowSelection(batch, texts) : nil
      try body(
        HiddenStates(
          texts: texts, tokens: tokens, present: selection?.present(among: tokens.count),
          values: states.floats, stride: stride))
      text = texts.upperBound
    }
  }

  private func compute(
    _ batch: TokenBatch, _ round: BatchRound, _ observer: (any EncoderObserver)?
  ) throws(BertError) {
    let start = batch.starts[round.texts.lowerBound]
    let stride = Workspace.stride(configuration)
    func pass(_ texts: Range<Int>, in space: WorkerSpace) throws(BertError) -> ForwardPass {
      let input = PassInput(
        batch: batch, texts: texts,
        states: states.floats + (batch.starts[texts.lowerBound] - start) * stride, embeds: true,
        selection: observer == nil ? RowSelection(batch, texts) : nil)
      return try ForwardPass(input, in: space, observer: observer, clock: clock)
    }
    switch round {
    case .together(let texts):
      let pass = try pass(texts, in: together)
      team.run { pass.work($0) }
    case .apart(let passes):
      let next = WorkCounter()
      team.run { worker in
        while true {
          let index = next.take()
          if index >= passes.count { return }
          do throws(BertError) {
            try pass(passes[index], in: apart[worker]).work(0)
          } catch {
            apart[worker].failure = error
            return
          }
        }
      }
      for space in apart {
        if let failure = space.failure {
          space.failure = nil
          throw failure
        }
      }
    }
  }

  /// Checks the embedding rows of tokens that were not looked up before.
  private func verifyWords(_ ids: ArraySlice<Int32>) throws(BertError) {
    for id in ids where !verifiedRows[Int(id)] {
      try weights.word.verify(Int(id), in: weights.source)
      verifiedRows[Int(id)] = true
    }
  }
}
