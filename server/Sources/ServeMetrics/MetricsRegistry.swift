import CoreMetrics
import Synchronization

/// Keeps metrics in memory and writes them as Prometheus reads them (text format 0.0.4).
///
/// It stands behind swift-metrics' interface, so that any other backend can take its place.
///
///     let registry = MetricsRegistry()
///     MetricsSystem.bootstrap(registry)
///     Counter(label: "requests_total", dimensions: [("route", "/embed")]).increment()
///     print(registry.text())
package final class MetricsRegistry: MetricsFactory {
  private struct State {
    var metrics: [MetricKey: any WrittenMetric] = [:]
    var families: [String: MetricFamily] = [:]
  }

  private let state = Mutex(State())

  package init() {}

  /// Says what a metric means and, for a histogram, where its buckets end.
  package func describe(_ name: String, _ help: String, buckets: [Double] = []) {
    state.withLock { $0.families[name] = MetricFamily(help: help, buckets: buckets) }
  }

  /// The metric of a name and labels, made if there is none.
  private func find<Metric: WrittenMetric>(
    _ label: String, _ dimensions: [(String, String)], _ make: (MetricFamily) -> Metric
  ) -> Metric {
    let key = MetricKey(label, dimensions)
    return state.withLock { state in
      if let found = state.metrics[key] as? Metric { return found }
      let made = make(state.families[label] ?? MetricFamily())
      state.metrics[key] = made
      return made
    }
  }

  private func forget(_ handler: AnyObject) {
    state.withLock { state in
      state.metrics = state.metrics.filter { $0.value !== handler }
    }
  }

  /// All metrics; those of one name together, in the order of their names and labels.
  package func text() -> String {
    let (metrics, families) = state.withLock { ($0.metrics, $0.families) }
    var text = ""
    var last = ""
    for (key, metric) in metrics.sorted(by: { $0.key < $1.key }) {
      if key.name != last {
        last = key.name
        let help = families[key.name]?.help ?? ""
        if !help.isEmpty { text += "# HELP \(key.name) \(MetricKey.escape(help, quotes: false))\n" }
        text += "# TYPE \(key.name) \(metric.type)\n"
      }
      metric.write(key, into: &text)
    }
    return text
  }
}

extension MetricsRegistry {
  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    find(label, dimensions) { _ in WholeCounter() }
  }

  package func makeFloatingPointCounter(
    label: String, dimensions: [(String, String)]
  ) -> any FloatingPointCounterHandler {
    find(label, dimensions) { _ in RealNumber(type: "counter") }
  }

  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    find(label, dimensions) { _ in RealNumber(type: "gauge") }
  }

  package func makeRecorder(
    label: String, dimensions: [(String, String)], aggregate: Bool
  ) -> any RecorderHandler {
    if !aggregate { return find(label, dimensions) { _ in RealNumber(type: "gauge") } }
    return find(label, dimensions) { Histogram($0.buckets) }
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    find(label, dimensions) { Histogram($0.buckets) }
  }

  package func destroyCounter(_ handler: any CounterHandler) { forget(handler) }
  package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {
    forget(handler)
  }
  package func destroyMeter(_ handler: any MeterHandler) { forget(handler) }
  package func destroyRecorder(_ handler: any RecorderHandler) { forget(handler) }
  package func destroyTimer(_ handler: any TimerHandler) { forget(handler) }
}

/// What metrics of one name have in common.
struct MetricFamily: Sendable {
  var help = ""
  var buckets: [Double] = []
}

/// A metric's name and labels.
struct MetricKey: Hashable, Comparable, Sendable {
  let name: String
  /// As the text has them: `route="/embed",status="200"`.
  let labels: String

  init(_ name: String, _ dimensions: [(String, String)]) {
    self.name = name
    labels = dimensions.map { "\($0.0)=\"\(Self.escape($0.1, quotes: true))\"" }
      .joined(separator: ",")
  }

  static func < (a: MetricKey, b: MetricKey) -> Bool {
    (a.name, a.labels) < (b.name, b.labels)
  }

  static func escape(_ text: String, quotes: Bool) -> String {
    var escaped = ""
    for character in text.unicodeScalars {
      switch character {
      case "\\": escaped += "\\\\"
      case "\n": escaped += "\\n"
      case "\"" where quotes: escaped += "\\\""
      default: escaped.unicodeScalars.append(character)
      }
    }
    return escaped
  }

  /// A line of the text: the name, a suffix, the labels and one more, the value.
  func line(_ value: String, suffix: String = "", extra: String = "") -> String {
    let all = [labels, extra].filter { !$0.isEmpty }.joined(separator: ",")
    return name + suffix + (all.isEmpty ? "" : "{\(all)}") + " \(value)\n"
  }
}
