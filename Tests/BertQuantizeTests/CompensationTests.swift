import BertKernels
import BertModel
import Fixtures
import Testing

@testable import BertQuantize

/// Rounding with compensation, against the textbook's way in double: invert the moments, factor the
/// inverse, and spread each error over what is not yet rounded.
struct CompensationTests {
  struct Linear {
    let weight: [Float]
    let x: [Float]
    let outputs: Int
    let inputs: Int

    init(_ outputs: Int, _ inputs: Int, rows: Int, seed: UInt64 = 11) {
      var random = SeededGenerator(seed: seed)
      weight = (0..<(outputs * inputs)).map { _ in random.normal() }
      x = MatrixTests.rows(rows, inputs, seed: seed)
      self.outputs = outputs
      self.inputs = inputs
    }

    func quantized(
      _ recipe: Recipe = .standard, threads: Int = 1, kernels: KernelSet = KernelSet.available[0],
      site: LinearSite = .queryKeyValue
    ) throws -> LinearQuantizer.Outcome {
      let quantizer = LinearQuantizer(
        recipe: recipe, kernels: kernels, team: ThreadTeam(count: threads))
      let statistics = try MatrixTests.statistics(x, inputs, threads: threads, kernels: kernels)
      return try quantizer.quantize(
        try LinearWeights(
          "x", weight: weight, bias: [Float](repeating: 0, count: outputs), outputs: outputs,
          inputs: inputs), site: site, statistics: statistics,
        workspace: try AlignedBuffer(quantizing: statistics.stride * statistics.stride),
        product: try FloatProduct(kernels: kernels, columns: inputs))
    }

    /// Σ over rows and outputs of (what rounding the weights did to an output)².
    func error(_ linear: QuantizedLinear) -> [Double] {
      let v = Self.transformed(x, linear)
      let w = Self.transformed(
        weight, linear, multiplier: linear.multiplier.map { 1 / $0 / gain(linear) })
      return (0..<outputs).map { n in
        let delta = (0..<inputs).map { k in
          w[n * inputs + k] - Double(linear.weights[n * inputs + k]) * Double(linear.scale[n])
        }
        return (0..<(x.count / inputs)).reduce(0.0) { sum, row in
          let y = (0..<inputs).reduce(0.0) { $0 + v[row * inputs + $1] * delta[$1] }
          return sum + y * y
        }
      }
    }

    private func gain(_ linear: QuantizedLinear) -> Float {
      Float(linear.rotation.squaredGain(inputs: inputs))
    }

    /// Rows as the kernels rotate them.
    static func transformed(
      _ rows: [Float], _ linear: QuantizedLinear, multiplier: [Float]? = nil
    ) -> [Double] {
      let inputs = linear.inputs
      var result: [Double] = []
      let out = AlignedBuffer(floats: inputs)
      rows.withUnsafeBufferPointer { rows in
        guard let base = rows.baseAddress else { return }
        for row in 0..<(rows.count / inputs) {
          linear.rotation.apply(
            base + row * inputs, multiplier: multiplier ?? linear.multiplier, to: out.floats,
            KernelSet.available[0].calls)
          result += (0..<inputs).map { Double(out.floats[$0]) }
        }
      }
      return result
    }
  }

  /// The textbook's levels for rows of weights, in double.
  static func textbook(_ w: [[Double]], scale: [Double], moments: [[Double]]) -> [[Double]] {
    let size = moments.count
    let trace = (0..<size).reduce(0.0) { $0 + moments[$1][$1] }
    let order = (0..<size).sorted { (moments[$1][$1], $0) < (moments[$0][$0], $1) }
    var h = order.map { i in order.map { moments[i][$0] } }
    for k in 0..<size { h[k][k] += RoundingProblem.damping * trace / Double(size) }
    let l = cholesky(inverse(h))
    return w.enumerated().map { n, row in
      var rest = order.map { row[$0] }
      var levels = [Double](repeating: 0, count: size)
      for k in 0..<size {
        let level = max(-127, min(127, (rest[k] / scale[n]).rounded(.toNearestOrEven)))
        levels[order[k]] = level
        let error = (rest[k] - level * scale[n]) / l[k][k]
        for j in k..<size { rest[j] -= error * l[j][k] }
      }
      return levels
    }
  }

  static func cholesky(_ a: [[Double]]) -> [[Double]] {
    var l = a.map { $0.map { _ in 0.0 } }
    for i in a.indices {
      for j in 0...i {
        let sum = (0..<j).reduce(a[i][j]) { $0 - l[i][$1] * l[j][$1] }
        l[i][j] = i == j ? sum.squareRoot() : sum / l[j][j]
      }
    }
    return l
  }

  static func inverse(_ a: [[Double]]) -> [[Double]] {
    var (left, right) = (a, a.indices.map { i in a.indices.map { i == $0 ? 1.0 : 0 } })
    for k in a.indices {
      let pivot = left[k][k]
      for j in a.indices {
        left[k][j] /= pivot
        right[k][j] /= pivot
      }
      for i in a.indices where i != k {
        let factor = left[i][k]
        for j in a.indices {
          left[i][j] -= factor * left[k][j]
          right[i][j] -= factor * right[k][j]
        }
      }
    }
    return right
  }

  @Test(arguments: [(8, 16, 40), (5, 33, 60), (10, 48, 30), (3, 80, 200)])
  func levelsAreTheTextbooks(_ outputs: Int, _ inputs: Int, _ rows: Int) throws {
    let linear = Linear(outputs, inputs, rows: rows)
    let found = try linear.quantized().linear
    let v = Linear.transformed(linear.x, found)
    let moments = (0..<inputs).map { i in
      (0..<inputs).map { j in
        (0..<rows).reduce(0.0) { $0 + v[$1 * inputs + i] * v[$1 * inputs + j] }
      }
    }
    let gain = Float(found.rotation.squaredGain(inputs: inputs))
    let w = Linear.transformed(
      linear.weight, found, multiplier: found.multiplier.map { 1 / $0 / gain })
    let expected = Self.textbook(
      (0..<outputs).map { Array(w[($0 * inputs)..<(($0 + 1) * inputs)]) },
      scale: found.scale.map(Double.init), moments: moments
    ).flatMap { $0 }
    // Where a value lies halfway, float and double may part, and what follows in that row with them.
    let same = zip(found.weights, expected).count { Double($0) == $1 }
    #expect(same >= expected.count * 9 / 10, "\(same) of \(expected.count)")
    var textbook = found
    textbook.weights = expected.map { Int8($0) }
    let (ours, theirs) = (linear.error(found).reduce(0, +), linear.error(textbook).reduce(0, +))
    #expect(ours <= theirs * 1.02, "\(ours) \(theirs)")
  }

  @Test(arguments: [(16, 32, 3), (16, 32, 100), (24, 40, 500), (9, 96, 50)])
  func noOutputIsWorseThanWithNearestLevels(_ outputs: Int, _ inputs: Int, _ rows: Int) throws {
    let linear = Linear(outputs, inputs, rows: rows)
    let outcome = try linear.quantized()
    let nearest = try #require(outcome.nearest)
    let (after, before) = (linear.error(outcome.linear), linear.error(nearest))
    for (a, b) in zip(after, before) { #expect(a <= b * 1.000_01) }
    #expect(after.reduce(0, +) < 0.9 * before.reduce(0, +))
  }

  @Test func resultsAreTheSameOnAnyThreadsAndKernels() throws {
    let linear = Linear(100, 96, rows: 70)
    let expected = try linear.quantized().linear
    for kernels in KernelSet.available {
      for threads in 1...3 {
        let found = try linear.quantized(threads: threads, kernels: kernels).linear
        #expect(found.weights == expected.weights && found.scale == expected.scale)
        #expect(found.multiplier == expected.multiplier && found.bias == expected.bias)
      }
    }
  }

  @Test func inputsThatNeverOccurAreRoundedAllTheSame() throws {
    var linear = Linear(4, 32, rows: 20)
    linear = Linear(linear, x: linear.x.enumerated().map { $0.offset % 32 == 5 ? 0 : $0.element })
    let silent = Linear(linear, x: linear.x.map { _ in 0 })
    for (case_, isCompensated) in [(linear, true), (silent, false)] {
      let outcome = try case_.quantized()
      #expect((outcome.damping != nil) == isCompensated)
      #expect(outcome.linear.scale.allSatisfy { $0.isFinite && $0 > 0 })
      #expect(outcome.linear.multiplier.allSatisfy { $0.isFinite && $0 != 0 })
    }
  }

  @Test func oneHugeWeightLeavesEverythingFinite() throws {
    for huge in [Float(1e30), 3e38, -Float.greatestFiniteMagnitude] {
      for recipe in [Recipe.standard, try Recipe.parse("no-rotation,no-balance")] {
        var weight = Linear(4, 32, rows: 20).weight
        weight[37] = huge
        let linear = Linear(Linear(4, 32, rows: 20), weight: weight)
        let made = try linear.quantized(recipe).linear
        #expect(made.scale.allSatisfy { $0.isFinite && $0 > 0 })
        #expect(made.multiplier.allSatisfy { $0.isFinite && $0 != 0 })
        #expect(made.weights[32..<64].contains { abs($0) == 127 })
      }
    }
  }

  @Test func inputsThatOverflowFallBackToNearest() throws {
    let linear = Linear(4, 32, rows: 20)
    for bad in [Float.nan, .infinity, 1e30] {
      var x = linear.x
      x[100] = bad
      let outcome = try Linear(linear, x: x).quantized()
      #expect(outcome.damping == nil && outcome.nearest == nil)
      #expect(outcome.linear.scale.allSatisfy { $0.isFinite })
    }
  }
}

extension CompensationTests.Linear {
  /// The same with other weights or inputs.
  init(_ other: Self, weight: [Float]? = nil, x: [Float]? = nil) {
    self.weight = weight ?? other.weight
    self.x = x ?? other.x
    outputs = other.outputs
    inputs = other.inputs
  }
}
