import BertErrors
import BertKernels

/// What decides how a linear's weights are best rounded: R with H = R Rᵀ, R upper triangular, for
/// H the second moments of the linear's rotated inputs in the order in which inputs are rounded.
///
/// A row of rounding errors δ then costs |δ R|², and component k of δ R depends on δ₀...δₖ alone:
/// each level is chosen knowing what the ones before it left over.
struct RoundingProblem {
  /// Added to H's diagonal, as a part of its mean.
  static let damping = 0.01
  private static let attempts = 6

  let inputs: Int
  /// The input that is rounded first, and so on.
  let order: [Int]
  /// R with each column over its diagonal element, in panels of 32 columns: `[panels][inputs][32]`.
  let factor: AlignedBuffer
  /// R's diagonal.
  let diagonal: [Float]
  /// What the diagonal was damped by.
  let damping: Double

  /// Rotates the moments of a linear's inputs in place and factors them.
  ///
  /// - Parameters:
  ///   - statistics: its `gram` is overwritten.
  ///   - workspace: as many floats as `gram` has.
  /// - Returns: nil when the inputs say nothing: all zero, not finite, or no damping helps.
  /// - Throws: `system` when there is no memory.
  init?(
    statistics: InputStatistics, balance: [Float], rotation: Rotation, workspace: AlignedBuffer,
    product: FloatProduct, team: ThreadTeam
  ) throws(BertError) {
    let size = statistics.inputs
    let stride = statistics.stride
    let gram = statistics.gram
    guard statistics.isFinite, workspace.count >= gram.count else { return nil }
    try Self.rotate(statistics, balance: balance, rotation: rotation, product: product, team: team)

    let moments = (0..<size).map { gram.floats[$0 * stride + $0] }
    let trace = moments.reduce(0.0) { $0 + Double($1) }
    // Past 2⁶⁰ products in the factor might overflow.
    guard trace > 0, trace.isFinite, trace / Double(size) < 0x1p60 else { return nil }
    let order = moments.indices.sorted { (moments[$1], $0) < (moments[$0], $1) }
    let cholesky = try CholeskyFactor(size: size, product: product, team: team)
    var damping = Self.damping
    var found = false
    for _ in 0..<Self.attempts where !found {
      let added = Float(damping * trace / Double(size))
      Self.arrange(gram.floats, workspace.floats, order, stride, added, team)
      found = cholesky.factor(workspace.floats)
      if !found { damping *= 10 }
    }
    guard found else { return nil }
    inputs = size
    self.order = order
    self.damping = damping
    diagonal = (0..<size).map { k in
      let last = size - 1 - k
      return workspace.floats[last * stride + last]
    }
    factor = gram
    takeFactor(workspace.floats, stride, team)
  }

  /// H = T G Tᵀ for T the balance and rotation: first every row, then every column.
  private static func rotate(
    _ statistics: InputStatistics, balance: [Float], rotation: Rotation, product: FloatProduct,
    team: ThreadTeam
  ) throws(BertError) {
    let (size, stride) = (statistics.inputs, statistics.stride)
    let matrix = statistics.gram.floats
    let multiplier = rotation.inputMultiplier(balance)
    let rows = try team.each { () throws(BertError) in try AlignedBuffer(quantizing: stride) }
    let counters = (0..<4).map { _ in WorkCounter() }
    team.run { worker in
      counters[0].each(below: blockCount(size)) { block in
        for i in blockOfRows(block, of: size) {
          for j in 0..<i { matrix[j * stride + i] = matrix[i * stride + j] }
        }
      }
      team.barrier()
      for turn in 0..<2 {
        counters[1 + turn].each(below: blockCount(size)) { block in
          for i in blockOfRows(block, of: size) {
            let row = matrix + i * stride
            rotation.apply(row, multiplier: multiplier, to: rows[worker].floats, product.calls)
            row.update(from: rows[worker].floats, count: size)
          }
        }
        team.barrier()
        if turn == 0 {
          counters[3].each(below: blockCount(size)) { block in
            for i in blockOfRows(block, of: size) {
              for j in 0..<i {
                let upper = matrix[j * stride + i]
                matrix[j * stride + i] = matrix[i * stride + j]
                matrix[i * stride + j] = upper
              }
            }
          }
          team.barrier()
        }
      }
    }
  }

  /// Writes the lower triangle of -(H + added), in the reverse of `order`: its L, turned round, is R.
  private static func arrange(
    _ moments: UnsafeMutablePointer<Float>, _ result: UnsafeMutablePointer<Float>, _ order: [Int],
    _ stride: Int, _ added: Float, _ team: ThreadTeam
  ) {
    let size = order.count
    let reversed = Array(order.reversed())
    let counter = WorkCounter()
    team.run { _ in
      counter.each(below: blockCount(size)) { block in
        for i in blockOfRows(block, of: size) {
          let row = moments + reversed[i] * stride
          for j in 0...i { result[i * stride + j] = -row[reversed[j]] }
          result[i * stride + i] -= added
        }
      }
    }
  }

  /// From L to R in panels.
  private func takeFactor(
    _ l: UnsafeMutablePointer<Float>, _ stride: Int, _ team: ThreadTeam
  ) {
    let (size, width) = (inputs, FloatProduct.panel)
    let counter = WorkCounter()
    team.run { _ in
      counter.each(below: stride / width) { panel in
        let to = factor.floats + panel * width * size
        to.update(repeating: 0, count: width * size)
        let first = panel * width
        let last = min(size, first + width)
        for j in 0..<last {
          // R[j][k] = L[size - 1 - j][size - 1 - k]
          let row = l + (size - 1 - j) * stride + size - 1
          for k in max(first, j + 1)..<max(last, j + 1) {
            to[j * width + k - first] = row[-k] / diagonal[k]
          }
          if j >= first { to[j * width + j - first] = 1 }
        }
      }
    }
  }
}
