import Synchronization

/// Counts where answers came from and how long they waited: one of a call, or of several that share it.
///
///     let tally = AnswerTally()
///     let vectors = try model.embed(texts, request: .init(tally: tally))
///     print(tally.kept, tally.computed)
///
/// The counts are whole when the call has been answered.
public final class AnswerTally: Sendable {
  private let keptCount = Atomic<Int>(0)
  private let tokenCount = Atomic<Int>(0)
  private let computedCount = Atomic<Int>(0)
  /// Nanoseconds; negative until a text was begun.
  private let shortestWait = Atomic<Int64>(-1)
  private let isOfBulk = Atomic<Bool>(false)

  /// Nothing was answered yet.
  public init() {}

  /// Texts whose answer the cache had.
  public var kept: Int { keptCount.load(ordering: .relaxed) }
  /// Texts that were computed, or shared the computation of an equal one that waited already.
  public var computed: Int { computedCount.load(ordering: .relaxed) }

  /// Tokens of the texts that were answered or are to be, those of prompts and special ones included.
  public var tokens: Int { tokenCount.load(ordering: .relaxed) }
  /// How long the first text to be computed waited for a thread; nil when none was computed.
  public var waited: Duration? {
    let wait = shortestWait.load(ordering: .relaxed)
    return wait < 0 ? nil : .nanoseconds(wait)
  }
  /// Whether the call was put among those that nobody waits for, as it asked or by its length.
  public var isBulk: Bool { isOfBulk.load(ordering: .relaxed) }

  func noteKept(tokens: Int) {
    keptCount.wrappingAdd(1, ordering: .relaxed)
    tokenCount.wrappingAdd(tokens, ordering: .relaxed)
  }

  func noteComputed(tokens: Int) {
    computedCount.wrappingAdd(1, ordering: .relaxed)
    tokenCount.wrappingAdd(tokens, ordering: .relaxed)
  }

  func note(_ flow: Flow) { isOfBulk.store(flow == .bulk, ordering: .relaxed) }

  /// Notes that a text was begun; only a call's first counts.
  func noteBegun(afterSeconds wait: Double) {
    _ = shortestWait.compareExchange(
      expected: -1, desired: Int64(max(0, wait) * 1e9), ordering: .relaxed)
  }
}
