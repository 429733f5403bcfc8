import Bertq
import Metrics
import ServeMetrics
import Synchronization

/// What is counted.
final class Instruments: Sendable {
  /// A route's answers of one status.
  private struct AnswerKind: Hashable {
    let route: String
    let status: Int
  }

  /// What is counted of the texts of a flow.
  private struct FlowKind {
    let tokens: Counter
    let waits: Timer

    init(_ flow: String, _ registry: MetricsRegistry) {
      let labels = [("flow", flow)]
      tokens = Counter(label: "bertq_tokens_total", dimensions: labels, factory: registry)
      waits = Timer(label: "bertq_queue_seconds", dimensions: labels, factory: registry)
    }
  }

  private let registry: MetricsRegistry
  // All are found once and kept: looking them up by their labels costs more than counting.
  private let answers = Mutex<[AnswerKind: (count: Counter, time: Timer)]>([:])
  private let refusals = Mutex<[String: Counter]>([:])
  private let interactive: FlowKind
  private let bulk: FlowKind
  private let texts: Counter
  private let textTokens: Recorder
  private let cutTexts: Counter
  private let computing: Timer
  private let served = Mutex<[Gauge]>([])

  init(_ registry: MetricsRegistry) {
    self.registry = registry
    let lengths: [Double] = [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]
    registry.describe("bertq_requests_total", "Requests by route and status.")
    registry.describe("bertq_request_seconds", "From a request's headers to its answer.")
    registry.describe("bertq_compute_seconds", "From the tokens of a request to its results.")
    registry.describe(
      "bertq_queue_seconds", "From the tokens of a request to the begin of its first text, by flow."
    )
    registry.describe("bertq_tokens_total", "Tokens of the texts that were answered, by flow.")
    registry.describe("bertq_texts_total", "Texts that were answered.")
    registry.describe("bertq_text_tokens", "Tokens of a text.", buckets: lengths)
    registry.describe("bertq_refused_total", "Requests that were not answered, by reason.")
    registry.describe(
      "bertq_cancelled_texts_total",
      "Texts that were not computed because nobody waited, by reason.")
    registry.describe("bertq_truncated_texts_total", "Texts that were cut, as their clients asked.")
    registry.describe("bertq_waiting_texts", "Texts that wait for a thread.")
    registry.describe(
      "bertq_queue_cost_seconds", "Predicted seconds of one thread for what waits, by flow.")
    registry.describe("bertq_lanes_busy", "Threads that compute.")
    registry.describe("bertq_cache_bytes", "Bytes of answers kept.")
    registry.describe("bertq_cache_hits_total", "Texts whose answer was kept.")
    registry.describe("bertq_cache_misses_total", "Texts that were looked for in vain.")
    registry.describe("bertq_cache_evictions_total", "Answers that were forgotten for others.")
    registry.describe("bertq_connections", "Open connections.")
    registry.describe("bertq_held_bytes", "Bytes that requests and answers take.")
    registry.describe("bertq_model_info", "The models that are served.")
    registry.describe("process_resident_memory_bytes", "Bytes of the process in memory.")
    registry.describe("process_cpu_seconds_total", "Seconds of all cores.")
    registry.describe(
      "process_start_time_seconds", "When the process began, in seconds since 1970.")
    interactive = FlowKind("interactive", registry)
    bulk = FlowKind("bulk", registry)
    computing = Timer(label: "bertq_compute_seconds", factory: registry)
    texts = Counter(label: "bertq_texts_total", factory: registry)
    textTokens = Recorder(label: "bertq_text_tokens", factory: registry)
    cutTexts = Counter(label: "bertq_truncated_texts_total", factory: registry)
  }

  /// Counts an answer.
  func note(route: String, status: Int, nanoseconds: Int64) {
    let kind = AnswerKind(route: route, status: status)
    let (count, time) = answers.withLock { answers in
      if let found = answers[kind] { return found }
      let made = (
        Counter(
          label: "bertq_requests_total", dimensions: [("route", route), ("status", "\(status)")],
          factory: registry),
        Timer(label: "bertq_request_seconds", dimensions: [("route", route)], factory: registry)
      )
      answers[kind] = made
      return made
    }
    count.increment()
    time.recordNanoseconds(nanoseconds)
  }

  /// Counts a request that was not answered.
  func noteRefusal(_ reason: String) {
    let count = refusals.withLock { refusals in
      if let found = refusals[reason] { return found }
      let made = Counter(
        label: "bertq_refused_total", dimensions: [("reason", reason)], factory: registry)
      refusals[reason] = made
      return made
    }
    count.increment()
  }

  /// Counts texts that were answered.
  ///
  /// - Parameter lengths: the tokens of each, where they were tokenized by the server.
  func note(
    texts count: Int, lengths: [Int], cutTexts cut: Int, _ tally: AnswerTally, nanoseconds: Int64
  ) {
    let flow = tally.isBulk ? bulk : interactive
    flow.tokens.increment(by: tally.tokens)
    if let waited = tally.waited { flow.waits.recordNanoseconds(waited.nanoseconds) }
    texts.increment(by: count)
    for length in lengths { textTokens.record(length) }
    if cut > 0 { cutTexts.increment(by: cut) }
    computing.recordNanoseconds(nanoseconds)
  }

  /// Notes which models are served, and no others any more.
  func noteModels(_ models: [NamedModel]) {
    served.withLock { served in
      for gauge in served { gauge.destroy() }
      served = models.map { model in
        let labels = [
          ("name", model.name), ("fingerprint", model.model.fingerprint),
          ("precision", model.model.precision.rawValue),
        ]
        return Gauge(label: "bertq_model_info", dimensions: labels, factory: registry)
      }
      for gauge in served { gauge.record(1) }
    }
  }

  /// Notes what a model has to do now.
  func note(_ load: ModelLoad, of name: String) {
    let label = ("model", name)
    gauge("bertq_waiting_texts", Double(load.waitingTexts), [label])
    gauge("bertq_queue_cost_seconds", load.interactiveSeconds, [label, ("flow", "interactive")])
    gauge("bertq_queue_cost_seconds", load.bulkSeconds, [label, ("flow", "bulk")])
    gauge("bertq_lanes_busy", Double(load.busyThreads), [label])
    total(
      "bertq_cancelled_texts_total", Double(load.cancelledTexts), [label, ("reason", "closed")])
    total(
      "bertq_cancelled_texts_total", Double(load.lateTexts),
      [label, ("reason", "deadline_exceeded")])
    gauge("bertq_cache_bytes", Double(load.cacheBytes), [label])
    total("bertq_cache_hits_total", Double(load.cacheHits), [label])
    total("bertq_cache_misses_total", Double(load.cacheMisses), [label])
    total("bertq_cache_evictions_total", Double(load.cacheEvictions), [label])
  }

  /// Notes a value of this moment.
  func gauge(_ name: String, _ value: Double, _ labels: [(String, String)] = []) {
    Gauge(label: name, dimensions: labels, factory: registry).record(value)
  }

  /// Notes a count that somebody else keeps.
  func total(_ name: String, _ value: Double, _ labels: [(String, String)] = []) {
    let counter = FloatingPointCounter(label: name, dimensions: labels, factory: registry)
    counter.reset()
    counter.increment(by: value)
  }
}
