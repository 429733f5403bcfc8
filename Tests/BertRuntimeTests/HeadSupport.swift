import BertErrors
import BertKernels
import BertModel
import BertQuantize
import BertRuntime
import Fixtures
import SystemLibrary

/// A model of generated weights with heads of generated weights, row-major by canonical name.
struct HeadModel {
  var base: GeneratedModel
  /// The values of the heads' tensors.
  private(set) var values: [String: [Float]] = [:]
  private var shapes: [TensorRequirement] = []
  private let seed: UInt64

  init(_ configuration: BertConfiguration, seed: UInt64 = 5) {
    base = GeneratedModel(configuration, seed: seed)
    self.seed = seed
  }

  /// Adds a linear, of inputs as wide as the hidden states.
  mutating func addLinear(_ stem: String, _ outputs: Int, hasBias: Bool = true) {
    let size = base.configuration.hiddenSize
    add(
      TensorRequirement(stem + ".weight", [outputs, size], .floatPanels),
      1 / Float(size).squareRoot())
    if hasBias { add(TensorRequirement(stem + ".bias", [outputs]), 0.5) }
  }

  /// Adds the masked-word head; tied, its decoder's weights are the word embeddings.
  mutating func addMaskedWords(isTied: Bool) {
    let c = base.configuration
    addLinear(CanonicalName.maskedTransform, c.hiddenSize)
    add(TensorRequirement(CanonicalName.maskedNorm + ".weight", [c.hiddenSize]), 1)
    add(TensorRequirement(CanonicalName.maskedNorm + ".bias", [c.hiddenSize]), 0.5)
    if isTied {
      add(TensorRequirement(CanonicalName.maskedDecoder + ".bias", [c.vocabularySize]), 0.5)
    } else {
      addLinear(CanonicalName.maskedDecoder, c.vocabularySize)
    }
  }

  private mutating func add(_ tensor: TensorRequirement, _ deviation: Float) {
    var random = SeededGenerator(seed: seed ^ UInt64(shapes.count + 1000))
    values[tensor.name] = (0..<tensor.shape.reduce(1, *)).map { _ in random.normal() * deviation }
    shapes.append(tensor)
  }

  /// How a head's matrices lie.
  enum Form: CaseIterable { case rowMajor, panels, int8 }

  /// The model in memory; in int8 form, heads' linears have int8 weights beside those in panels.
  func store(
    _ task: ModelTask = .embedding, _ form: Form = .panels, settings: HeadSettings? = nil
  ) throws(BertError) -> TensorStore {
    let store = try base.store(task: task, settings: settings)
    for tensor in shapes {
      let values = values[tensor.name] ?? []
      if tensor.shape.count == 2, form != .rowMajor {
        try store.add(tensor.name, .float32, tensor.shape, .floatPanels) { bytes in
          bk_pack_f32(
            values, tensor.shape[0], tensor.shape[1],
            bytes.assumingMemoryBound(to: Float.self).baseAddress)
        }
      } else {
        try store.add(tensor.name, .float32, tensor.shape, values)
      }
    }
    guard form == .int8 else { return store }
    for tensor in shapes where tensor.shape.count == 2 {
      let stem = String(tensor.name.dropLast(".weight".count))
      try quantized(stem)?.add(to: store, named: stem)
    }
    return store
  }

  /// A head's linear rounded to the nearest levels.
  func quantized(_ stem: String) throws(BertError) -> QuantizedLinear? {
    guard let weight = values[stem + ".weight"] else { return nil }
    let inputs = base.configuration.hiddenSize
    let outputs = weight.count / inputs
    return try QuantizedLinear.roundToNearest(
      weight: weight, bias: values[stem + ".bias"] ?? [Float](repeating: 0, count: outputs),
      outputs: outputs, inputs: inputs, balance: [Float](repeating: 1, count: inputs),
      rotation: [], kernels: KernelSet.available[0])
  }
}

/// Each head as it is defined, in double precision, over the hidden states of one text.
struct NaiveHeads {
  let model: HeadModel

  typealias Row = [Double]

  private func values(_ name: String) -> Row {
    (model.values[name] ?? model.base.values[name] ?? []).map { Double($0) }
  }

  func linear(_ stem: String, _ x: Row, weight: String? = nil) -> Row {
    let weight = values(weight ?? stem + ".weight")
    let bias = values(stem + ".bias")
    return (0..<weight.count / x.count).map { n -> Double in
      var sum = bias.isEmpty ? 0 : bias[n]
      for k in x.indices { sum += x[k] * weight[n * x.count + k] }
      return sum
    }
  }

  /// A text's logits from the pooler's output.
  func pooled(_ stem: String, _ rows: [Row]) -> [Row] {
    [linear(stem, NaiveBert(model: model.base).pool(.pooler, rows))]
  }

  /// Each token's logits.
  func tokens(_ stem: String, _ rows: [Row]) -> [Row] { rows.map { linear(stem, $0) } }

  func maskedWords(_ rows: [Row]) -> [Row] {
    let c = model.base.configuration
    let isTied = model.values[CanonicalName.maskedDecoder + ".weight"] == nil
    let (gain, bias) = (
      values(CanonicalName.maskedNorm + ".weight"), values(CanonicalName.maskedNorm + ".bias")
    )
    return rows.map { row in
      let x = linear(CanonicalName.maskedTransform, row).map {
        NaiveBert(model: model.base).activate($0)
      }
      let mean = x.reduce(0, +) / Double(x.count)
      let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
      let deviation = (variance + Double(c.layerNormEpsilon)).squareRoot()
      return linear(
        CanonicalName.maskedDecoder,
        x.indices.map { (x[$0] - mean) / deviation * gain[$0] + bias[$0] },
        weight: isTied ? CanonicalName.wordEmbeddings : nil)
    }
  }

  func sparse(_ rows: [Row], _ settings: HeadSettings = HeadSettings()) -> Row {
    let logits = maskedWords(rows)
    return logits[0].indices.map { word in
      let weights = logits.map { row -> Double in
        let once = log(1 + max(row[word], 0))
        return settings.sparseWeight == .log1pLog1pRelu ? log(1 + once) : once
      }
      return settings.sumsSparseWeights ? weights.reduce(0, +) : weights.max() ?? 0
    }
  }

  func multiVector(_ rows: [Row]) -> [Row] {
    tokens(CanonicalName.multiVector, rows).map { row in
      let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return row.map { $0 / length }
    }
  }
}
