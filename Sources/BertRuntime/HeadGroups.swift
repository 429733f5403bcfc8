import BertKernels
import BertModel

/// Heads whose queries, keys and values are computed together.
struct HeadGroup {
  /// Where in the group's rows a head's query, key and value begin.
  struct Place {
    let head: Int
    let query: Int
    let key: Int
    let value: Int
  }

  /// The panels of the query, key and value linear that hold the group's, in this order.
  let panels: [bk_panels]
  /// The first of them.
  let queries: [bk_panels]
  /// The others.
  let keysAndValues: [bk_panels]
  /// Its heads.
  let places: [Place]

  /// Floats of a row: queries, keys and values, each in whole panels.
  var width: Int { panels.reduce(0) { $0 + $1.width } }

  init(_ heads: Range<Int>, _ c: BertConfiguration) {
    var panels: [bk_panels] = []
    // What a head's first column of the linear is less than its place in the group's row.
    var shifts: [Int] = []
    var width = 0
    for part in 0..<3 {
      let first = (part * c.headCount + heads.lowerBound) * c.headSize
      let last = (part * c.headCount + heads.upperBound) * c.headSize
      let range = bk_panels(columns: first..<last)
      panels.append(range)
      shifts.append(width + part * c.hiddenSize - range.first * BK_PANEL)
      width += range.width
    }
    self.panels = panels
    queries = Array(panels[..<1])
    keysAndValues = Array(panels[1...])
    places = heads.map { head in
      let column = head * c.headSize
      return Place(
        head: head, query: column + shifts[0], key: column + shifts[1], value: column + shifts[2])
    }
  }
}

/// All heads of a layer, in groups of heads that are computed together: the smallest number of heads whose
/// width is a multiple of 32 (a weight panel) or, if that is too wide, enough heads that partly filled
/// panels waste little.
struct HeadGroups {
  let groups: [HeadGroup]
  /// Floats of the widest group's row.
  let width: Int

  /// Outputs that a group has at least where heads fill no whole panels.
  private static let leastWidth = 128
  /// Outputs that a group has at most for the sake of whole panels.
  private static let mostWidth = 256

  init(_ c: BertConfiguration) {
    var heads = 1
    while heads * c.headSize % BK_PANEL != 0 { heads += 1 }
    if c.hiddenSize % BK_PANEL != 0 || heads * c.headSize > Self.mostWidth {
      heads = max(1, Self.leastWidth / c.headSize)
    }
    let size = min(heads, c.headCount)
    groups = stride(from: 0, to: c.headCount, by: size).map {
      HeadGroup($0..<min($0 + size, c.headCount), c)
    }
    width = groups.map(\.width).max() ?? 0
  }
}
