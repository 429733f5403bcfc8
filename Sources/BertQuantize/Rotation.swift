import BertKernels
import BertModel

/// The fixed orthogonal mix of a linear's inputs, which spreads a few wide inputs over all.
///
/// The kernels compute it without its scale (`bk_input`), so multipliers carry that.
package struct Rotation: OptionSet, Hashable, Sendable {
  /// `bk_rotation`, or-ed.
  package let rawValue: Int32

  /// A combination of parts.
  package init(rawValue: Int32) { self.rawValue = rawValue }

  /// Across 16-lane vectors.
  package static let vectors = Rotation(rawValue: Int32(BK_ROTATE_VECTORS.rawValue))
  /// Across three neighbouring vectors.
  package static let thirds = Rotation(rawValue: Int32(BK_ROTATE_THIRDS.rawValue))
  /// Within each vector.
  package static let lanes = Rotation(rawValue: Int32(BK_ROTATE_LANES.rawValue))

  /// All parts that `inputs` allows; none when it is no whole number of vectors.
  package static func full(inputs: Int) -> Rotation {
    let lanes = Int(BK_LANES)
    guard inputs % lanes == 0 else { return [] }
    var odd = inputs / lanes
    while odd % 2 == 0 { odd /= 2 }
    return odd == 3 ? [.vectors, .thirds, .lanes] : [.vectors, .lanes]
  }

  /// What a linear's inputs are rotated by: lanes cost most where rows are widest, and there the
  /// mix across vectors alone reaches far enough.
  package static func standard(_ site: LinearSite, inputs: Int) -> Rotation {
    let full = full(inputs: inputs)
    switch site {
    case .queryKeyValue, .feedForwardUp: return full
    case .attentionOutput, .feedForwardDown: return full.subtracting(.lanes)
    }
  }

  /// The square of what the unscaled mix multiplies every length by.
  func squaredGain(inputs: Int) -> Int {
    var gain = 1
    if contains(.vectors) { gain *= (inputs / 16) & -(inputs / 16) }
    if contains(.lanes) { gain *= 16 }
    return gain
  }

  /// The multiplier for inputs: balance over the gain, so that the rotated row keeps its length.
  package func inputMultiplier(_ balance: [Float]) -> [Float] {
    let scale = 1 / Float(squaredGain(inputs: balance.count)).squareRoot()
    return balance.map { $0 * scale }
  }

  /// The multiplier for a row of weights, which undoes the inputs' balance.
  package func weightMultiplier(_ balance: [Float]) -> [Float] {
    let scale = 1 / Float(squaredGain(inputs: balance.count)).squareRoot()
    return balance.map { scale / $0 }
  }

  /// Writes the mix of `row` times `multiplier`, which must not be the row itself.
  func apply(
    _ row: UnsafePointer<Float>, multiplier: [Float], to result: UnsafeMutablePointer<Float>,
    _ calls: bk_kernels
  ) {
    multiplier.withUnsafeBufferPointer { multiplier in
      var input = bk_input(
        depth: multiplier.count, multiplier: multiplier.baseAddress, rotation: rawValue)
      calls.rotate_row(&input, row, result)
    }
  }

  /// Fixed signs, half of them negative without pattern: they keep inputs that rise and fall
  /// together from adding up in the mix.
  package static func signs(_ count: Int) -> [Float] {
    (0..<count).map { index in
      var hash = UInt32(truncatingIfNeeded: index + 1) &* 0x9E37_79B1
      hash ^= hash >> 15
      hash = hash &* 0x85EB_CA77
      hash ^= hash >> 13
      return hash >> 31 == 1 ? -1 : 1
    }
  }
}
