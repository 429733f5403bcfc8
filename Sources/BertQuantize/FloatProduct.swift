import BertErrors
import BertKernels

/// Products of float matrices by the kernels' float linear: each sum one chain of fused
/// multiply-adds in a fixed order, so the bits depend on neither threads nor instruction set.
struct FloatProduct {
  /// Columns of a panel.
  static let panel = Int(BK_PANEL)
  /// Rows of a task: a multiple of every kernel's tile.
  static let blockRows = Int(BK_BLOCK_ROWS)

  let calls: bk_kernels
  /// What the kernel adds as a bias.
  private let zeros: AlignedBuffer

  init(kernels: KernelSet, columns: Int) throws(BertError) {
    calls = kernels.calls
    zeros = try AlignedBuffer(quantizing: roundUp(columns, to: Self.panel))
  }

  /// A matrix whose row `i` starts at `base + i * stride`.
  struct Rows {
    let base: UnsafePointer<Float>
    let stride: Int
    let count: Int
  }

  /// out[r][c] += Σₖ x[r][k] · w[k][c] for the columns c of panels below `panels`.
  ///
  /// - Parameters:
  ///   - weights: `[panels][depth][32]`.
  ///   - out: rows `outStride` apart, of whole panels.
  ///   - adds: whether to add to what is there, or to replace it.
  func run(
    _ x: Rows, weights: UnsafePointer<Float>, depth: Int, panels: Int,
    out: UnsafeMutablePointer<Float>, outStride: Int, adds: Bool
  ) {
    guard x.count > 0 else { return }
    var linear = bk_linear_f32(
      outputs: panels * Self.panel, depth: depth, weights: weights, bias: zeros.floats)
    var output = bk_output(
      out: out, stride: outStride, residual: adds ? UnsafePointer(out) : nil,
      residual_stride: outStride, activation: BK_ACT_NONE)
    var all = bk_panels(first: 0, last: panels)
    calls.linear_f32(&linear, x.base, x.stride, x.count, &all, 1, &output)
  }
}

/// The rows `first..<last` of task `index`, of `rows` rows in blocks.
func blockOfRows(_ index: Int, of rows: Int) -> Range<Int> {
  let first = index * FloatProduct.blockRows
  return first..<min(rows, first + FloatProduct.blockRows)
}

/// How many blocks there are of `rows` rows.
func blockCount(_ rows: Int) -> Int {
  (rows + FloatProduct.blockRows - 1) / FloatProduct.blockRows
}

extension AlignedBuffer {
  /// Zeros for `count` floats that quantising works with.
  ///
  /// - Throws: `system` when the system gives no more memory.
  convenience init(quantizing count: Int) throws(BertError) {
    try self.init(
      checkedFloats: count, for: "quantising",
      advice: "use fewer threads or fewer calibration texts")
  }
}

extension ThreadTeam {
  /// What `make` makes, once for each worker.
  func each<Value>(_ make: () throws(BertError) -> Value) throws(BertError) -> [Value] {
    var values: [Value] = []
    for _ in 0..<count { values.append(try make()) }
    return values
  }
}

extension WorkCounter {
  /// Calls `body` for indices below `count` until all are taken.
  func each(below count: Int, _ body: (Int) -> Void) {
    while true {
      let index = take()
      if index >= count { return }
      body(index)
    }
  }
}
