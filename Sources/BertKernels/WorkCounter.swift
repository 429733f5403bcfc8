import Synchronization

/// Hands out the indices below a bound, each once, to whoever asks first.
///
/// Any thread may `take` at any time. What was written before an index was handed out is not
/// published by it: the team's `run` and `barrier` do that.
package final class WorkCounter: Sendable {
  private let next = Atomic<Int>(0)

  /// Starts at zero.
  package init() {}

  /// The next index; compare it with the bound.
  package func take() -> Int { next.add(1, ordering: .relaxed).oldValue }

  /// Starts again; only while nobody takes, or some indices are handed out twice.
  package func reset() { next.store(0, ordering: .relaxed) }
}
