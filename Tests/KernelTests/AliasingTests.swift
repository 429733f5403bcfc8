import BertKernels
import Testing

/// Memory that `CBertKernels.h` lets a linear read and write: every set gives the bits that it gives with memories apart.
/// (`RowTests` has layer norm in place.)
@Suite struct AliasingTests {
  /// Rows at the edges of every tile, with widths that fill their last panel and that do not.
  static let shapes: [(rows: Int, outputs: Int, depth: Int)] = [
    (1, 1, 1), (1, 32, 32), (3, 31, 5), (4, 33, 16), (5, 64, 20), (6, 100, 32), (7, 65, 7),
    (11, 96, 40),
    (12, 32, 64), (13, 40, 33), (16, 70, 48), (17, 33, 128), (24, 129, 30), (33, 32, 31),
    (48, 64, 32),
    (49, 50, 65),
  ]

  @Test(arguments: [false, true])
  func aResidualMayBeTheOutput(float: Bool) {
    for (index, shape) in Self.shapes.enumerated() {
      let one = LinearCase(
        rows: shape.rows, outputs: shape.outputs, depth: shape.depth, seed: index,
        hasResidual: true,
        activation: BK_ACT_NONE)
      for set in KernelSet.available {
        let apart = one.run(set.calls, float: float)
        let together = one.runOverResidual(set.calls, float: float)
        for row in 0..<one.rows {
          let columns = row * one.outStride..<row * one.outStride + one.outputs
          #expect(apart[columns] == together[columns], "\(set.name) \(shape) row \(row)")
        }
      }
    }
  }

  @Test(arguments: [false, true])
  func inputsOfAFloatLinearMayBeItsOnlyPanel(adds: Bool) {
    for (index, shape) in Self.shapes.enumerated() {
      let one = LinearCase(
        rows: shape.rows, outputs: min(shape.outputs, 32), depth: shape.depth, seed: index,
        hasResidual: false, activation: BK_ACT_NONE)
      for set in KernelSet.available {
        let apart = one.runOnePanel(set.calls, overInputs: false, adds: adds)
        let together = one.runOnePanel(set.calls, overInputs: true, adds: adds)
        #expect(apart == together, "\(set.name) \(shape)")
      }
    }
  }
}

extension LinearCase {
  /// Runs all panels with a residual that lies in the output's memory.
  fileprivate func runOverResidual(_ calls: bk_kernels, float: Bool) -> [UInt32] {
    let out = GuardedMemory<Float>(count: (rows - 1) * outStride + panels * 32)
    for row in 0..<rows {
      for n in 0..<outputs {
        out.base[row * outStride + n] = residual.base[row * residualStride + n]
      }
    }
    var output = bk_output(
      out: out.base, stride: outStride, residual: UnsafePointer(out.base),
      residual_stride: outStride,
      activation: BK_ACT_NONE)
    run(calls, float: float, into: &output)
    return bits(out.elements)
  }

  /// Runs a float linear of one panel whose output lies over its inputs or elsewhere, and is added to what was there, or
  /// not; returns the 32 columns of each row.
  fileprivate func runOnePanel(_ calls: bk_kernels, overInputs: Bool, adds: Bool) -> [[UInt32]] {
    let stride = max(depth, 32) + 5
    let inputs = GuardedMemory<Float>(count: (rows - 1) * stride + max(depth, 32))
    for row in 0..<rows {
      for k in 0..<max(depth, 32) {
        inputs.base[row * stride + k] = k < depth ? x.base[row * rowStride + k] : Float(k)
      }
    }
    let elsewhere = GuardedMemory(inputs.elements)
    let out = overInputs ? inputs : elsewhere
    var output = bk_output(
      out: out.base, stride: stride, residual: adds ? UnsafePointer(out.base) : nil,
      residual_stride: stride, activation: BK_ACT_NONE)
    var linear = bk_linear_f32(
      outputs: outputs, depth: depth, weights: packedFloat.base, bias: bias.base)
    var all = bk_panels(first: 0, last: 1)
    calls.linear_f32(&linear, inputs.base, stride, rows, &all, 1, &output)
    return (0..<rows).map { row in
      bits(Array(out.elements[row * stride..<row * stride + outputs]))
    }
  }
}
