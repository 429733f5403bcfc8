import SystemLibrary

/// Parts of a forward pass, as a profile names them.
package enum Stage: Int, CaseIterable, Sendable {
  /// Looking up and adding embeddings, and their norm.
  case embed
  /// Float rows to u8 rows, before each linear.
  case quantize
  /// The query, key and value linear.
  case queryKeyValue
  /// Scores, softmax and weighted values.
  case attention
  /// The attention's output linear with its residual.
  case attentionOutput
  /// The first feed-forward linear with its nonlinearity.
  case feedForwardUp
  /// The second feed-forward linear with its residual.
  case feedForwardDown
  /// Layer norms.
  case norm
  /// Waiting for other workers.
  case wait

  /// The name in tables and JSON.
  package var name: String {
    switch self {
    case .embed: "embed"
    case .quantize: "quantize"
    case .queryKeyValue: "qkv"
    case .attention: "attention"
    case .attentionOutput: "attention_output"
    case .feedForwardUp: "feed_forward_up"
    case .feedForwardDown: "feed_forward_down"
    case .norm: "norm"
    case .wait: "wait"
    }
  }
}

/// Sums up the time each worker spends in each stage.
///
/// Safety: a worker writes its own row only; read it between passes.
package final class StageClock: @unchecked Sendable {
  private let workers: Int
  private let seconds: UnsafeMutablePointer<Double>
  /// Doubles between workers' rows: whole cache lines, so that workers do not share one.
  private static let stride = 32

  /// Starts at zero.
  package init(workers: Int) {
    self.workers = workers
    seconds = .allocate(capacity: workers * Self.stride)
    seconds.initialize(repeating: 0, count: workers * Self.stride)
  }

  deinit { seconds.deallocate() }

  /// Seconds in a stage, of all workers together.
  package func total(_ stage: Stage) -> Double {
    (0..<workers).reduce(0) { $0 + seconds[$1 * Self.stride + stage.rawValue] }
  }

  fileprivate func add(_ stage: Stage, worker: Int, since start: Double) {
    seconds[worker * Self.stride + stage.rawValue] += Self.now() - start
  }

  /// Seconds of the monotonic clock.
  package static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

/// One worker's view of a clock, which may be absent.
struct WorkerClock {
  private let clock: StageClock?
  private let worker: Int

  init(_ clock: StageClock?, worker: Int) {
    self.clock = clock
    self.worker = worker
  }

  @inline(__always)
  func timed(_ stage: Stage, _ body: () -> Void) {
    guard let clock else { return body() }
    let start = StageClock.now()
    body()
    clock.add(stage, worker: worker, since: start)
  }
}
