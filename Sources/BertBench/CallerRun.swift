import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import Synchronization
import SystemLibrary

/// The library with many callers, each with one text a call, beside the encoder alone.
package struct CallerRun {
  let served: ServedModel
  let kernels: KernelSet
  let precision: Precision
  let threads: Int
  let rounds: Int
  let seconds: Double

  /// Measures a model as `run` says, with its first precision and number of threads.
  package init(_ run: BenchRun) {
    served = run.served
    kernels = run.kernels
    precision = run.heldPrecisions.first ?? .float32
    threads = run.threadCounts.last ?? 1
    rounds = run.rounds
    seconds = run.seconds
  }

  func model() throws(BertError) -> Model {
    var options = ModelOptions()
    options.precision = precision == .int8 ? .int8 : .float32
    options.threads = threads
    options.kernels = kernels.name
    return try Model(served, options: options)
  }

  /// Tokens a second of the encoder over the ragged cell, and of the library over its texts, in turn.
  ///
  /// - Parameter callers: threads that each ask for one text's vector, wait for it, and ask again.
  /// - Throws: what a text's computation threw.
  package func throughput(callers: Int) throws(BertError) -> CallerThroughput {
    let workload = try Workload.ragged(served.description.configuration)
    let texts = (0..<workload.tokens.count).map {
      TextInput(ids: Array(workload.tokens.ids[workload.tokens.range($0)]))
    }
    let encoder = try served.encoder(
      precision, kernels: kernels, team: ThreadTeam(count: threads))
    let model = try model()
    var result = CallerThroughput(
      callers: callers, precision: precision, threads: threads, encoder: [], library: [],
      processorTime: [])
    try encoder.encode(workload.tokens) { _ in }
    _ = try model.embed(texts)
    for _ in 0..<rounds {
      let (begin, busy) = (StageClock.now(), processorSeconds())
      var runs = 0
      repeat {
        try encoder.encode(workload.tokens) { _ in }
        runs += 1
      } while StageClock.now() - begin < seconds
      let computed = Double(runs * workload.tokens.tokenCount)
      result.encoder.append(computed / (StageClock.now() - begin))
      let encoderBusy = (processorSeconds() - busy) / computed
      let work = CallerWork(model: model, texts: texts, end: StageClock.now() + seconds)
      let (start, before) = (StageClock.now(), processorSeconds())
      runThreads(callers) { work.ask() }
      if let failure = work.failure { throw failure }
      let answered = Double(work.tokens.load(ordering: .relaxed))
      result.library.append(answered / (StageClock.now() - start))
      result.processorTime.append((processorSeconds() - before) / answered / encoderBusy)
    }
    return result
  }
}

/// Runs `body` on so many threads and waits for all; fewer where the system refuses them.
func runThreads(_ count: Int, _ body: @escaping @Sendable () -> Void) {
  let threads = (0..<count).compactMap { _ in startThread(body) }
  for thread in threads { pthread_join(thread, nil) }
}

/// What callers share while they ask for one text after the other.
final class CallerWork: Sendable {
  private let model: Model
  private let texts: [TextInput]
  private let end: Double
  private let request: RequestOptions
  private let next = Atomic(0)
  private let problem = Atomic(false)
  private let stopped = Atomic(false)
  /// Tokens of all answered texts.
  let tokens = Atomic(0)

  /// - Parameter end: when callers stop, on the clock of `StageClock`.
  init(
    model: Model, texts: [TextInput], end: Double = .infinity,
    request: RequestOptions = RequestOptions()
  ) {
    self.model = model
    self.texts = texts
    self.end = end
    self.request = request
  }

  /// Asks for `count` texts a call, one call after the other, until the end.
  func ask(_ count: Int = 1) {
    while StageClock.now() < end, !stopped.load(ordering: .relaxed) {
      let first = next.add(count, ordering: .relaxed).oldValue
      let some = (first..<first + count).map { texts[$0 % texts.count] }
      for (text, answer) in zip(some, model.embedEach(some, request: request)) {
        switch answer {
        case .success: tokens.add(text.ids?.count ?? 0, ordering: .relaxed)
        case .failure: problem.store(true, ordering: .relaxed)
        }
      }
    }
  }

  /// Lets callers come to their end.
  func stop() { stopped.store(true, ordering: .relaxed) }

  /// That a text had no answer, which makes a measurement worthless.
  var failure: BertError? {
    problem.load(ordering: .relaxed)
      ? BertError(.system, "a text of the measurement was not answered") : nil
  }
}

/// Tokens a second, a number for each round.
package struct CallerThroughput {
  let callers: Int
  let precision: Precision
  let threads: Int
  /// The encoder's, over whole batches.
  package var encoder: [Double]
  /// The library's, with one text a call.
  package var library: [Double]

  /// The processor time that the library takes for a token, callers included, as a multiple of the
  /// encoder's.
  package var processorTime: [Double]

  /// The library's speed as a part of the encoder's: the median over the rounds.
  package var ratio: Double { Cell.median(zip(library, encoder).map { $0 / $1 }) }
}
