import BertErrors

/// Scores of texts or of their tokens: rows of `width` floats, text by text.
///
/// The caller's own: heads append to it, whatever round or model they read.
package struct HeadScores: Sendable {
  /// Scores of a row.
  package let width: Int
  /// All rows, one after the other.
  package private(set) var values: [Float] = []
  /// Each text's first row, and behind the last the number of rows.
  package private(set) var starts: [Int] = [0]

  /// No scores yet, for rows of so many.
  package init(width: Int) { self.width = width }

  /// Texts that have scores.
  package var textCount: Int { starts.count - 1 }
  /// Rows in all.
  package var rowCount: Int { starts[starts.count - 1] }

  /// The rows of text `index`, in the order in which texts were appended.
  package func rows(_ index: Int) -> Range<Int> { starts[index]..<starts[index + 1] }

  /// The scores of a row.
  package subscript(row: Int) -> ArraySlice<Float> {
    values[(row * width)..<((row + 1) * width)]
  }

  /// Forgets everything, keeping the memory.
  package mutating func removeAll() {
    values.removeAll(keepingCapacity: true)
    starts = [0]
  }

  /// Adds texts of so many rows each, and lends the rows to be written.
  ///
  /// When that throws, it holds what it held before.
  mutating func append(
    rows counts: [Int], _ body: (UnsafeMutablePointer<Float>) throws(BertError) -> Void
  ) throws(BertError) {
    let held = (values: values.count, texts: starts.count)
    for count in counts { starts.append(rowCount + count) }
    values += repeatElement(0, count: rowCount * width - held.values)
    do throws(BertError) {
      try values.withUnsafeMutableBufferPointer { (buffer) throws(BertError) in
        if let base = buffer.baseAddress { try body(base + held.values) }
      }
    } catch {
      values.removeLast(values.count - held.values)
      starts.removeLast(starts.count - held.texts)
      throw error
    }
  }
}
