import BertErrors

/// One call's answers, as they come in.
///
/// Safety: everything is read and changed under the engine's lock.
final class Call<Answer: Sendable>: @unchecked Sendable {
  private var answers: [Result<Answer, BertError>?]
  private var missing: Int
  private var isCancelled = false
  /// The texts that wait, or are computed, for this call.
  var jobs: [TextJob] = []
  /// What counts how long they waited.
  private var tally: AnswerTally?
  private var submission = 0.0
  private let signal = LaneSignal()
  private var continuation: CheckedContinuation<[Result<Answer, BertError>], Never>?

  init(count: Int) {
    answers = [Result<Answer, BertError>?](repeating: nil, count: count)
    missing = count
  }

  /// Whether nothing is missing any more.
  var isDone: Bool { missing == 0 }
  /// All answers; those of texts that were not answered say that the call was cancelled.
  var results: [Result<Answer, BertError>] {
    answers.map { $0 ?? .failure(BertError(.cancelled, "the task was cancelled")) }
  }

  /// Notes that the call's texts begin to wait.
  func submitted(at now: Double, _ tally: AnswerTally?) {
    submission = now
    self.tally = tally
  }

  /// Notes that a text is computed from now on.
  func begin(now: Double) {
    tally?.noteBegun(afterSeconds: now - submission)
    tally = nil
  }

  /// Takes an answer; the last one wakes whoever waits.
  ///
  /// Later ones than a cancellation are let go.
  func deliver(
    _ answer: Result<Answer, BertError>, at index: Int, _ resumptions: inout Resumptions
  ) {
    guard answers[index] == nil, missing > 0 else { return }
    answers[index] = answer
    missing -= 1
    if missing == 0 { end(&resumptions) }
  }

  /// Ends the call with what there is.
  func cancel(_ resumptions: inout Resumptions) {
    isCancelled = true
    guard missing > 0 else { return }
    missing = 0
    end(&resumptions)
  }

  /// Whether the call was cancelled, perhaps before it began.
  var wasCancelled: Bool { isCancelled }

  private func end(_ resumptions: inout Resumptions) {
    jobs.removeAll()
    signal.wakeAll()
    if let continuation {
      resumptions.add { [results] in continuation.resume(returning: results) }
    }
    continuation = nil
  }

  /// Blocks until nothing is missing.
  func wait(_ lock: LaneLock) {
    while missing > 0 { signal.wait(lock) }
  }

  /// Resumes a task when nothing is missing.
  func whenDone(
    _ continuation: CheckedContinuation<[Result<Answer, BertError>], Never>,
    _ resumptions: inout Resumptions
  ) {
    if missing == 0 {
      resumptions.add { [results] in continuation.resume(returning: results) }
    } else {
      self.continuation = continuation
    }
  }
}

/// Tasks that are resumed when the engine's lock has been let go.
///
/// Resuming a task takes locks of its own; a handler of its cancellation may run while those are held, and takes the
/// engine's. So that neither waits for the other, no task is resumed under the engine's lock.
struct Resumptions {
  private var tasks: [() -> Void] = []

  var isEmpty: Bool { tasks.isEmpty }

  mutating func add(_ resume: @escaping () -> Void) { tasks.append(resume) }

  /// Resumes all; without the lock.
  func run() {
    for resume in tasks { resume() }
  }
}
