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
  func deliver(_ answer: Result<Answer, BertError>, at index: Int) {
    guard answers[index] == nil, missing > 0 else { return }
    answers[index] = answer
    missing -= 1
    if missing == 0 { end() }
  }

  /// Ends the call with what there is.
  func cancel() {
    isCancelled = true
    guard missing > 0 else { return }
    missing = 0
    end()
  }

  /// Whether the call was cancelled, perhaps before it began.
  var wasCancelled: Bool { isCancelled }

  private func end() {
    jobs.removeAll()
    signal.wakeAll()
    continuation?.resume(returning: results)
    continuation = nil
  }

  /// Blocks until nothing is missing.
  func wait(_ lock: LaneLock) {
    while missing > 0 { signal.wait(lock) }
  }

  /// Resumes a task when nothing is missing.
  func whenDone(_ continuation: CheckedContinuation<[Result<Answer, BertError>], Never>) {
    if missing == 0 {
      continuation.resume(returning: results)
    } else {
      self.continuation = continuation
    }
  }
}
