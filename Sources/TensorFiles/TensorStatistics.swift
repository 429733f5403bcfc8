import Synchronization

/// What the values of a tensor are, as float32.
package struct TensorStatistics: Sendable, Equatable {
  /// The least finite value; nil where none is finite.
  package private(set) var minimum: Float?
  /// The largest finite value; nil where none is finite.
  package private(set) var maximum: Float?
  /// Values that are NaN or infinite.
  package private(set) var nonFinite = 0

  /// Sums up these values.
  package init(_ values: UnsafeBufferPointer<Float>) {
    typealias Lanes = SIMD16<Float>
    let (whole, width) = (values.count / Lanes.scalarCount, Lanes.scalarCount)
    var least = Lanes(repeating: .infinity)
    var most = Lanes(repeating: -.infinity)
    var finite = 0
    let start = UnsafeRawPointer(values.baseAddress)
    for place in 0..<whole {
      guard let start else { break }
      let x = start.loadUnaligned(
        fromByteOffset: place * width * MemoryLayout<Float>.stride, as: Lanes.self)
      // Times zero, what is not finite is NaN, which is not itself.
      let zero = x * 0
      let isFinite = zero .== zero
      least.replace(with: x, where: isFinite .& (x .< least))
      most.replace(with: x, where: isFinite .& (x .> most))
      if all(isFinite) {
        finite += width
      } else {
        for lane in 0..<width where isFinite[lane] { finite += 1 }
      }
    }
    var (low, high) = (least.min(), most.max())
    for place in (whole * width)..<values.count where values[place].isFinite {
      low = min(low, values[place])
      high = max(high, values[place])
      finite += 1
    }
    nonFinite = values.count - finite
    if finite > 0 { (minimum, maximum) = (low, high) }
  }

  /// Adds what further values are.
  mutating func add(_ other: TensorStatistics) {
    minimum = [minimum, other.minimum].compactMap { $0 }.min()
    maximum = [maximum, other.maximum].compactMap { $0 }.max()
    nonFinite += other.nonFinite
  }
}

/// What was seen of a checkpoint's tensors while they were read.
///
/// Any number of threads may add to it.
package final class StatisticsRecord: Sendable {
  private let seen = Mutex<[String: TensorStatistics]>([:])

  /// Keeps what a tensor's values are.
  func add(_ name: String, _ statistics: TensorStatistics) {
    seen.withLock { $0[name] = statistics }
  }

  /// What was seen of a tensor; nil when it was not read.
  package subscript(name: String) -> TensorStatistics? { seen.withLock { $0[name] } }
}
