import BertErrors
import BertModel
import BertRuntime
import Bertq
import ByteFiles
import SystemLibrary

/// Which last hidden states of each text a cell wants; nothing is computed for others alone.
package enum BenchRows: String, CaseIterable {
  case all, first

  var wanted: WantedRows { self == .all ? .all : .first }
}

/// What one cell of the table runs.
package struct Workload {
  let kind: String
  let batch: Int
  let length: Int
  let tokens: TokenBatch

  var label: String { kind == "grid" ? "\(batch) × \(length)" : kind }

  /// Multiply-adds of the encoder's linears and of attention's two products, over real tokens and wanted
  /// rows.
  func multiplyAdds(_ c: BertConfiguration, _ precision: Precision) -> Int {
    let h = c.hiddenSize
    let feedForward = LinearSite.feedForwardUp.outputs(c) + c.intermediateSize
    let behindAttention = h * (h + feedForward)
    return (0..<tokens.count).reduce(0) { sum, text in
      let length = tokens.range(text).count
      let rows = tokens.wanted[text] == .first ? 1 : length
      // In int8 all queries of a text are computed, since they share a scale.
      let queries = precision == .int8 ? length : rows
      func layer(_ queries: Int, _ rows: Int) -> Int {
        h * h * (2 * length + queries) + rows * (behindAttention + 2 * length * h)
      }
      return sum + (c.layerCount - 1) * layer(length, length) + layer(queries, rows)
    }
  }

  /// `batch` texts of `length` tokens each, with ids drawn from the whole vocabulary.
  static func grid(
    batch: Int, length: Int, _ c: BertConfiguration, _ rows: BenchRows = .all
  ) throws(BertError) -> Workload {
    var random = Sequence64(seed: 1)
    var tokens = TokenBatch()
    for _ in 0..<batch {
      try tokens.append(ids: random.ids(length, c), wanting: rows.wanted, for: c)
    }
    return Workload(kind: "grid", batch: batch, length: length, tokens: tokens)
  }

  /// Texts of a file, one a line; the longest are cut.
  static func ragged(
    _ model: ServedModel, file: String, _ rows: BenchRows = .all
  ) throws(BertError) -> Workload {
    let reader = try LineReader(path: file)
    try ForeignInput.check(reader, by: ForeignInput.Reader("bert-bench … --input -"))
    var tokens = TokenBatch()
    while let line = try reader.next() {
      do throws(BertError) {
        try model.append(
          TextInput(text: line), to: &tokens, truncates: true, wanting: rows.wanted)
      } catch {
        throw reader.place.locate(strictly: error)
      }
    }
    if tokens.count == 0 { throw BertError(.malformed, "holds no texts", file: file) }
    return Workload(kind: "ragged", batch: tokens.count, length: 0, tokens: tokens)
  }

  /// 128 texts with the lengths of sentences: log-normal, mean about 25 tokens, at most 128.
  static func ragged(
    _ c: BertConfiguration, _ rows: BenchRows = .all
  ) throws(BertError) -> Workload {
    var random = Sequence64(seed: 2)
    var tokens = TokenBatch()
    for _ in 0..<128 {
      let length = min(128, c.maximumPositions, max(3, Int(exp(3.05 + 0.58 * random.normal()))))
      try tokens.append(ids: random.ids(length, c), wanting: rows.wanted, for: c)
    }
    return Workload(kind: "ragged", batch: tokens.count, length: 0, tokens: tokens)
  }
}

/// A small generator of fixed random numbers (Knuth's MMIX constants).
struct Sequence64 {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }

  mutating func ids(_ count: Int, _ c: BertConfiguration) -> [Int32] {
    (0..<count).map { _ in Int32(next() % UInt64(c.vocabularySize)) }
  }

  /// The sum of twelve uniforms less six: near enough to normal.
  mutating func normal() -> Double {
    (0..<12).reduce(-6.0) { sum, _ in sum + Double(next() & 0xFFFFFF) / Double(1 << 24) }
  }
}
