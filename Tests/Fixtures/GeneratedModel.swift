import BertErrors
import BertKernels
import BertModel
import BertQuantize
import SystemLibrary

/// A BERT of any size with generated weights, row-major by canonical name.
///
/// Nothing is zero or one, so that a weight in a wrong place shows.
package struct GeneratedModel: Sendable {
  /// Its sizes.
  package let configuration: BertConfiguration
  /// The values of each float tensor.
  package var values: [String: [Float]] = [:]
  private let seed: UInt64

  /// Generates the weights; `hasPooler` adds a pooler's.
  package init(_ configuration: BertConfiguration, seed: UInt64 = 1, hasPooler: Bool = true) {
    self.configuration = configuration
    self.seed = seed
    var random = SeededGenerator(seed: seed)
    let c = configuration
    let all = c.sharedTensors + c.floatLinearTensors + (hasPooler ? c.poolerTensors : [])
    for tensor in all {
      let isGain = tensor.name.hasSuffix("norm.weight")
      if let half = c.rotarySize.map({ $0 / 2 }), tensor.name.hasPrefix("attention.rotary.") {
        // Angles as published models have them, of a smaller base.
        let isSine = tensor.name.hasSuffix(".sin")
        let base: Double = tensor.name.contains(".window.") ? 12 : 30
        values[tensor.name] = (0..<tensor.shape.reduce(1, *)).map {
          let angle = Double($0 / half) * pow(base, -Double($0 % half) / Double(half))
          return Float(isSine ? sin(angle) : cos(angle))
        }
        continue
      }
      let isTable =
        tensor.layout == .rowMajor && tensor.name.hasPrefix("embeddings.")
        && tensor.shape.count == 2 || tensor.name == CanonicalName.attentionBias
        || tensor.name.contains(".relative.")
      // Inputs of about unit variance give outputs of about unit variance.
      let deviation =
        isTable ? 1 : tensor.shape.count == 2 ? 1 / Float(tensor.shape[1]).squareRoot() : 0.1
      values[tensor.name] = (0..<tensor.shape.reduce(1, *)).map { _ in
        random.normal() * deviation + (isGain ? 1 : 0)
      }
    }
  }

  /// The model in memory, as the encoder takes it.
  ///
  /// - Parameters:
  ///   - task: what it answers.
  ///   - head: its head, of three labels where that has labels.
  ///   - settings: how the head's numbers are read.
  ///   - embedding: how a text's vector is made; dense modules get weights.
  ///   - int8: the quantised form of a linear, nil to leave it out.
  package func store(
    task: ModelTask = .embedding, head: HeadKind? = nil, settings: HeadSettings? = nil,
    embedding: EmbeddingRecipe = EmbeddingRecipe(),
    int8: (Int, LinearSite) -> QuantizedLinear? = { _, _ in nil }
  ) throws(BertError) -> TensorStore {
    let c = configuration
    var description = ModelDescription(configuration: c)
    description.task = task
    description.head = settings
    description.embedding = embedding
    let store = TensorStore(model: description)
    var random = SeededGenerator(seed: seed ^ 77)
    let behind =
      (head.map { c.tensors(of: $0, labels: 3) } ?? [])
      + embedding.tensors(hiddenSize: c.hiddenSize)
    for tensor in behind {
      try store.add(tensor, (0..<tensor.shape.reduce(1, *)).map { _ in random.normal() })
    }
    for tensor in c.sharedTensors + c.floatLinearTensors + c.poolerTensors {
      if let values = values[tensor.name] { try store.add(tensor, values) }
    }
    for layer in 0..<c.storedLayerCount {
      for site in LinearSite.allCases {
        try int8(layer, site)?.add(to: store, named: CanonicalName.linear(layer, site))
      }
    }
    return store
  }

  /// A linear rounded to the nearest levels, its inputs as they are.
  package func rounded(_ layer: Int, _ site: LinearSite) -> QuantizedLinear {
    let inputs = site.inputs(configuration)
    return quantized(layer, site, [Float](repeating: 1, count: inputs), [])
  }

  /// A linear that uses all the format allows: inputs balanced, with signs, and rotated where their
  /// number lets them be.
  package func rotated(_ layer: Int, _ site: LinearSite) -> QuantizedLinear {
    let inputs = site.inputs(configuration)
    var random = SeededGenerator(seed: seed ^ UInt64(layer * 4 + site.rawValue + 99))
    let balance = Rotation.signs(inputs).map { $0 * Float.random(in: 0.5...2, using: &random) }
    return quantized(layer, site, balance, .full(inputs: inputs))
  }

  private func quantized(
    _ layer: Int, _ site: LinearSite, _ balance: [Float], _ rotation: Rotation
  ) -> QuantizedLinear {
    let name = CanonicalName.linear(layer, site)
    do throws(BertError) {
      return try QuantizedLinear.roundToNearest(
        weight: values[name + ".weight"] ?? [], bias: values[name + ".bias"] ?? [],
        outputs: site.outputs(configuration), inputs: site.inputs(configuration), balance: balance,
        rotation: rotation, kernels: KernelSet.available[0])
    } catch {
      fatalError("\(error)")
    }
  }

  /// Token ids that are random but in range.
  package func ids(_ count: Int, seed: UInt64 = 7) -> [Int32] {
    var random = SeededGenerator(seed: seed &+ UInt64(count) &* 1000)
    return (0..<count).map { _ in
      Int32.random(in: 0..<Int32(configuration.vocabularySize), using: &random)
    }
  }

  /// Token types for so many tokens: the second half is the second text's.
  package func types(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8($0 * configuration.tokenTypeCount / max(1, count)) }
  }
}

extension TensorStore {
  /// Adds a float32 tensor in the layout of the file, from its values in C order.
  package func add(_ tensor: TensorRequirement, _ values: [Float]) throws(BertError) {
    guard tensor.layout == .floatPanels else {
      return try add(tensor.name, .float32, tensor.shape, values)
    }
    try add(tensor.name, .float32, tensor.shape, .floatPanels) { bytes in
      bk_pack_f32(
        values, tensor.shape[0], tensor.shape[1],
        bytes.assumingMemoryBound(to: Float.self).baseAddress)
    }
  }
}
