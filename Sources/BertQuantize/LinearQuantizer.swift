import BertErrors
import BertKernels
import BertModel

/// A linear's float32 weights while they are being quantised.
struct LinearWeights {
  let weight: [Float]
  let bias: [Float]
  let outputs: Int
  let inputs: Int

  init(_ name: String, weight: [Float], bias: [Float], outputs: Int, inputs: Int) throws(BertError)
  {
    guard weight.count == outputs * inputs, bias.count == outputs else {
      throw BertError(
        .malformed,
        "has \(weight.count) weights and \(bias.count) biases; expected \(outputs) × \(inputs) "
          + "and \(outputs)", tensor: name)
    }
    self.weight = weight
    self.bias = bias
    self.outputs = outputs
    self.inputs = inputs
  }

  /// The sum of the squares of each input's weights.
  func energies(_ team: ThreadTeam) -> [Double] {
    var sums = [Double](repeating: 0, count: inputs)
    let width = FloatProduct.panel
    let counter = WorkCounter()
    weight.withUnsafeBufferPointer { weight in
      sums.withUnsafeMutableBufferPointer { sums in
        team.run { _ in
          counter.each(below: (inputs + width - 1) / width) { panel in
            let columns = (panel * width)..<min(inputs, (panel + 1) * width)
            for n in 0..<outputs {
              for k in columns {
                let value = Double(weight[n * inputs + k])
                sums[k] += value * value
              }
            }
          }
        }
      }
    }
    return sums
  }
}

/// Quantises one linear after another with the same memory.
struct LinearQuantizer {
  let recipe: Recipe
  let kernels: KernelSet
  let team: ThreadTeam

  /// A linear in int8, and how it came about.
  struct Outcome {
    var linear: QuantizedLinear
    /// The same rounded to nearest, when the other was compensated.
    var nearest: QuantizedLinear?
    /// What the moments' diagonal was damped by; nil when nothing was compensated.
    var damping: Double?
  }

  /// Quantises without looking at any text.
  ///
  /// - Parameter energies: each input's mean square, when something else tells it.
  func quantize(
    _ weights: LinearWeights, site: LinearSite, energies: [Double]? = nil
  ) throws(BertError) -> QuantizedLinear {
    let balance =
      energies.map { recipe.balance(inputs: $0, weights: weights.energies(team)) }
      ?? recipe.signed([Float](repeating: 1, count: weights.inputs))
    return try nearest(
      weights, balance: balance, rotation: recipe.rotation(site, inputs: weights.inputs))
  }

  /// Quantises by what calibration saw; the statistics are used up.
  func quantize(
    _ weights: LinearWeights, site: LinearSite, statistics: InputStatistics,
    workspace: AlignedBuffer, product: FloatProduct
  ) throws(BertError) -> Outcome {
    guard statistics.isFinite else { return Outcome(linear: try quantize(weights, site: site)) }
    let balance = recipe.balance(inputs: statistics.energies, weights: weights.energies(team))
    let rotation = recipe.rotation(site, inputs: weights.inputs)
    let nearest = try nearest(weights, balance: balance, rotation: rotation)
    // A rotation other than the asked one: the weights are too large for it.
    guard recipe.contains(.compensation), nearest.rotation == rotation,
      let problem = try RoundingProblem(
        statistics: statistics, balance: balance, rotation: rotation, workspace: workspace,
        product: product, team: team)
    else { return Outcome(linear: nearest) }
    let linear = try compensate(weights, nearest, balance: balance, problem, product)
    return Outcome(linear: linear, nearest: nearest, damping: problem.damping)
  }

  private func nearest(
    _ weights: LinearWeights, balance: [Float], rotation: Rotation
  ) throws(BertError) -> QuantizedLinear {
    try .roundToNearest(
      weight: weights.weight, bias: weights.bias, outputs: weights.outputs, inputs: weights.inputs,
      balance: balance, rotation: rotation, kernels: kernels, team: team)
  }

  /// Rounds each row with compensation, unless that costs more than the nearest levels do.
  private func compensate(
    _ weights: LinearWeights, _ nearest: QuantizedLinear, balance: [Float],
    _ problem: RoundingProblem, _ product: FloatProduct
  ) throws(BertError) -> QuantizedLinear {
    var made = nearest
    let (outputs, inputs) = (weights.outputs, weights.inputs)
    let inverse = nearest.rotation.weightMultiplier(balance)
    let scratches = try team.each { () throws(BertError) in
      try RowRounding.Scratch(inputs: inputs)
    }
    let counter = WorkCounter()
    made.weights.withUnsafeMutableBufferPointer { levels in
      weights.weight.withUnsafeBufferPointer { weight in
        guard let levels = levels.baseAddress, let weight = weight.baseAddress else { return }
        team.run { worker in
          let scratch = scratches[worker]
          counter.each(below: blockCount(outputs)) { block in
            let rows = blockOfRows(block, of: outputs)
            let scales = rows.map { nearest.scale[$0] }
            for (index, n) in rows.enumerated() {
              nearest.rotation.apply(
                weight + n * inputs, multiplier: inverse, to: scratch.row.floats, kernels.calls)
              let to = scratch.weights.floats + index * scratch.stride
              for (place, k) in problem.order.enumerated() { to[place] = scratch.row.floats[k] }
            }
            let before = RowRounding.nearestCosts(
              problem, scratch: scratch, scales: scales, product: product)
            let after = RowRounding.compensated(
              problem, scratch: scratch, scales: scales, product: product)
            // Both costs hold the damping's |δ|², which nearest levels make least: so where the
            // sum is no larger, the outputs' error is not either.
            for (index, n) in rows.enumerated() where after[index] < before[index] {
              let from = scratch.levels.floats + index * scratch.stride
              for (place, k) in problem.order.enumerated() {
                levels[n * inputs + k] = Int8(from[place])
              }
            }
          }
        }
      }
    }
    return made
  }
}
