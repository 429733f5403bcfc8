import BertErrors
import BertKernels

/// The Cholesky factor of a symmetric positive matrix, in panels of 32 columns.
///
/// Float32 suffices for rotated inputs: no diagonal element is far from the mean, so rounding moves
/// each element by some 10⁻⁵ of the mean, and what the caller adds to the diagonal is a hundredth of it.
/// Inputs that are not rotated (a width that is no multiple of 16, or a recipe without rotation) may have
/// elements far above the mean. Then rounding may leave the matrix no longer positive, which `factor`
/// finds and the caller answers with more damping.
struct CholeskyFactor {
  /// Floats from one row to the next: whole panels.
  let stride: Int
  private let size: Int
  private let product: FloatProduct
  private let team: ThreadTeam
  /// Rows of one panel turned round: `[size][32]`.
  private let turned: AlignedBuffer
  /// -1 times the inverse of a diagonal block, turned round: `[32][32]`.
  private let inverse = AlignedBuffer(floats: FloatProduct.panel * FloatProduct.panel)

  private static let width = FloatProduct.panel

  init(size: Int, product: FloatProduct, team: ThreadTeam) throws(BertError) {
    self.size = size
    self.product = product
    self.team = team
    stride = roundUp(size, to: Self.width)
    turned = try AlignedBuffer(quantizing: stride * Self.width)
  }

  /// Replaces the lower triangle of -A by L with A = L Lᵀ; above the diagonal is left arbitrary.
  ///
  /// - Parameter matrix: `size` rows, `stride` apart.
  /// - Returns: false when A is not positive definite in float32.
  func factor(_ matrix: UnsafeMutablePointer<Float>) -> Bool {
    var isPositive = true
    let panels = stride / Self.width
    let counters = (0..<(3 * panels)).map { _ in WorkCounter() }
    team.run { worker in
      for panel in 0..<panels {
        let first = panel * Self.width
        counters[3 * panel].each(below: blockCount(first)) { block in
          turn(matrix, panel: first, columns: blockOfRows(block, of: first))
        }
        team.barrier()
        let below = size - first
        counters[3 * panel + 1].each(below: first > 0 ? blockCount(below) : 0) { block in
          let rows = blockOfRows(block, of: below)
          let row = matrix + (first + rows.lowerBound) * stride
          product.run(
            FloatProduct.Rows(base: row, stride: stride, count: rows.count),
            weights: turned.floats, depth: first, panels: 1, out: row + first, outStride: stride,
            adds: true)
        }
        team.barrier()
        // The others wait below; they read `isPositive` after the barrier.
        if worker == 0 { isPositive = factorDiagonal(matrix + first * stride + first, below) }
        team.barrier()
        if !isPositive { return }
        let rest = below - Self.width
        counters[3 * panel + 2].each(below: blockCount(max(0, rest))) { block in
          let rows = blockOfRows(block, of: rest)
          let row = matrix + (first + Self.width + rows.lowerBound) * stride + first
          // In place: a row's 32 inputs are read before its outputs are written.
          product.run(
            FloatProduct.Rows(base: row, stride: stride, count: rows.count),
            weights: inverse.floats, depth: Self.width, panels: 1, out: row, outStride: stride,
            adds: false)
        }
        team.barrier()
      }
    }
    return isPositive
  }

  private func turn(
    _ matrix: UnsafeMutablePointer<Float>, panel first: Int, columns: Range<Int>
  ) {
    let width = min(Self.width, size - first)
    for column in columns {
      let to = turned.floats + column * Self.width
      for i in 0..<width { to[i] = matrix[(first + i) * stride + column] }
      for i in width..<Self.width { to[i] = 0 }
    }
  }

  /// Factors a diagonal block in double and keeps its inverse; false when a pivot is not positive.
  private func factorDiagonal(_ block: UnsafeMutablePointer<Float>, _ below: Int) -> Bool {
    let width = min(Self.width, below)
    var l = [Double](repeating: 0, count: width * width)
    for i in 0..<width {
      for j in 0...i {
        var sum = -Double(block[i * stride + j])
        for k in 0..<j { sum -= l[i * width + k] * l[j * width + k] }
        if i == j {
          guard sum > 0, sum.isFinite else { return false }
          l[i * width + i] = sum.squareRoot()
        } else {
          l[i * width + j] = sum / l[j * width + j]
        }
        block[i * stride + j] = Float(l[i * width + j])
      }
    }
    invert(l, width)
    return true
  }

  private func invert(_ l: [Double], _ width: Int) {
    inverse.floats.update(repeating: 0, count: Self.width * Self.width)
    var columns = [Double](repeating: 0, count: width)
    for j in 0..<width {
      for i in j..<width {
        var sum = i == j ? 1.0 : 0.0
        for k in j..<i { sum -= l[i * width + k] * columns[k] }
        columns[i] = sum / l[i * width + i]
        inverse.floats[j * Self.width + i] = Float(-columns[i])
      }
    }
  }
}
