import CoreMetrics
import Synchronization

/// A metric that can be written.
protocol WrittenMetric: AnyObject, Sendable {
  /// Prometheus' word for what it is.
  var type: String { get }
  /// Appends its lines.
  func write(_ key: MetricKey, into text: inout String)
}

/// A count that only grows.
final class WholeCounter: CounterHandler, WrittenMetric {
  private let count = Atomic<Int64>(0)

  let type = "counter"

  func increment(by amount: Int64) { count.wrappingAdd(max(0, amount), ordering: .relaxed) }
  func reset() { count.store(0, ordering: .relaxed) }

  func write(_ key: MetricKey, into text: inout String) {
    text += key.line("\(count.load(ordering: .relaxed))")
  }
}

/// A number that is set, or grows by fractions.
final class RealNumber: FloatingPointCounterHandler, MeterHandler, RecorderHandler, WrittenMetric {
  private let number = Mutex(0.0)

  let type: String

  init(type: String) { self.type = type }

  func set(_ value: Int64) { set(Double(value)) }
  func set(_ value: Double) { number.withLock { $0 = value } }
  func record(_ value: Int64) { set(Double(value)) }
  func record(_ value: Double) { set(value) }
  func increment(by amount: Double) { number.withLock { $0 += amount } }
  func decrement(by amount: Double) { number.withLock { $0 -= amount } }
  func reset() { set(0.0) }

  func write(_ key: MetricKey, into text: inout String) {
    text += key.line(number.withLock { $0 }.prometheus)
  }
}

/// How often values fell below each of some bounds; a timer's are seconds.
final class Histogram: RecorderHandler, TimerHandler, WrittenMetric {
  private struct State {
    var counts: [Int]
    var sum = 0.0
  }

  private let bounds: [Double]
  private let state: Mutex<State>

  let type = "histogram"

  /// Bounds of a time in seconds, where none are said: from half a millisecond to half a minute.
  private static let usual = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
  ]

  init(_ bounds: [Double]) {
    let bounds = bounds.isEmpty ? Self.usual : bounds
    self.bounds = bounds
    state = Mutex(State(counts: [Int](repeating: 0, count: bounds.count + 1)))
  }

  func recordNanoseconds(_ duration: Int64) { record(Double(duration) * 1e-9) }
  func record(_ value: Int64) { record(Double(value)) }
  func record(_ value: Double) {
    let place = bounds.firstIndex { value <= $0 } ?? bounds.count
    state.withLock {
      $0.counts[place] += 1
      $0.sum += value
    }
  }

  func write(_ key: MetricKey, into text: inout String) {
    let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
    var below = 0
    for (count, bound) in zip(counts, bounds.map(\.prometheus) + ["+Inf"]) {
      below += count
      text += key.line("\(below)", suffix: "_bucket", extra: "le=\"\(bound)\"")
    }
    text += key.line(sum.prometheus, suffix: "_sum")
    text += key.line("\(below)", suffix: "_count")
  }
}

extension Double {
  /// The number as Prometheus reads it.
  fileprivate var prometheus: String {
    if isNaN { return "NaN" }
    if isInfinite { return self < 0 ? "-Inf" : "+Inf" }
    return description
  }
}
