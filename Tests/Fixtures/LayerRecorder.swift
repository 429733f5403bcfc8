import BertModel
import BertRuntime

/// Copies every layer's hidden states of one pass.
///
/// Safety: workers write disjoint rows.
package final class LayerRecorder: EncoderObserver, @unchecked Sendable {
  private let width: Int
  private let layers: [UnsafeMutableBufferPointer<Float>]

  /// Makes room for the embeddings and so many layers of so many tokens.
  package init(layers count: Int, tokens: Int, width: Int) {
    self.width = width
    layers = (0...count).map { _ in .allocate(capacity: tokens * width) }
    for layer in layers { layer.initialize(repeating: .nan) }
  }

  deinit { for layer in layers { layer.deallocate() } }

  /// The states after a layer, -1 being the embeddings, row after row.
  package func states(_ layer: Int) -> [Float] { Array(layers[layer + 1]) }

  /// Keeps the rows.
  package func hidden(layer: Int, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int) {
    for (index, row) in rows.enumerated() {
      for i in 0..<width { layers[layer + 1][row * width + i] = values[index * stride + i] }
    }
  }

  /// Passes over the inputs of linears.
  package func input(
    layer: Int, site: LinearSite, rows: Range<Int>, values: UnsafePointer<Float>, stride: Int
  ) {}
}
