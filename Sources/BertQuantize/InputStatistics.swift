import BertErrors
import BertKernels

/// What calibration remembers of a linear's inputs X: XᵀX, and how wide each input is.
///
/// Safety: workers of one team write disjoint parts.
final class InputStatistics: @unchecked Sendable {
  /// Inputs of the linear, K.
  let inputs: Int
  /// Floats from one row of `gram` to the next.
  let stride: Int
  /// XᵀX: the lower triangle, and parts of the upper one.
  let gram: AlignedBuffer
  /// Rows seen.
  private(set) var rows = 0
  /// Σ of xₖ² / |x|² over rows, for each input.
  private var shares: [Double]
  /// Σ of |x|² over rows.
  private var energy = 0.0

  init(inputs: Int) throws(BertError) {
    self.inputs = inputs
    stride = roundUp(inputs, to: FloatProduct.panel)
    gram = try AlignedBuffer(quantizing: stride * stride)
    shares = [Double](repeating: 0, count: stride)
  }

  /// Each input's mean square, rows of every length counting alike; the mean is that of all rows.
  var energies: [Double] {
    let count = Double(max(rows, 1))
    return shares[..<inputs].map { $0 / count * (energy / count) }
  }

  /// Whether nothing overflowed.
  var isFinite: Bool { energy.isFinite && shares.allSatisfy(\.isFinite) }

  /// Room for the rows of one pass in two orders, shared by all linears.
  final class Scratch {
    let panels: AlignedBuffer
    let columns: AlignedBuffer
    /// Doubles.
    let lengths: AlignedBuffer
    let most: Int

    init(rows: Int, inputs: Int) throws(BertError) {
      most = rows
      panels = try AlignedBuffer(quantizing: rows * roundUp(inputs, to: FloatProduct.panel))
      columns = try AlignedBuffer(quantizing: rows * roundUp(inputs, to: FloatProduct.panel))
      lengths = try AlignedBuffer(quantizing: rows * 2)
    }
  }

  /// Adds `count` rows of `inputs` floats, at most as many as the scratch has room for.
  func add(
    _ x: UnsafePointer<Float>, stride xStride: Int, count: Int, scratch: Scratch,
    product: FloatProduct, team: ThreadTeam
  ) {
    guard count > 0, count <= scratch.most else { return }
    let panels = stride / FloatProduct.panel
    let counters = (0..<3).map { _ in WorkCounter() }
    let lengths = scratch.lengths.base.assumingMemoryBound(to: Double.self)
    shares.withUnsafeMutableBufferPointer { shares in
      guard let shares = shares.baseAddress else { return }
      team.run { _ in
        counters[0].each(below: blockCount(count)) { block in
          for row in blockOfRows(block, of: count) {
            lengths[row] = squaredLength(x + row * xStride)
          }
        }
        team.barrier()
        counters[1].each(below: panels) { panel in
          arrange(x, xStride, count, panel: panel, scratch)
          addShares(x, xStride, count, panel: panel, lengths, shares)
        }
        team.barrier()
        counters[2].each(below: blockCount(inputs)) { index in
          // The longest rows of the triangle first, so that no worker is left with them.
          addProducts(
            blockOfRows(blockCount(inputs) - 1 - index, of: inputs), count, scratch, product)
        }
      }
    }
    rows += count
    for row in 0..<count { energy += lengths[row] }
  }

  private func squaredLength(_ x: UnsafePointer<Float>) -> Double {
    var sum = 0.0
    for k in 0..<inputs { sum += Double(x[k]) * Double(x[k]) }
    return sum
  }

  /// Copies 32 columns to the panels, and turned round to the columns.
  private func arrange(
    _ x: UnsafePointer<Float>, _ xStride: Int, _ count: Int, panel: Int, _ scratch: Scratch
  ) {
    let first = panel * FloatProduct.panel
    let width = min(FloatProduct.panel, inputs - first)
    let to = scratch.panels.floats + first * count
    if width < FloatProduct.panel { to.update(repeating: 0, count: FloatProduct.panel * count) }
    for row in 0..<count {
      (to + row * FloatProduct.panel).update(from: x + row * xStride + first, count: width)
    }
    for k in 0..<width {
      let column = scratch.columns.floats + (first + k) * count
      for row in 0..<count { column[row] = to[row * FloatProduct.panel + k] }
    }
  }

  private func addShares(
    _ x: UnsafePointer<Float>, _ xStride: Int, _ count: Int, panel: Int,
    _ lengths: UnsafePointer<Double>, _ shares: UnsafeMutablePointer<Double>
  ) {
    let first = panel * FloatProduct.panel
    for row in 0..<count where lengths[row] > 0 {
      let inverse = 1 / lengths[row]
      for k in first..<min(inputs, first + FloatProduct.panel) {
        let value = Double(x[row * xStride + k])
        shares[k] += value * value * inverse
      }
    }
  }

  private func addProducts(
    _ rows: Range<Int>, _ count: Int, _ scratch: Scratch, _ product: FloatProduct
  ) {
    let panels = (rows.upperBound + FloatProduct.panel - 1) / FloatProduct.panel
    product.run(
      FloatProduct.Rows(
        base: scratch.columns.floats + rows.lowerBound * count, stride: count, count: rows.count),
      weights: scratch.panels.floats, depth: count, panels: panels,
      out: gram.floats + rows.lowerBound * stride, outStride: stride, adds: true)
  }
}
