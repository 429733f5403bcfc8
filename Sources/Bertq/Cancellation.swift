/// Ends calls from another thread than theirs.
///
///     let cancellation = Cancellation()
///     // on another thread: cancellation.cancel()
///     let each = model.embedEach(texts, request: .init(cancellation: cancellation))
///
/// What a call still waits for fails with `cancelled`; what is being computed ends by itself.
///
/// Safety: everything is read and changed under the lock.
public final class Cancellation: @unchecked Sendable {
  private let lock = LaneLock()
  private var isCancelled = false
  private var calls: [Int: @Sendable () -> Void] = [:]
  private var next = 0

  /// Nothing is cancelled yet.
  public init() {}

  /// Ends all calls that were given this, now and later.
  public func cancel() {
    let running = lock.locked {
      isCancelled = true
      defer { calls = [:] }
      return Array(calls.values)
    }
    for end in running { end() }
  }

  /// Whether it was.
  var wasCancelled: Bool { lock.locked { isCancelled } }

  /// Runs `wait`, which `end` makes return early.
  func during<Value>(end: @escaping @Sendable () -> Void, _ wait: () -> Value) -> Value {
    let ticket: Int? = lock.locked {
      if isCancelled { return nil }
      next += 1
      calls[next] = end
      return next
    }
    guard let ticket else {
      end()
      return wait()
    }
    defer { lock.locked { _ = calls.removeValue(forKey: ticket) } }
    return wait()
  }
}
