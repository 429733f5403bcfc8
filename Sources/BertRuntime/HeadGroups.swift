import BertKernels
import BertModel

/// Heads whose queries, keys and values are computed together: the least number that fills whole
/// panels of the linear, or enough that the panels' edges waste little.
struct HeadGroups {
  /// How many groups.
  let count: Int
  /// Floats of a group's row: queries, keys and values, each in whole panels.
  let width: Int

  private let headSize: Int
  private let headCount: Int
  private let headsOfGroup: Int

  /// Outputs that a group has at least where heads fill no whole panels.
  private static let leastWidth = 128
  /// Outputs that a group has at most for the sake of whole panels.
  private static let mostWidth = 256

  init(_ c: BertConfiguration) {
    headSize = c.headSize
    headCount = c.headCount
    var heads = 1
    while heads * headSize % 32 != 0 { heads += 1 }
    if c.hiddenSize % 32 != 0 || heads * headSize > Self.mostWidth {
      heads = max(1, Self.leastWidth / headSize)
    }
    headsOfGroup = min(heads, headCount)
    count = (headCount + headsOfGroup - 1) / headsOfGroup
    var panels = 0
    for first in stride(from: 0, to: headCount, by: headsOfGroup) {
      let heads = first..<min(first + headsOfGroup, headCount)
      panels = max(
        panels,
        (0..<3).reduce(0) { $0 + Self.panels($1, heads, c.headSize, c.headCount).count })
    }
    width = 32 * panels
  }

  /// The heads of a group.
  func heads(_ group: Int) -> Range<Int> {
    let first = group * headsOfGroup
    return first..<min(first + headsOfGroup, headCount)
  }

  /// The panels of the query, key and value linear that hold a group's queries, keys and values.
  func panels(_ group: Int) -> [bk_panels] {
    (0..<3).map {
      let range = Self.panels($0, heads(group), headSize, headCount)
      return bk_panels(first: range.lowerBound, last: range.upperBound)
    }
  }

  /// Where a head's query, key and value begin in its group's row.
  func offsets(_ head: Int, _ group: Int) -> [Int] {
    var start = 0
    return panels(group).enumerated().map { part, panels in
      defer { start += 32 * (panels.last - panels.first) }
      return start + (part * headCount + head) * headSize - 32 * panels.first
    }
  }

  private static func panels(
    _ part: Int, _ heads: Range<Int>, _ headSize: Int, _ headCount: Int
  ) -> Range<Int> {
    let first = (part * headCount + heads.lowerBound) * headSize
    let last = (part * headCount + heads.upperBound) * headSize
    return (first / 32)..<((last + 31) / 32)
  }
}
