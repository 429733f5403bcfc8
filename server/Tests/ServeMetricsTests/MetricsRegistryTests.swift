import CoreMetrics
import ServeMetrics
import Testing

@Suite struct MetricsRegistryTests {
  @Test func writesWhatPrometheusReads() {
    let registry = MetricsRegistry()
    registry.describe("a_total", "What \"a\" is.\nMore.")
    registry.describe("b", "Sizes.", buckets: [1, 2.5])
    let first = Counter(label: "a_total", dimensions: [("route", "/x\"\\\n")], factory: registry)
    first.increment(by: 2)
    Counter(label: "a_total", dimensions: [("route", "/x\"\\\n")], factory: registry).increment()
    let sizes = Recorder(label: "b", factory: registry)
    for size in [1.0, 2, 3] { sizes.record(size) }
    Gauge(label: "c", factory: registry).record(0.5)
    #expect(
      registry.text() == """
        # HELP a_total What "a" is.\\nMore.
        # TYPE a_total counter
        a_total{route="/x\\"\\\\\\n"} 3
        # HELP b Sizes.
        # TYPE b histogram
        b_bucket{le="1.0"} 1
        b_bucket{le="2.5"} 2
        b_bucket{le="+Inf"} 3
        b_sum 6.0
        b_count 3
        # TYPE c gauge
        c 0.5

        """)
  }

  @Test func countsFromManyTasksAtOnce() async {
    let registry = MetricsRegistry()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<1000 {
            Counter(label: "n_total", factory: registry).increment()
            Timer(label: "t", factory: registry).recordNanoseconds(1000)
          }
        }
      }
    }
    #expect(registry.text().contains("\nn_total 8000\n"))
    #expect(registry.text().contains("\nt_count 8000\n"))
  }
}
