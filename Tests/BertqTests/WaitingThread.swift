import Synchronization
import SystemLibrary

/// A thread to be waited for.
struct WaitingThread: @unchecked Sendable {
  private let thread: pthread_t?

  init(_ body: @escaping @Sendable () -> Void) { thread = startThread(body) }

  func join() {
    if let thread { pthread_join(thread, nil) }
  }
}

/// A number that threads count up.
final class Tally: Sendable {
  private let value = Atomic<Int>(0)

  var count: Int { value.load(ordering: .relaxed) }

  func add() { value.add(1, ordering: .relaxed) }
}
