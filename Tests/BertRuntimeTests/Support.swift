import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Fixtures

/// A small configuration; tests change what they are about.
func configuration(
  heads: Int = 3, headSize: Int = 11, layers: Int = 2, intermediate: Int = 52,
  positions: Int = 48, activation: Activation = .gelu, biasSpan: Int? = nil
) -> BertConfiguration {
  BertConfiguration(
    vocabularySize: 97, hiddenSize: heads * headSize, layerCount: layers, headCount: heads,
    intermediateSize: intermediate, maximumPositions: positions, tokenTypeCount: 2,
    layerNormEpsilon: 1e-12, activation: activation, biasSpan: biasSpan)
}

/// The same, with what relatives of BERT have otherwise.
func relative(
  _ configuration: BertConfiguration, _ change: (inout BertConfiguration) -> Void
) -> BertConfiguration {
  var changed = configuration
  change(&changed)
  return changed
}

/// Relatives: a narrower embedding, a wider one, shared layers, gates with each activation, turned queries, no positions,
/// norms first, windows of attention, terms of scores by distance.
let relatives: [BertConfiguration] = [
  relative(configuration(heads: 2, headSize: 32, layers: 3)) {
    $0.embeddingSize = 24
    $0.storedLayers = 1
  },
  relative(configuration(heads: 3, headSize: 11, layers: 3, activation: .geluTanh)) {
    $0.embeddingSize = 70
    $0.storedLayers = 2
  },
  relative(configuration(heads: 2, headSize: 16, intermediate: 37, activation: .silu)) {
    $0.gatesFeedForward = true
    $0.lacksPositions = true
    $0.rotarySize = 16
  },
  relative(configuration(heads: 3, headSize: 70, intermediate: 64)) {
    $0.gatesFeedForward = true
    $0.rotarySize = 66
  },
  relative(
    configuration(heads: 2, headSize: 11, intermediate: 129, activation: .relu, biasSpan: 47)
  ) {
    $0.gatesFeedForward = true
    $0.lacksPositions = true
  },
  relative(configuration(heads: 1, headSize: 6, intermediate: 50, activation: .geluTanh)) {
    $0.gatesFeedForward = true
    $0.lacksPositions = true
    $0.rotarySize = 2
  },
  relative(configuration(heads: 2, headSize: 16, layers: 4, intermediate: 37)) {
    $0.gatesFeedForward = true
    $0.lacksPositions = true
    $0.rotarySize = 16
    $0.normalizesFirst = true
    $0.window = AttentionWindow(reach: 5, wholeEvery: 3)
  },
  relative(configuration(heads: 3, headSize: 11, layers: 3, positions: 130, biasSpan: 9)) {
    $0.embeddingSize = 24
    $0.normalizesFirst = true
  },
  relative(configuration(heads: 2, headSize: 32, layers: 3, positions: 130)) {
    $0.storedLayers = 2
    $0.window = AttentionWindow(reach: 17, wholeEvery: 2)
  },
  relative(configuration(heads: 2, headSize: 32, positions: 130)) {
    $0.lacksPositions = true
    $0.relative = RelativeTerms(
      starts: [0, 1, 2, 3, 5, 9, 17, 40], hasKeys: true, hasQueries: true)
  },
  relative(configuration(heads: 3, headSize: 11, layers: 3, positions: 130)) {
    $0.storedLayers = 2
    $0.relative = RelativeTerms(starts: Array(0..<130), hasKeys: true, hasQueries: false)
    $0.window = AttentionWindow(reach: 9, wholeEvery: 2)
  },
  relative(configuration(heads: 3, headSize: 70)) {
    $0.lacksPositions = true
    $0.rotarySize = 6
    $0.relative = RelativeTerms(starts: [0, 4], hasKeys: false, hasQueries: true)
  },
]

/// Some text's tokens.
struct Text {
  let ids: [Int32]
  let types: [UInt8]
}

extension GeneratedModel {
  /// Random texts of these lengths; their content depends only on length and place.
  func texts(_ lengths: [Int]) -> [Text] {
    lengths.enumerated().map {
      Text(ids: ids($0.element, seed: UInt64($0.offset)), types: types($0.element))
    }
  }

  /// A batch of texts, of each of which some rows are wanted.
  func batch(_ texts: [Text], wanting wanted: [WantedRows]? = nil) throws(BertError) -> TokenBatch {
    var batch = TokenBatch()
    for (index, text) in texts.enumerated() {
      try batch.append(
        ids: text.ids, types: text.types, wanting: wanted?[index] ?? .all, for: configuration)
    }
    return batch
  }

  /// An encoder over a store.
  func encoder(
    _ store: TensorStore, _ precision: Precision, kernels: KernelSet? = nil, threads: Int = 1,
    tokenBudget: Int? = nil
  ) throws(BertError) -> BertEncoder {
    try BertEncoder(
      source: store, precision: precision, kernels: kernels ?? KernelSet.available[0],
      team: ThreadTeam(count: threads), tokenBudget: tokenBudget)
  }

  /// Every linear in float32 and rounded to int8.
  func bothPaths() throws(BertError) -> TensorStore {
    try store { rounded($0, $1) }
  }
}

extension BertEncoder {
  /// The last hidden states that a batch wants of each text, row after row.
  func hiddenStates(_ batch: TokenBatch) throws(BertError) -> [[Float]] {
    let width = configuration.hiddenSize
    var all: [[Float]] = []
    try encode(batch) { states in
      for text in states.texts {
        all.append(
          batch.wanted[text].places(in: batch.range(text).count).flatMap {
            UnsafeBufferPointer(
              start: states.row(batch.range(text).lowerBound + $0), count: width)
          })
      }
    }
    return all
  }
}

/// Whether two arrays hold the same bits.
func haveSameBits(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern }
}

/// 10·log₁₀(Σ reference² / Σ difference²).
func signalToNoise(_ found: [Float], _ reference: [Double]) -> Double {
  guard found.count == reference.count else { return -.infinity }
  return VectorDifference(reference: reference, other: found).sqnr
}
