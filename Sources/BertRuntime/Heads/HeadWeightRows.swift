import BertErrors
import BertKernels
import BertModel

/// Weights of a head's linear, an output's after another, in the form in which the file has them.
enum HeadWeightRows {
  /// In float32.
  case floats(UnsafePointer<Float>)
  /// The word embeddings, which are decoded to float32 when they are laid out.
  case words(WordTable)

  /// All of a path's word embeddings, verified.
  init(wordsOf source: any WeightSource, _ precision: Precision) throws(BertError) {
    let table = try WordTable(source, precision)
    try table.verifyAll(in: source)
    self = table.floats.map { .floats($0) } ?? .words(table)
  }

  /// Whether laying out needs memory for decoded rows.
  var areDecoded: Bool { if case .words = self { true } else { false } }

  /// Lays out the weights of some outputs in panels.
  ///
  /// - Parameters:
  ///   - inputs: weights of an output.
  ///   - decoded: room for these outputs' weights, used where they are decoded.
  func layOut(
    _ outputs: Range<Int>, inputs: Int, decoded: UnsafeMutablePointer<Float>,
    into panels: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .floats(let all):
      bk_pack_f32(all + outputs.lowerBound * inputs, outputs.count, inputs, panels)
    case .words(let table):
      for (index, row) in outputs.enumerated() {
        table.decode(row, into: decoded + index * inputs)
      }
      bk_pack_f32(decoded, outputs.count, inputs, panels)
    }
  }
}
