import BertErrors
import BertRuntime

/// One question that waits for a lane, and everybody who asked it.
///
/// Safety: `waiters` and `ticket` are read and changed under the engine's lock; who computes the job is
/// the only one to touch `outcome` until it is delivered under the lock.
class TextJob: @unchecked Sendable {
  let question: Question
  /// Predicted seconds of one lane.
  let cost: Double
  var ticket: LanePolicy<TextJob>.Ticket?

  init(_ question: Question, cost: Double) {
    self.question = question
    self.cost = cost
  }

  /// The hidden states that are read.
  var wanted: WantedRows { .all }
  /// The head that is asked; nil for none.
  var head: HeadUse? { nil }
  /// Tells everybody who waits that the job is begun.
  func begin(now: Double) {}
  /// Reads the answer from the states; without the lock.
  func read(_ text: TextStates) {}
  /// Notes that there is none.
  func fail(_ error: BertError) {}
  /// Hands the answer to everybody who waits; keeps it in the cache.
  func deliver(_ cache: inout AnswerCache, _ resumptions: inout Resumptions) {}
  /// Takes one call's interest away.
  ///
  /// - Returns: whether nobody waits any more.
  func leave(_ call: AnyObject) -> Bool { true }
}

/// A question of one task.
final class AnswerJob<Reader: AnswerReader>: TextJob, @unchecked Sendable {
  private let reader: Reader
  private var waiters: [(call: Call<Reader.Answer>, index: Int)] = []
  private var outcome: Result<Reader.Answer, BertError>?

  init(_ question: Question, cost: Double, reader: Reader) {
    self.reader = reader
    super.init(question, cost: cost)
  }

  /// Lets a call wait too.
  func join(_ call: Call<Reader.Answer>, at index: Int) {
    waiters.append((call, index))
    call.jobs.append(self)
  }

  override var wanted: WantedRows { question.rows ?? reader.wanted(question.ids) }
  override var head: HeadUse? { reader.head }

  override func begin(now: Double) {
    for waiter in waiters { waiter.call.begin(now: now) }
  }

  override func read(_ text: TextStates) {
    outcome = Result { () throws(BertError) in try reader.answer(text) }
  }

  override func fail(_ error: BertError) { outcome = .failure(error) }

  override func deliver(_ cache: inout AnswerCache, _ resumptions: inout Resumptions) {
    guard let outcome else { return }
    if cache.capacity > 0, case .success(let answer) = outcome {
      cache.insert(answer, bytes: reader.byteCount(answer), for: question)
    }
    let waiters = waiters
    self.waiters = []
    for waiter in waiters { waiter.call.deliver(outcome, at: waiter.index, &resumptions) }
  }

  override func leave(_ call: AnyObject) -> Bool {
    waiters.removeAll { $0.call === call }
    return waiters.isEmpty
  }
}
