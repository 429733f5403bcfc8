import Synchronization

/// Counts where answers came from: one of a call, or of several that share it.
///
///     let tally = AnswerTally()
///     let vectors = try model.embed(texts, request: .init(tally: tally))
///     print(tally.kept, tally.computed)
///
/// The counts are whole when the call has been answered.
public final class AnswerTally: Sendable {
  private let keptCount = Atomic<Int>(0)
  private let computedCount = Atomic<Int>(0)

  /// Nothing was answered yet.
  public init() {}

  /// Texts whose answer the cache had.
  public var kept: Int { keptCount.load(ordering: .relaxed) }
  /// Texts that were computed, or shared the computation of an equal one that waited already.
  public var computed: Int { computedCount.load(ordering: .relaxed) }

  func noteKept() { keptCount.wrappingAdd(1, ordering: .relaxed) }
  func noteComputed() { computedCount.wrappingAdd(1, ordering: .relaxed) }
}
