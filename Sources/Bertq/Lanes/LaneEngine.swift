import BertErrors
import BertKernels
import BertRuntime
import SystemLibrary

/// The lanes of a model in one process: threads that compute what callers submit, as the policy orders it.
///
/// Any thread may submit and cancel. Threads hold the engine's state but no model, so that a model that
/// nobody holds any more ends them.
///
/// Safety: `gangs` and `work` guard themselves, `threads` belongs to whoever makes and ends the engine, and
/// all other variables are used under the lock.
final class LaneEngine: @unchecked Sendable {
  /// The process it works in: a forked child has none of its threads.
  let generation = ForkGeneration.current

  private let gangs: GangPool
  private let lock = LaneLock()
  private let work = LaneSignal()
  private var policy: LanePolicy<TextJob>
  /// Questions that wait, each once.
  private var waiting: [Question: TextJob] = [:]
  private var cache: AnswerCache
  private var curve: CostCurve
  private var cancelledTexts = 0
  private var lateTexts = 0
  /// Of calls that were answered since the lock was taken.
  private var resumptions = Resumptions()
  private var isEnding = false
  private var threads: [ThreadIdentity] = []
  private let beginning = ContinuousClock.now

  /// Starts the lanes; fewer when the system refuses threads.
  ///
  /// - Throws: `system` when it gives none.
  init(
    weights: SharedWeights, kernels: KernelSet, settings: LaneSettings, curve: CostCurve,
    cacheBytes: Int
  ) throws(BertError) {
    gangs = GangPool(weights: weights, kernels: kernels)
    policy = LanePolicy(settings)
    cache = AnswerCache(capacity: cacheBytes)
    self.curve = curve
    for _ in 0..<settings.lanes {
      guard let thread = startThread({ [self] in serve() }) else { break }
      threads.append(ThreadIdentity(thread))
    }
    if threads.isEmpty {
      throw BertError(.system, "the system gives the model no thread to compute with")
    }
    if threads.count < settings.lanes {
      var settings = settings
      settings.lanes = threads.count
      lock.locked { policy = LanePolicy(settings) }
    }
  }

  /// Ends the lanes, when they have computed what they are at, and waits for them.
  func end() {
    lock.locked {
      isEnding = true
      work.wakeAll()
    }
    for thread in threads { thread.join() }
  }

  /// Seconds since the engine was made.
  private var now: Double { seconds(ContinuousClock.now) }

  private func seconds(_ instant: ContinuousClock.Instant) -> Double {
    (instant - beginning).seconds
  }

  /// What a thread does until the engine ends.
  private func serve() {
    let lane = Lane(gangs)
    while let work = next() {
      let start = ContinuousClock.now
      lane.compute(work.jobs, lanes: work.lanes)
      finish(work, seconds: (ContinuousClock.now - start).seconds)
    }
  }

  /// Runs `body` under the lock, and then resumes the tasks whose calls it has answered.
  private func locked<Value>(_ body: () -> Value) -> Value {
    let (value, due) = lock.locked {
      let value = body()
      defer { resumptions = Resumptions() }
      return (value, resumptions)
    }
    due.run()
    return value
  }

  /// What a thread finds when it looks for something to compute.
  private enum Found {
    case work(LanePolicy<TextJob>.Work)
    case nothing
    case end
  }

  /// Waits for something to compute; nil when the engine ends.
  private func next() -> LanePolicy<TextJob>.Work? {
    while true {
      switch locked({ look() }) {
      case .work(let work): return work
      case .nothing: continue
      case .end: return nil
      }
    }
  }

  /// Looks once, under the lock, and waits where there is nothing, not even somebody to be told of a deadline.
  private func look() -> Found {
    if isEnding { return .end }
    let begin = now
    let found = policy.next(now: begin)
    for job in policy.takeLate() {
      forget(job)
      job.fail(BertError(.deadline, "the text was still waiting when its deadline passed"))
      job.deliver(&cache, &resumptions)
      lateTexts += 1
    }
    guard let found else {
      if resumptions.isEmpty { work.wait(lock) }
      return .nothing
    }
    for job in found.jobs {
      forget(job)
      job.begin(now: begin)
    }
    return .work(found)
  }

  private func forget(_ job: TextJob) {
    job.ticket = nil
    if waiting[job.question] === job { waiting[job.question] = nil }
  }

  private func finish(_ done: LanePolicy<TextJob>.Work, seconds: Double) {
    locked {
      policy.finished(done)
      if done.lanes > 1 {
        // The other lanes of the gang sleep.
        if policy.waiting > 0 { work.wakeAll() }
      } else {
        curve.learn(predicted: done.cost, seconds: seconds)
      }
      for job in done.jobs { job.deliver(&cache, &resumptions) }
    }
  }
}

// MARK: What callers do

extension LaneEngine {
  /// Submits a call's questions.
  ///
  /// - Parameter questions: each with the index of its answer.
  func submit<Reader: AnswerReader>(
    _ questions: [(index: Int, question: Question)], for call: Call<Reader.Answer>,
    reader: Reader, _ request: RequestOptions
  ) {
    locked {
      if call.wasCancelled { return }
      let now = now
      let scoresWords = reader.head?.scoresWords == true
      let costs = questions.map { item in
        let (ids, rows) = (item.question.ids, item.question.rows)
        guard scoresWords else { return curve.cost(tokens: ids.count) }
        let scored = (rows ?? reader.wanted(ids)).places(in: ids.count).count
        return curve.cost(tokens: ids.count, scored: scored)
      }
      let total = costs.reduce(0, +)
      let flow = request.flow(seconds: total)
      let deadline = request.deadline.map(seconds)
      let refusal = policy.refusal(
        of: total, flow: flow, deadline: deadline, longestQueue: request.longestQueue?.seconds,
        now: now)
      if let error = refusal.map(BertError.init) {
        for item in questions { call.deliver(.failure(error), at: item.index, &resumptions) }
        return
      }
      call.submitted(at: now, request.tally)
      request.tally?.note(flow)
      var jobs: [AnswerJob<Reader>] = []
      for ((index, question), cost) in zip(questions, costs) {
        if let answer = cache.find(question) as? Reader.Answer {
          call.deliver(.success(answer), at: index, &resumptions)
          request.tally?.noteKept(tokens: question.ids.count)
          continue
        }
        request.tally?.noteComputed(tokens: question.ids.count)
        // Whoever has a deadline of its own shares no computation that another's may end.
        let shared = deadline == nil ? waiting[question] as? AnswerJob<Reader> : nil
        let job = shared ?? AnswerJob(question, cost: cost, reader: reader)
        job.join(call, at: index)
        if shared == nil {
          jobs.append(job)
          if deadline == nil { waiting[question] = job }
        }
      }
      let tickets = policy.submit(
        jobs.map {
          LanePolicy.Entry(
            $0, tokens: $0.question.ids.count, cost: $0.cost, deadline: deadline)
        }, flow: flow, now: now)
      for (job, ticket) in zip(jobs, tickets) { job.ticket = ticket }
      if jobs.count == 1 { work.wakeOne() } else if !jobs.isEmpty { work.wakeAll() }
    }
  }

  /// What waits, and what the cache holds.
  var load: ModelLoad {
    lock.locked {
      var load = ModelLoad()
      load.waitingTexts = policy.waiting
      load.interactiveSeconds = policy.waitingCost(.interactive)
      load.bulkSeconds = policy.waitingCost(.bulk)
      load.busyThreads = policy.settings.lanes - policy.idle
      load.cancelledTexts = cancelledTexts
      load.lateTexts = lateTexts
      load.cacheBytes = cache.bytes
      load.cacheHits = cache.counts.hits
      load.cacheMisses = cache.counts.misses
      load.cacheEvictions = cache.counts.evictions
      return load
    }
  }

  /// Answers texts of a call that could not be asked.
  func fail<Answer>(_ failures: [(index: Int, error: BertError)], of call: Call<Answer>) {
    if failures.isEmpty { return }
    locked {
      for failure in failures {
        call.deliver(.failure(failure.error), at: failure.index, &resumptions)
      }
    }
  }

  /// Takes a call's waiting texts away and ends it.
  func cancel<Answer>(_ call: Call<Answer>) {
    locked {
      for job in call.jobs where job.leave(call) {
        guard let ticket = job.ticket else { continue }
        if policy.cancel(ticket) { cancelledTexts += 1 }
        forget(job)
      }
      call.cancel(&resumptions)
    }
  }

  /// Blocks until a call is answered.
  func wait<Answer>(_ call: Call<Answer>) -> [Result<Answer, BertError>] {
    lock.locked {
      call.wait(lock)
      return call.results
    }
  }

  /// Suspends a task until a call is answered.
  func wait<Answer>(_ call: Call<Answer>) async -> [Result<Answer, BertError>] {
    await withCheckedContinuation { continuation in
      locked { call.whenDone(continuation, &resumptions) }
    }
  }
}

extension BertError {
  fileprivate init(_ refusal: LanePolicy<TextJob>.Refusal) {
    switch refusal {
    case .overloaded(let seconds):
      self.init(
        .overloaded,
        "work for \(DecimalText.fixed(seconds, 2)) seconds waits already; try again later")
    case .late(_, let left) where left <= 0: self.init(.deadline, "the deadline has passed")
    case .late(let seconds, let left):
      self.init(
        .deadline,
        "the answer would take \(DecimalText.fixed(seconds * 1000, 1)) ms; the deadline leaves "
          + "\(DecimalText.fixed(left * 1000, 1))")
    }
    if case .overloaded(let seconds) = refusal { retryAfter = .seconds(seconds) }
  }
}

extension Duration {
  /// The duration in seconds.
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

/// A thread that is to be waited for.
private struct ThreadIdentity {
  private let thread: pthread_t

  init(_ thread: pthread_t) { self.thread = thread }

  /// Waits until it ends; not for itself.
  func join() {
    if pthread_equal(thread, pthread_self()) != 0 {
      pthread_detach(thread)
    } else {
      pthread_join(thread, nil)
    }
  }
}
