import Synchronization
import SystemLibrary

/// A counter that threads wait on: they spin briefly, then sleep.
///
/// Any thread may call any of this at any time, but in the process alone that made the gate: a
/// forked child leaves it as it lies, for its mutex may be held by a thread that is not there.
///
/// Safety: the mutex and the condition are used only through their own calls, and live as long as
/// the gate.
final class Gate: @unchecked Sendable {
  private let passes = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private let generation = ForkGeneration.current

  /// Loads of the counter before the thread offers its core to others, and before it sleeps:
  /// together some tens of microseconds.
  private static let spins = 4_000
  private static let yields = 64

  init() {
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// How often it was opened.
  var current: Int { passes.load(ordering: .acquiring) }

  /// Lets everybody past who waits.
  func open() {
    // Sequentially consistent against `sleepers` below: either this sees the sleeper, or the
    // sleeper sees the new count before it sleeps.
    passes.add(1, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      pthread_mutex_lock(mutex)
      pthread_cond_broadcast(condition)
      pthread_mutex_unlock(mutex)
    }
  }

  /// Waits until the gate was opened more than `seen` times; returns how often it was.
  @discardableResult
  func wait(past seen: Int) -> Int {
    for turn in 0..<(Self.spins + Self.yields) {
      let now = current
      if now != seen { return now }
      if turn >= Self.spins { sched_yield() }
    }
    return sleep(past: seen)
  }

  private func sleep(past seen: Int) -> Int {
    if generation != ForkGeneration.current {
      fatalError(
        "a run of a ThreadTeam goes on in a forked child, where its other threads are missing: "
          + "fork between runs")
    }
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while passes.load(ordering: .sequentiallyConsistent) == seen {
      pthread_cond_wait(condition, mutex)
    }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
    return current
  }
}

/// A barrier of any number of threads, used again and again.
///
/// At any time the threads that use it are the same ones, each once, and all of one process; it is
/// the gate's rule that it is of no use in a forked child.
final class Barrier: Sendable {
  private let arrived = Atomic<Int>(0)
  private let gate = Gate()

  /// Returns when `count` threads have called it: all that they wrote before, each of them sees.
  func wait(for count: Int) {
    let seen = gate.current
    if arrived.add(1, ordering: .acquiringAndReleasing).newValue == count {
      arrived.store(0, ordering: .releasing)
      gate.open()
    } else {
      gate.wait(past: seen)
    }
  }
}
