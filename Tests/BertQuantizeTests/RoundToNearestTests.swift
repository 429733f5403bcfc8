import BertErrors
import BertKernels
import BertModel
import BertQuantize
import BertRuntime
import Fixtures
import Testing

/// Rounding each output's weights to the nearest level.
struct RoundToNearestTests {
  private func round(_ weight: [Float], outputs: Int = 1) -> QuantizedLinear {
    let bias = (0..<outputs).map { Float($0) + 0.5 }
    return .roundToNearest(
      weight: weight, bias: bias, outputs: outputs, inputs: weight.count / outputs)
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
    ([.greatestFiniteMagnitude, -.greatestFiniteMagnitude], [127, -127], .greatestFiniteMagnitude / 127),
    ([1e-20, -5.1e-21], [127, -65], 1e-20 / 127),
  ]

  @Test(arguments: rows.indices)
  func levelsAreTheNearest(_ index: Int) {
    let row = Self.rows[index]
    let found = round(row.weights)
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

  @Test func inputsAndBiasStayAsTheyAre() {
    let found = round([1, 2, 3, 4, 5, 6], outputs: 2)
    #expect(found.bias == [0.5, 1.5])
    #expect(found.multiplier == [1, 1, 1] && found.shift == [0, 0, 0])
    #expect(found.dither == [0, 0, 0] && found.source == [] && found.extra == 0)
  }

  @Test func columnSumsAreThoseOfTheLevels() {
    let found = round([127, -3, 4, -127, 0, 127], outputs: 2)
    #expect(found.columnSums == [128, 0])
  }

  /// What a file stores lies as `formats/bertq.md` words it: element [n, k] of 32 × 4 panels.
  @Test(arguments: [(1, 1), (33, 7), (64, 4), (70, 9)])
  func storedWeightsLieInPanels(_ outputs: Int, _ inputs: Int) throws {
    var random = SeededGenerator(seed: 5)
    let weight = (0..<(outputs * inputs)).map { _ in random.normal() }
    let linear = round(weight, outputs: outputs)
    let store = TensorStore(description: ModelDescription(configuration: configuration))
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
  func theStoredTensorsAreThoseThatAreAnnounced(_ spreads: Bool) throws {
    let model = GeneratedModel(configuration)
    for site in LinearSite.allCases {
      let linear = spreads ? model.spread(1, site) : model.rounded(1, site)
      let store = TensorStore(description: ModelDescription(configuration: configuration))
      try linear.add(to: store, named: "x")
      let announced = QuantizedLinear.tensors(
        "x", outputs: linear.outputs, inputs: linear.inputs, extra: linear.extra)
      #expect(store.names == announced.map(\.requirement.name).sorted())
      for (requirement, type) in announced {
        _ = try store.require(requirement.name, type, requirement.shape, requirement.layout)
      }
    }
  }

  private let configuration = BertConfiguration(
    vocabularySize: 10, hiddenSize: 24, layerCount: 2, headCount: 2, intermediateSize: 37,
    maximumPositions: 4, tokenTypeCount: 1, layerNormEpsilon: 1e-12, activation: .gelu)
}
