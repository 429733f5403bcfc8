import BertErrors
import BertKernels
import BertModel

/// Rows of floats that a head works on, `stride` apart.
struct HeadRows {
  let base: UnsafePointer<Float>
  let stride: Int
  let count: Int
}

extension HeadSource {
  /// Hands out the hidden states of some tokens in blocks of up to `HeadScratch.mostRows`, with the
  /// places of a block's tokens among them.
  ///
  /// States that lie one after the other are read where they are.
  func eachBlock(
    of tokens: [Int], _ states: BertEncoder.HiddenStates,
    _ body: (Range<Int>, HeadRows) throws(BertError) -> Void
  ) throws(BertError) {
    let size = configuration.hiddenSize
    for first in stride(from: 0, to: tokens.count, by: HeadScratch.mostRows) {
      let range = first..<min(first + HeadScratch.mostRows, tokens.count)
      let some = tokens[range]
      if some.last == some[first] + some.count - 1,
        zip(some, some.dropFirst()).allSatisfy({ $0 < $1 })
      {
        let base = states.row(some[first])
        try body(range, HeadRows(base: base, stride: states.stride, count: some.count))
        continue
      }
      let stride = states.stride
      let rows = try scratch.memory(.gathered, bytes: 4 * HeadScratch.mostRows * stride).floats
      for (index, token) in some.enumerated() {
        (rows + index * stride).update(from: states.row(token), count: size)
      }
      try body(range, HeadRows(base: UnsafePointer(rows), stride: stride, count: some.count))
    }
  }

  /// Hands out the means of the hidden states of some texts, in blocks of up to `HeadScratch.mostRows`, with the
  /// places of a block's texts among them.
  func eachBlock(
    ofMeans texts: [Range<Int>], _ states: BertEncoder.HiddenStates,
    _ body: (Range<Int>, HeadRows) throws(BertError) -> Void
  ) throws(BertError) {
    let size = configuration.hiddenSize
    let stride = states.stride
    for first in Swift.stride(from: 0, to: texts.count, by: HeadScratch.mostRows) {
      let range = first..<min(first + HeadScratch.mostRows, texts.count)
      let rows = try scratch.memory(.gathered, bytes: 4 * HeadScratch.mostRows * stride).floats
      for (index, text) in texts[range].enumerated() {
        kernels.calls.mean_rows(
          states.row(text.lowerBound), stride, text.count, size, rows + index * stride)
      }
      try body(range, HeadRows(base: UnsafePointer(rows), stride: stride, count: range.count))
    }
  }

  /// Memory for a block of rows as wide as the hidden states, which a head's first linear writes.
  func transformed(_ count: Int) throws(BertError) -> (rows: HeadRows, UnsafeMutablePointer<Float>)
  {
    let widest = max(configuration.hiddenSize, configuration.embeddingWidth)
    let stride = rowStride(bytes: 4 * roundUp(widest, to: BK_PANEL)) / 4
    let base = try scratch.memory(.transformed, bytes: 4 * HeadScratch.mostRows * stride).floats
    return (HeadRows(base: UnsafePointer(base), stride: stride, count: count), base)
  }
}
