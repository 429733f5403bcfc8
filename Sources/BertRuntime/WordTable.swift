import BertErrors
import BertKernels
import BertModel

/// The word embeddings of a path, in the form the file has them: float32, float16, or int8 with a scale
/// for every 32 numbers of a row.
///
/// A row is decoded to float32, exactly or by one rounding: the same bits on every CPU.
///
/// Safety: the pointers go into a source that whoever holds this keeps alive.
package struct WordTable: @unchecked Sendable {
  /// Numbers of a row that share a scale.
  static let block = 32

  let view: TensorView
  private let scales: TensorView?
  private let width: Int

  /// Finds the table; rows are verified when they are first looked up.
  ///
  /// - Throws: `malformed` when it is absent or of another kind.
  package init(_ source: any WeightSource, _ precision: Precision) throws(BertError) {
    let c = source.model.configuration
    let shape = [c.vocabularySize, c.embeddingWidth]
    width = c.embeddingWidth
    guard precision == .int8, let own = source.find(CanonicalName.int8Words) else {
      view = try source.require(CanonicalName.wordEmbeddings, .float32, shape, verifying: false)
      scales = nil
      return
    }
    guard own.elementType == .float16 || own.elementType == .int8 else {
      throw BertError(
        .malformed, "is \(own.elementType.rawValue); expected F16 or I8",
        tensor: CanonicalName.int8Words)
    }
    view = try source.require(CanonicalName.int8Words, own.elementType, shape, verifying: false)
    scales =
      own.elementType == .int8
      ? try source.require(
        CanonicalName.int8WordScales, .float32,
        [c.vocabularySize, Self.blocks(of: c.embeddingWidth)],
        verifying: false)
      : nil
  }

  /// Scales of a row of so many numbers.
  static func blocks(of width: Int) -> Int { (width + block - 1) / block }

  /// The rows as float32 where they lie; nil where they must be decoded.
  var floats: UnsafePointer<Float>? { view.elementType == .float32 ? view.floats : nil }

  /// Checks the bytes of a row before it is used.
  func verify(_ row: Int, in source: any WeightSource) throws(BertError) {
    let bytes = width * view.elementType.size
    try source.verify(view, bytes: row * bytes..<(row + 1) * bytes)
    if let scales {
      let bytes = Self.blocks(of: width) * 4
      try source.verify(scales, bytes: row * bytes..<(row + 1) * bytes)
    }
  }

  /// Writes a row as float32.
  package func decode(_ row: Int, into out: UnsafeMutablePointer<Float>) {
    guard let base = view.bytes.baseAddress else { return }
    switch view.elementType {
    case .float16:
      let bits = base.assumingMemoryBound(to: UInt16.self) + row * width
      for k in 0..<width { out[k] = Float(half: bits[k]) }
    case .int8:
      guard let scales else { return }
      let q = base.assumingMemoryBound(to: Int8.self) + row * width
      let scale = scales.floats + row * Self.blocks(of: width)
      for k in 0..<width { out[k] = Float(q[k]) * scale[k / Self.block] }
    default:
      out.update(from: base.assumingMemoryBound(to: Float.self) + row * width, count: width)
    }
  }

  /// Checks all bytes before any row is used.
  func verifyAll(in source: any WeightSource) throws(BertError) {
    try source.verify(view, bytes: 0..<view.bytes.count)
    if let scales { try source.verify(scales, bytes: 0..<scales.bytes.count) }
  }
}
