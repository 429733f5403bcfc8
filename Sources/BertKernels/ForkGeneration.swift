import Synchronization
import SystemLibrary

/// Tells a process from the one it was forked from.
///
/// `fork` copies memory but no thread, and whatever lock another thread held stays locked in the
/// copy for ever. So what owns threads or locks keeps the generation it was made in, and is made
/// anew, not mended, where the generation has changed.
///
/// Any thread may call any of this at any time. What bypasses the C library (a bare `clone` system
/// call, `_Fork`) is not noticed.
package enum ForkGeneration {
  // Both are initialised before the process starts, so that a child finds no lazy initialisation
  // that another thread of its parent had begun.
  private static let forks = Atomic<Int>(0)
  private static let isWatching = Atomic<Bool>(false)

  /// Another number than before in a forked child; the same for as long as a process lives.
  package static var current: Int { forks.load(ordering: .relaxed) }

  /// Makes `current` change in children that are forked from now on.
  ///
  /// Only what needs it asks for it: a process that merely loads the library gets no handler.
  package static func watch() {
    if isWatching.load(ordering: .acquiring) { return }
    // Two threads may both come here: then a fork counts twice, which is as good.
    let result = pthread_atfork(nil, nil) { ForkGeneration.forks.add(1, ordering: .relaxed) }
    if result != 0 { fatalError("no memory to be told of forks") }
    isWatching.store(true, ordering: .releasing)
  }
}
