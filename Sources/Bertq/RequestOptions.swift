/// How soon one call's answers are wanted.
///
/// Answers never depend on it.
///
///     let hits = try await model.embed([query], request: .init(deadline: .now + .milliseconds(50)))
public struct RequestOptions: Sendable {
  /// Which of two flows a call belongs to; while both wait they get the same share of the work.
  public enum Priority: Sendable {
    /// Interactive when all of the call takes at most 25 ms of one core, else bulk.
    case automatic
    /// Somebody waits for few texts.
    case interactive
    /// Many texts, for nobody in particular.
    case bulk
  }

  /// The call's flow.
  public var priority: Priority
  /// When the answer is of no use any more; nil for never.
  ///
  /// A call that would be answered later is refused at once with `deadline`, texts that still wait then
  /// are not computed.
  public var deadline: ContinuousClock.Instant?
  /// The most waiting work, per thread, at which the call is taken; it is refused with `overloaded`
  /// above.
  ///
  /// Nil takes every call.
  public var longestQueue: Duration?
  /// What ends a blocking call from another thread; a task that awaits its answers is cancelled itself.
  public var cancellation: Cancellation?
  /// What counts where the call's answers came from.
  public var tally: AnswerTally?

  /// Options for a call.
  public init(
    priority: Priority = .automatic, deadline: ContinuousClock.Instant? = nil,
    longestQueue: Duration? = nil, cancellation: Cancellation? = nil, tally: AnswerTally? = nil
  ) {
    self.priority = priority
    self.deadline = deadline
    self.longestQueue = longestQueue
    self.cancellation = cancellation
    self.tally = tally
  }

  /// Up to so many predicted seconds of one core a call is interactive.
  private static let interactiveSeconds = 0.025

  func flow(seconds: Double) -> Flow {
    switch priority {
    case .automatic: seconds <= Self.interactiveSeconds ? .interactive : .bulk
    case .interactive: .interactive
    case .bulk: .bulk
    }
  }
}
