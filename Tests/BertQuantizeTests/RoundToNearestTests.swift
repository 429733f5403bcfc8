import BertErrors
import BertKernels
import BertModel
import BertQuantize
import BertRuntime
import Fixtures
import Testing

/// Rounding each output's weights to the nearest level.
struct RoundToNearestTests {
  private func round(_ weight: [Float], outputs: Int = 1) throws -> QuantizedLinear {
    let bias = (0..<outputs).map { Float($0) + 0.5 }
    let inputs = weight.count / outputs
    return try .roundToNearest(
      weight: weight, bias: bias, outputs: outputs, inputs: inputs,
      balance: [Float](repeating: 1, count: inputs), rotation: [], kernels: KernelSet.available[0])
  }

  static let rows: [(weights: [Float], levels: [Int8], scale: Float)] = [
    ([127, -127, 1, 0], [127, -127, 1, 0], 1),
    // Halves go to the even level.
    ([127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5], [127, 0, 2, 2, 0, -2, -2], 1),
    ([-254, 2, 3, 5], [-127, 1, 2, 2], 2),
    ([0, 0, 0], [0, 0, 0], 1),
    ([-0.0, 0], [0, 0], 1),
    // Too small for the reciprocal of their step to be finite.
    ([1e-38, -1e-37], [0, 0], 1),
    ([.leastNonzeroMagnitude], [0], 1),
    (
      [.greatestFiniteMagnitude, -.greatestFiniteMagnitude], [127, -127],
      .greatestFiniteMagnitude / 127
    ),
    ([1e-20, -5.1e-21], [127, -65], 1e-20 / 127),
  ]

  @Test(arguments: rows.indices)
  func levelsAreTheNearest(_ index: Int) throws {
    let row = Self.rows[index]
    let found = try round(row.weights)
    #expect(found.weights == row.levels)
    #expect(found.scale == [row.scale])
  }

  @Test func noWeightMovesByMoreThanHalfAStep() {
    let model = GeneratedModel(configuration)
    for site in LinearSite.allCases {
      let weight = model.values[CanonicalName.linear(0, site) + ".weight"] ?? []
      let found = model.rounded(0, site)
      for n in 0..<found.outputs {
        var largest = 0
        for k in 0..<found.inputs {
          let at = n * found.inputs + k
          let step = Double(found.scale[n])
          #expect(abs(Double(weight[at]) - Double(found.weights[at]) * step) <= step * 0.500_01)
          largest = max(largest, abs(Int(found.weights[at])))
        }
        #expect(largest == 127)
      }
    }
  }

  @Test func inputsAndBiasStayAsTheyAre() throws {
    let found = try round([1, 2, 3, 4, 5, 6], outputs: 2)
    #expect(found.bias == [0.5, 1.5])
    #expect(found.multiplier == [1, 1, 1] && found.rotation == [])
  }

  @Test func columnSumsAreThoseOfTheLevels() throws {
    let found = try round([127, -3, 4, -127, 0, 127], outputs: 2)
    #expect(found.columnSums == [128, 0])
  }

  /// What a file stores lies as `formats/bertq.md` words it: element [n, k] of 32 × 4 panels.
  @Test(arguments: [(1, 1), (33, 7), (64, 4), (70, 9)])
  func storedWeightsLieInPanels(_ outputs: Int, _ inputs: Int) throws {
    var random = SeededGenerator(seed: 5)
    let weight = (0..<(outputs * inputs)).map { _ in random.normal() }
    let linear = try round(weight, outputs: outputs)
    let store = TensorStore(model: ModelDescription(configuration: configuration))
    try linear.add(to: store, named: "x")
    let view = try store.require(
      "x" + QuantizedPart.weight, .int8, [outputs, inputs], .int8Panels)
    var filled = 0
    for n in 0..<outputs {
      for k in 0..<inputs {
        let at = ((n / 32 * ((inputs + 3) / 4) + k / 4) * 32 + n % 32) * 4 + k % 4
        #expect(Int8(bitPattern: view.bytes[at]) == linear.weights[n * inputs + k])
        if view.bytes[at] != 0 { filled += 1 }
      }
    }
    #expect(view.bytes.count { $0 != 0 } == filled, "padding is zero")
  }

  @Test(arguments: [false, true])
  func theStoredTensorsAreThoseThatAreAnnounced(_ rotates: Bool) throws {
    let model = GeneratedModel(configuration)
    for site in LinearSite.allCases {
      let linear = rotates ? model.rotated(1, site) : model.rounded(1, site)
      let store = TensorStore(model: ModelDescription(configuration: configuration))
      try linear.add(to: store, named: "x")
      let announced = QuantizedLinear.tensors(
        "x", outputs: linear.outputs, inputs: linear.inputs)
      #expect(store.names == announced.map(\.requirement.name).sorted())
      for (requirement, type) in announced {
        _ = try store.require(requirement.name, type, requirement.shape, requirement.layout)
      }
    }
  }

  // MARK: Rotation

  static let rotations: [(inputs: Int, rotation: Rotation)] = [
    (7, []), (15, []), (16, [.vectors, .lanes]), (24, []), (48, [.vectors, .thirds, .lanes]),
    (80, [.vectors, .lanes]), (384, [.vectors, .thirds, .lanes]), (1024, [.vectors, .lanes]),
    (1536, [.vectors, .thirds, .lanes]),
  ]

  @Test(arguments: rotations.indices)
  func widthsAllowTheRotationsOfTheFormat(_ index: Int) {
    #expect(Rotation.full(inputs: Self.rotations[index].inputs) == Self.rotations[index].rotation)
  }

  /// Weights are mixed by the inverse of what mixes the inputs: products stay what they were.
  @Test(arguments: [16, 32, 48, 80, 96, 384, 1536], 0..<Int32(8))
  func productsStayWhatTheyWere(_ inputs: Int, _ parts: Int32) throws {
    let rotation = Rotation(rawValue: parts)
    // Thirds exist for three times a power of two only.
    if rotation.contains(.thirds), !Rotation.full(inputs: inputs).contains(.thirds) { return }
    var random = SeededGenerator(seed: UInt64(inputs))
    let weight = (0..<inputs).map { _ in random.normal() }
    let x = (0..<inputs).map { _ in random.normal() }
    let balance = Rotation.signs(inputs).map { $0 * Float.random(in: 0.5...2, using: &random) }
    let kernels = KernelSet.available[0]
    let linear = try QuantizedLinear.roundToNearest(
      weight: weight, bias: [0], outputs: 1, inputs: inputs, balance: balance, rotation: rotation,
      kernels: kernels)
    var mixed = [Float](repeating: 0, count: inputs)
    linear.multiplier.withUnsafeBufferPointer { multiplier in
      var input = bk_input(depth: inputs, multiplier: multiplier.baseAddress, rotation: parts)
      kernels.calls.rotate_row(&input, x, &mixed)
    }
    let found = zip(mixed, linear.weights).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    let wanted = zip(x, weight).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    // Each weight is off by at most half a step, at random; four deviations are never seen.
    let deviation =
      Double(linear.scale[0]) * (mixed.reduce(0.0) { $0 + Double($1 * $1) } / 12).squareRoot()
    #expect(abs(found * Double(linear.scale[0]) - wanted) < 4 * deviation)
  }

  @Test func signsAreFixedAndWithoutPattern() {
    let signs = Rotation.signs(4096)
    #expect(Array(signs.prefix(100)) == Rotation.signs(100))
    #expect(signs.allSatisfy { abs($0) == 1 })
    for lag in 0..<40 {
      let sum = (0..<4000).reduce(0) { $0 + signs[$1] * (lag == 0 ? 1 : signs[$1 + lag]) }
      #expect(abs(sum) < 256, "lag \(lag)")
    }
  }

  private let configuration = BertConfiguration(
    vocabularySize: 10, hiddenSize: 24, layerCount: 2, headCount: 2, intermediateSize: 37,
    maximumPositions: 4, tokenTypeCount: 1, layerNormEpsilon: 1e-12, activation: .gelu)
}
