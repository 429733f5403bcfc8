import BertErrors
import BertKernels
import BertModel

/// A text that a head is asked about, of the batch whose hidden states it reads.
package struct HeadText: Sendable {
  /// Its tokens of the batch.
  package let tokens: Range<Int>
  /// Those whose scores are wanted, where a head scores tokens: tokens of the batch, ascending.
  package let wanted: [Int]

  /// Some tokens of a text, by their places in the batch.
  package init(tokens: Range<Int>, wanted: [Int]) {
    self.tokens = tokens
    self.wanted = wanted
  }

  /// Text `index` of a batch, with the rows that the batch wants of it.
  package init(_ batch: TokenBatch, _ index: Int) {
    let range = batch.range(index)
    self.init(
      tokens: range,
      wanted: batch.wanted[index].places(in: range.count).map { range.lowerBound + $0 })
  }
}

/// What a row of a head's scores belongs to.
package enum HeadSubject: Sendable {
  /// A text: the head reads one vector of it.
  case text
  /// A token: the head reads the token's own hidden state.
  case token
}

/// What stands on an encoder's last hidden states and makes scores of them.
///
/// For one caller at a time, as the encoder is; heads of the same `HeadSource` are one.
package protocol Head: AnyObject {
  /// What a row of its scores belongs to.
  var subject: HeadSubject { get }
  /// Scores of a row.
  var width: Int { get }

  /// Appends the scores of some texts of a round: one row a text, or one for each wanted token.
  ///
  /// A row's bits depend on nothing but its text's.
  ///
  /// - Throws: `notFinite` when a score is NaN or infinite: the model's weights overflow float32.
  func append(
    _ texts: [HeadText], of states: BertEncoder.HiddenStates, to scores: inout HeadScores
  ) throws(BertError)
}

extension Head {
  /// Appends the scores of every text of a round, for the rows that the batch wants.
  package func append(
    _ states: BertEncoder.HiddenStates, of batch: TokenBatch, to scores: inout HeadScores
  ) throws(BertError) {
    try append(states.texts.map { HeadText(batch, $0) }, of: states, to: &scores)
  }
}

/// Where heads take their weights from, and what they compute with.
///
/// Give it the encoder's kernels and team: a head computes after a round, when the team is idle.
package final class HeadSource {
  /// The model's tensors.
  package let weights: any WeightSource
  /// With int8, linears that have int8 weights use them.
  package let precision: Precision
  let kernels: KernelSet
  let team: ThreadTeam
  /// The memory that its heads take turns in.
  let scratch: HeadScratch

  /// Nothing is read yet: heads say what they need.
  package init(
    _ weights: any WeightSource, precision: Precision, kernels: KernelSet, team: ThreadTeam
  ) {
    self.weights = weights
    self.precision = precision
    self.kernels = kernels
    self.team = team
    scratch = HeadScratch(workers: team.count)
  }

  var configuration: BertConfiguration { weights.model.configuration }

  /// The outputs of the linear called `stem`: those that are known, or as many as its bias counts.
  ///
  /// - Throws: `malformed` when it has none.
  func outputs(_ stem: String, known: Int? = nil) throws(BertError) -> Int {
    if let known { return known }
    let bias =
      weights.find(stem + FloatPart.bias) ?? weights.find(stem + QuantizedPart.bias)
    guard let outputs = bias?.shape.first, outputs > 0 else {
      throw BertError(.malformed, "is missing; the head needs it", tensor: stem + FloatPart.bias)
    }
    return outputs
  }

  /// How the numbers of its heads are read: as BERT's own are, where nothing is said.
  var settings: HeadSettings { weights.model.head ?? HeadSettings() }

  /// The weight and bias of the layer norm called `stem`, of the hidden states' width or another.
  func norm(_ stem: String, width: Int? = nil) throws(BertError) -> NormWeights {
    let size = [width ?? configuration.hiddenSize]
    return NormWeights(
      weight: try weights.require(stem + FloatPart.weight, .float32, size).floats,
      bias: try weights.require(stem + FloatPart.bias, .float32, size).floats)
  }
}

/// Memory that the heads of a source compute in: it grows to what the widest of them needs of a
/// block of rows, and never with the number of texts.
final class HeadScratch {
  /// The most rows that go through a head at once: enough to share what is laid out for them.
  static let mostRows = 10 * WorkerScratch.blockRows

  /// What one worker computes a few panels with.
  final class Worker: @unchecked Sendable {
    /// A block's outputs.
    fileprivate(set) var outputs = AlignedBuffer(bytes: 0)
    /// For the kernels.
    fileprivate(set) var kernel = AlignedBuffer(bytes: 0)
    /// Weights that are laid out in panels for a moment.
    fileprivate(set) var panels = AlignedBuffer(bytes: 0)
    /// Such weights in float32, before they are.
    fileprivate(set) var decoded = AlignedBuffer(bytes: 0)
  }

  let workers: [Worker]
  private var buffers: [Use: AlignedBuffer] = [:]

  init(workers count: Int) { workers = (0..<count).map { _ in Worker() } }

  /// What the rows of a block are kept for.
  enum Use: Hashable { case gathered, transformed, bytes, scales, rotated }

  /// So many bytes for a use; what was there is lost when it grows.
  func memory(_ use: Use, bytes: Int) throws(BertError) -> AlignedBuffer {
    if let buffer = buffers[use], buffer.count >= bytes { return buffer }
    let buffer = try AlignedBuffer(checkedBytes: bytes, for: "the scores of a block of rows")
    buffers[use] = buffer
    return buffer
  }

  /// Makes room in every worker's memory.
  func reserve(outputs: Int, kernel: Int, panels: Int, decoded: Int) throws(BertError) {
    func grown(_ buffer: AlignedBuffer, _ bytes: Int) throws(BertError) -> AlignedBuffer {
      if buffer.count >= bytes { return buffer }
      return try AlignedBuffer(checkedBytes: bytes, for: "a thread that computes scores")
    }
    for worker in workers {
      worker.outputs = try grown(worker.outputs, outputs)
      worker.kernel = try grown(worker.kernel, kernel)
      worker.panels = try grown(worker.panels, panels)
      worker.decoded = try grown(worker.decoded, decoded)
    }
  }
}
