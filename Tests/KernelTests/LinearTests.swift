import BertKernels
import Testing

/// Linears: every set against the portable one bit for bit, that one against scalar arithmetic.
@Suite struct LinearTests {
  typealias Shape = (rows: Int, outputs: Int, depth: Int)

  /// Each row count to 40, output count to 100 and depth to 300 once, pairs of tile edges, and
  /// random ones; with a full sweep, all rows by all outputs.
  static func shapes() -> [Shape] {
    var random = SeededRandom(1)
    var list: [Shape] = []
    for n in 1...40 { list.append((n, random.within(1...100), random.within(1...60))) }
    for n in 1...100 { list.append((random.within(1...40), n, random.within(1...60))) }
    for n in 1...300 { list.append((random.within(1...14), random.within(1...40), n)) }
    let edges = [1, 3, 4, 5, 6, 7, 11, 12, 13, 24, 25]
    for rows in edges {
      for outputs in [15, 16, 17, 31, 32, 33, 64, 65] {
        list.append((rows, outputs, random.within(1...33)))
      }
    }
    for _ in 0..<200 {
      list.append((random.within(1...40), random.within(1...100), random.within(1...300)))
    }
    guard KernelSets.isFullSweep else { return list }
    for rows in 1...40 {
      for outputs in 1...100 { list.append((rows, outputs, random.within(1...300))) }
    }
    return list
  }

  @Test func everySetEqualsPortableAtEveryTileEdge() throws {
    for (index, shape) in Self.shapes().enumerated() {
      let kind = FloatKind.allCases[index % 3 == 0 ? index / 3 % FloatKind.allCases.count : 0]
      let one = LinearCase(
        rows: shape.rows, outputs: shape.outputs, depth: shape.depth, seed: index, floatKind: kind)
      try KernelSets.expectSame("int8 \(shape)") { one.run($0, float: false) }
      try KernelSets.expectSame("float \(shape)") { one.run($0, float: true) }
    }
  }

  @Test(arguments: [384, 768, 1024, 1536, 3072, 4096])
  func everySetEqualsPortableAtRealWidths(width: Int) throws {
    for (rows, outputs, depth) in [(1, 70, width), (13, 33, width), (2, width, 40)] {
      let one = LinearCase(rows: rows, outputs: outputs, depth: depth, seed: width + rows)
      try KernelSets.expectSame("int8 \(rows) \(width)") { one.run($0, float: false) }
      try KernelSets.expectSame("float \(rows) \(width)") { one.run($0, float: true) }
    }
  }

  @Test func extremesStayExactAtTheLargestDepth() throws {
    let depth = Int(BK_MAX_DEPTH)
    for weights in ByteKind.allCases {
      for rows in [ByteKind.highest, .zeros] {
        let one = LinearCase(
          rows: 2, outputs: 3, depth: depth, seed: 9, weightKind: weights, rowKind: rows,
          hasResidual: false, activation: BK_ACT_NONE, withFloat: false)
        let result = try KernelSets.expectSame("\(weights) \(rows)") { one.run($0, float: false) }
        for n in 0..<3 {
          let expected = try one.expected(row: 1, output: n, float: false)
          #expect(result[one.outStride + n] == expected.bitPattern)
        }
      }
    }
    #expect(Int32(exactly: depth * 255 * 128) != nil)
  }

  @Test(arguments: [false, true])
  func portableEqualsScalarArithmetic(float: Bool) throws {
    let portable = try KernelSets.portable
    let kinds = ByteKind.allCases
    var random = SeededRandom(4)
    for round in 0..<150 {
      let one = LinearCase(
        rows: random.within(1...9), outputs: random.within(1...70), depth: random.within(1...90),
        seed: round, weightKind: kinds[round % 5 == 0 ? round / 5 % kinds.count : 0],
        activation: round % 2 == 0 ? BK_ACT_NONE : BK_ACT_RELU)
      let result = one.run(portable, float: float)
      for row in 0..<one.rows {
        var values: [Float] = []
        for n in 0..<one.outputs {
          values.append(try one.expected(row: row, output: n, float: float))
        }
        let start = row * one.outStride
        #expect(Array(result[start..<start + one.outputs]) == bits(values))
      }
    }
  }

  @Test(arguments: [BK_ACT_NONE, BK_ACT_GELU])
  func panelsAloneEqualAllPanels(activation: bk_activation) throws {
    let one = LinearCase(
      rows: 7, outputs: 100, depth: 37, seed: 3, hasResidual: activation == BK_ACT_NONE,
      activation: activation)
    for set in KernelSet.available {
      for float in [false, true] {
        let whole = one.run(set.calls, float: float)
        for panel in 0..<one.panels {
          let part = one.run(set.calls, float: float, panels: panel..<panel + 1)
          for row in 0..<7 {
            let start = row * one.outStride
            for n in 0..<one.panels * 32 {
              let isTouched = n / 32 == panel
              let expected = isTouched ? whole[start + n] : 0xa5a5_a5a5
              if part[start + n] != expected { Issue.record("\(set.name) row \(row) output \(n)") }
            }
          }
        }
      }
    }
  }

  @Test func rowsAloneEqualRowsTogether() throws {
    for hasResidual in [false, true] {
      let one = LinearCase(
        rows: 29, outputs: 40, depth: 51, seed: 8, hasResidual: hasResidual,
        activation: hasResidual ? BK_ACT_NONE : BK_ACT_GELU)
      for set in KernelSet.available {
        for float in [false, true] {
          let whole = one.run(set.calls, float: float)
          for row in 0..<one.rows {
            let alone = one.run(set.calls, float: float, rows: row..<row + 1)
            let start = row * one.outStride
            #expect(alone == Array(whole[start..<start + alone.count]))
          }
        }
      }
    }
  }
}
