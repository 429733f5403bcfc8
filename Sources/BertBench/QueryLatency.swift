import BertErrors
import BertModel
import BertRuntime
import Bertq
import Synchronization
import SystemLibrary

/// How long a query waits for its vector, alone and beside a job that never ends.
///
/// Queries come when they come (exponential gaps), whether the one before is answered or not, and their
/// time counts from that moment.
package struct QueryLatency {
  let precision: Precision
  let threads: Int
  /// Tokens of a query.
  static let queryTokens = 16
  /// The part of the lanes' time that queries alone would take.
  static let load = 0.3
  /// Queries of a round.
  static let queries = 1000
  /// Milliseconds of each query, sorted, a list a round: nothing else runs.
  package var alone: [[Double]] = []
  /// The same beside the bulk job.
  package var besideBulk: [[Double]] = []
  /// The bulk job's tokens a second, a number a round: nothing else runs.
  package var bulkAlone: [Double] = []
  /// The same beside the queries.
  package var bulkBeside: [Double] = []

  /// A quantile of sorted values.
  static func quantile(_ sorted: [Double], _ part: Double) -> Double {
    sorted.isEmpty ? .nan : sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))]
  }

  static func quantile(_ rounds: [[Double]], _ part: Double) -> Double {
    Cell.median(rounds.map { quantile($0, part) })
  }

  /// The p99 beside the job as a multiple of the p99 alone: the median over the rounds.
  package var ratio: Double {
    Cell.median(
      zip(besideBulk, alone).map { Self.quantile($0, 0.99) / Self.quantile($1, 0.99) })
  }

  /// What the bulk job keeps of its speed beyond what queries take: the median over the rounds.
  package var bulkRatio: Double { Cell.median(zip(bulkBeside, bulkAlone).map { $0 / $1 }) }
}

extension CallerRun {
  /// Measures queries of 16 tokens, alone and beside a bulk job of texts of about 110 tokens, in turn.
  ///
  /// - Throws: what a text's computation threw.
  package func queryLatency() throws(BertError) -> QueryLatency {
    let model = try model()
    let c = served.description.configuration
    var random = Sequence64(seed: 3)
    let queries = (0..<QueryLatency.queries).map { _ in
      TextInput(ids: random.ids(min(QueryLatency.queryTokens, c.maximumPositions), c))
    }
    let bulk = (0..<512).map { _ in
      let length = min(256, c.maximumPositions, max(8, Int(exp(4.62 + 0.4 * random.normal()))))
      return TextInput(ids: random.ids(length, c))
    }
    _ = try model.embed(bulk)
    let mean = try service(model, queries) / QueryLatency.load / Double(threads)
    var result = QueryLatency(precision: precision, threads: threads)
    for round in 0..<rounds {
      let arrivals = Arrivals(model, queries, meanGap: mean, seed: UInt64(round + 10))
      result.alone.append(try arrivals.run())
      let job = CallerWork(model: model, texts: bulk, request: RequestOptions(priority: .bulk))
      // As long as beside the queries: a call counts when all its texts are answered.
      result.bulkAlone.append(try rate(of: job) { pause(arrivals.duration) })
      let both = CallerWork(model: model, texts: bulk, request: RequestOptions(priority: .bulk))
      let again = Arrivals(model, queries, meanGap: mean, seed: UInt64(round + 10))
      var times: Result<[Double], BertError> = .success([])
      result.bulkBeside.append(
        try rate(of: both) { times = Result { () throws(BertError) in try again.run() } })
      result.besideBulk.append(try times.get())
    }
    return result
  }

  /// Seconds that a query takes when nothing else runs.
  private func service(_ model: Model, _ queries: [TextInput]) throws(BertError) -> Double {
    var times: [Double] = []
    for query in queries.prefix(200) {
      let start = StageClock.now()
      _ = try model.embed([query])
      times.append(StageClock.now() - start)
    }
    return Cell.median(times)
  }

  /// The tokens a second of a bulk job that two callers keep going while `body` runs.
  private func rate(of job: CallerWork, during body: () -> Void) throws(BertError) -> Double {
    let threads = (0..<2).compactMap { _ in startThread { job.ask(32) } }
    pause(0.2)
    let (start, before) = (StageClock.now(), job.tokens.load(ordering: .relaxed))
    body()
    let done = job.tokens.load(ordering: .relaxed) - before
    let time = StageClock.now() - start
    job.stop()
    for thread in threads { pthread_join(thread, nil) }
    if let failure = job.failure { throw failure }
    return Double(done) / time
  }
}

/// Queries at moments that do not wait for answers.
private final class Arrivals: Sendable {
  /// More than ever wait at once at this load; a query that finds none free still counts from its moment.
  private static let callers = 32

  private let model: Model
  private let queries: [TextInput]
  /// Seconds from the start to each query.
  private let moments: [Double]
  /// Seconds until the last query comes.
  var duration: Double { moments.last ?? 0 }
  private let next = Atomic(0)
  private let failed = Atomic(false)

  init(_ model: Model, _ queries: [TextInput], meanGap: Double, seed: UInt64) {
    self.model = model
    self.queries = queries
    var random = Sequence64(seed: seed)
    var moment = 0.0
    moments = queries.map { _ in
      let uniform = (Double(random.next() & 0xFFFFFF) + 0.5) / Double(1 << 24)
      moment -= meanGap * log(uniform)
      return moment
    }
  }

  /// The milliseconds of each query, sorted.
  func run() throws(BertError) -> [Double] {
    let start = StageClock.now() + 0.01
    let times = LatencyList(count: queries.count)
    runThreads(Self.callers) { [self] in
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < queries.count else { return }
        pause(start + moments[index] - StageClock.now())
        let answer = model.embedEach(
          [queries[index]], request: RequestOptions(priority: .interactive))
        if case .failure? = answer.first { failed.store(true, ordering: .relaxed) }
        times[index] = (StageClock.now() - start - moments[index]) * 1e3
      }
    }
    if failed.load(ordering: .relaxed) {
      throw BertError(.system, "a query of the measurement was not answered")
    }
    return times.sorted()
  }
}

/// Numbers that threads write, each its own.
///
/// Safety: no two threads write one number, and all have ended before one is read.
private final class LatencyList: @unchecked Sendable {
  private let values: UnsafeMutableBufferPointer<Double>

  init(count: Int) {
    values = .allocate(capacity: count)
    values.initialize(repeating: 0)
  }

  deinit { values.deallocate() }

  subscript(index: Int) -> Double {
    get { values[index] }
    set { values[index] = newValue }
  }

  func sorted() -> [Double] { values.sorted() }
}

/// Sleeps so many seconds; not at all when there are none.
private func pause(_ seconds: Double) {
  guard seconds > 0 else { return }
  var time = timespec()
  time.tv_sec = Int(seconds)
  time.tv_nsec = Int((seconds - seconds.rounded(.down)) * 1e9)
  nanosleep(&time, nil)
}
