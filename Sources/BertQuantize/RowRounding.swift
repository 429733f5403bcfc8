import BertErrors
import BertKernels

/// Rounds the rotated weights of a linear, a row at a time, to 255 levels each.
struct RowRounding {
  /// Levels lie in -most...most.
  static let most: Float = 127
  /// Below this a row counts as zero: what it is divided by must stay a normal number.
  static let leastPeak: Float = 1e-30

  /// The scale of a row with this largest magnitude.
  static func scale(peak: Float) -> Float { peak > leastPeak ? peak / most : 1 }

  /// The level nearest to `value` steps, ties to even.
  ///
  /// Adding 1.5 · 2²³ leaves no bits for a fraction, so the sum is rounded as the processor rounds.
  @inline(__always)
  static func level(_ value: Float) -> Float {
    let bounded = max(-most, min(most, value))
    return (bounded + 0x1.8p23) - 0x1.8p23
  }

  /// The largest magnitude of `count` floats; NaN counts as infinite.
  static func peak(_ row: UnsafePointer<Float>, _ count: Int) -> Float {
    var peaks = SIMD8<Float>(repeating: 0)
    var k = 0
    while k + 8 <= count {
      let x = UnsafeRawPointer(row + k).loadUnaligned(as: SIMD8<Float>.self)
      // Comparing so keeps a NaN of x.
      let magnitude = x.replacing(with: -x, where: x .< 0)
      peaks.replace(with: magnitude, where: .!(magnitude .<= peaks))
      k += 8
    }
    var peak: Float = 0
    for lane in 0..<8 where !(peaks[lane] <= peak) { peak = peaks[lane] }
    while k < count {
      if !(abs(row[k]) <= peak) { peak = abs(row[k]) }
      k += 1
    }
    return peak.isNaN ? .infinity : peak
  }

  /// Rounds each of `count` weights to the nearest level.
  static func nearest(
    _ row: UnsafePointer<Float>, _ count: Int, scale: Float, to levels: UnsafeMutablePointer<Int8>
  ) {
    var k = 0
    while k + 8 <= count {
      let x = UnsafeRawPointer(row + k).loadUnaligned(as: SIMD8<Float>.self) / scale
      let bounded = x.clamped(
        lowerBound: SIMD8(repeating: -most), upperBound: SIMD8(repeating: most))
      // The sum's low bits are the level as two's complement.
      let bits = unsafeBitCast(bounded + 0x1.8p23, to: SIMD8<UInt32>.self)
      let bytes = SIMD8<Int8>(truncatingIfNeeded: bits)
      UnsafeMutableRawPointer(levels + k).storeBytes(of: bytes, as: SIMD8<Int8>.self)
      k += 8
    }
    while k < count {
      levels[k] = Int8(level(row[k] / scale))
      k += 1
    }
  }
}

extension RowRounding {
  /// A worker's memory for the rows of one block.
  final class Scratch {
    /// Weights, in the order of rounding.
    let weights: AlignedBuffer
    /// What is left of them: the rounding errors.
    let errors: AlignedBuffer
    /// Levels, in the order of rounding.
    let levels: AlignedBuffer
    let sums: AlignedBuffer
    let row: AlignedBuffer
    let stride: Int

    init(inputs: Int) throws(BertError) {
      stride = roundUp(inputs, to: FloatProduct.panel)
      let rows = FloatProduct.blockRows
      weights = try AlignedBuffer(quantizing: rows * stride)
      errors = try AlignedBuffer(quantizing: rows * stride)
      levels = try AlignedBuffer(quantizing: rows * stride)
      sums = try AlignedBuffer(quantizing: rows * FloatProduct.panel)
      row = try AlignedBuffer(quantizing: stride)
    }
  }

  /// Rounds `count` rows of the scratch's weights, each input knowing what those before it left
  /// over, and gives each row's cost |δ R|².
  static func compensated(
    _ problem: RoundingProblem, scratch: Scratch, scales: [Float], product: FloatProduct
  ) -> [Double] {
    let (count, stride, size) = (scales.count, scratch.stride, problem.inputs)
    let width = FloatProduct.panel
    var costs = [Double](repeating: 0, count: count)
    let errors = FloatProduct.Rows(base: scratch.errors.floats, stride: stride, count: count)
    for first in Swift.stride(from: 0, to: size, by: width) {
      let panel = problem.factor.floats + first * size
      if first == 0 {
        scratch.sums.floats.update(repeating: 0, count: count * width)
      } else {
        product.run(
          errors, weights: panel, depth: first, panels: 1, out: scratch.sums.floats,
          outStride: width, adds: false)
      }
      let end = min(width, size - first)
      for row in 0..<count {
        let at = row * stride + first
        costs[row] += roundPanel(
          weights: scratch.weights.floats + at, errors: scratch.errors.floats + at,
          levels: scratch.levels.floats + at, sums: scratch.sums.floats + row * width,
          factor: panel + first * width, diagonal: problem.diagonal, first: first, count: end,
          scale: scales[row])
      }
    }
    return costs
  }

  /// 32 inputs of one row; `sums` holds what the errors before them carry over.
  @inline(__always)
  private static func roundPanel(
    weights: UnsafePointer<Float>, errors: UnsafeMutablePointer<Float>,
    levels: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>,
    factor: UnsafePointer<Float>, diagonal: [Float], first: Int, count: Int, scale: Float
  ) -> Double {
    var cost = 0.0
    for i in 0..<count {
      let wanted = weights[i] + sums[i]
      let level = level(wanted / scale)
      let rest = (wanted - level * scale) * diagonal[first + i]
      cost += Double(rest) * Double(rest)
      let error = weights[i] - level * scale
      levels[i] = level
      errors[i] = error
      let row = UnsafeRawPointer(factor + i * FloatProduct.panel)
      let to = UnsafeMutableRawPointer(sums)
      for half in 0..<2 {
        let offset = half * 64
        // Sums of inputs already rounded change too, and are not looked at again.
        let sum = to.load(fromByteOffset: offset, as: SIMD16<Float>.self)
        let carried = row.load(fromByteOffset: offset, as: SIMD16<Float>.self) * error
        to.storeBytes(of: sum + carried, toByteOffset: offset, as: SIMD16<Float>.self)
      }
    }
    return cost
  }

  /// The cost |δ R|² of rounding each of the scratch's weights to the nearest level; their errors
  /// are left in the scratch.
  static func nearestCosts(
    _ problem: RoundingProblem, scratch: Scratch, scales: [Float], product: FloatProduct
  ) -> [Double] {
    let (count, stride, size) = (scales.count, scratch.stride, problem.inputs)
    let width = FloatProduct.panel
    for row in 0..<count {
      let weights = scratch.weights.floats + row * stride
      let errors = scratch.errors.floats + row * stride
      let scale = scales[row]
      for k in 0..<size { errors[k] = weights[k] - level(weights[k] / scale) * scale }
    }
    var costs = [Double](repeating: 0, count: count)
    let errors = FloatProduct.Rows(base: scratch.errors.floats, stride: stride, count: count)
    for first in Swift.stride(from: 0, to: size, by: width) {
      let end = min(width, size - first)
      product.run(
        errors, weights: problem.factor.floats + first * size, depth: first + end, panels: 1,
        out: scratch.sums.floats, outStride: width, adds: false)
      for row in 0..<count {
        for i in 0..<end {
          let rest = scratch.sums.floats[row * width + i] * problem.diagonal[first + i]
          costs[row] += Double(rest) * Double(rest)
        }
      }
    }
    return costs
  }
}
