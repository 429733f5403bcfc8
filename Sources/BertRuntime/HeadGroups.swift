import BertModel

/// Heads whose queries, keys and values are computed together: the least number that fills whole
/// panels of the linear, or enough that the panels' edges waste little.
struct HeadGroups {
  /// How many groups.
  let count: Int
  /// Floats of one group's rows of query, key or value in the scratch.
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
      for part in 0..<3 {
        panels = max(panels, Self.panels(part, heads, c.headSize, c.headCount).count)
      }
    }
    width = 32 * panels
  }

  /// The heads of a group.
  func heads(_ group: Int) -> Range<Int> {
    let first = group * headsOfGroup
    return first..<min(first + headsOfGroup, headCount)
  }

  /// The panels of the query, key and value linear that hold a group's queries (part 0), keys or
  /// values.
  func panels(_ part: Int, _ group: Int) -> Range<Int> {
    Self.panels(part, heads(group), headSize, headCount)
  }

  /// Where a head's query (part 0), key or value begins in its group's row of `3 * width` floats.
  func offset(_ part: Int, _ head: Int, _ group: Int) -> Int {
    part * width + (part * headCount + head) * headSize - panels(part, group).lowerBound * 32
  }

  private static func panels(
    _ part: Int, _ heads: Range<Int>, _ headSize: Int, _ headCount: Int
  ) -> Range<Int> {
    let first = (part * headCount + heads.lowerBound) * headSize
    let last = (part * headCount + heads.upperBound) * headSize
    return (first / 32)..<((last + 31) / 32)
  }
}
