import Synchronization
import SystemLibrary

/// Threads made once that all run the same function, stage by stage, with barriers between.
///
/// The caller is worker 0; a team of one starts no thread. Idle workers spin for some tens of
/// microseconds and then sleep.
package final class ThreadTeam: Sendable {
  /// How many workers, the caller included.
  package var count: Int { state.count }

  private let state: TeamState
  private let threads: [pthread_t]

  /// Starts `count - 1` threads; fewer when the system refuses more.
  package init(count: Int) {
    let state = TeamState()
    var started: [pthread_t] = []
    for index in 1..<max(2, count) where count > 1 {
      var thread = pthread_t()
      let entry = Unmanaged.passRetained(Entry(state: state, index: index))
      let result = pthread_create(
        &thread, nil,
        { raw in
          guard let raw else { return nil }
          let entry = Unmanaged<Entry>.fromOpaque(raw).takeRetainedValue()
          entry.state.work(entry.index)
          return nil
        }, entry.toOpaque())
      if result != 0 {
        entry.release()
        break
      }
      started.append(thread)
    }
    state.count = started.count + 1
    self.state = state
    threads = started
  }

  deinit {
    state.stop()
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Runs `body(worker)` on every worker and returns when all are done.
  package func run(_ body: (Int) -> Void) { state.run(body) }

  /// Waits, inside `run`, until every worker has come here.
  package func barrier() { state.barrier() }
}

/// What a team and its threads share.
///
/// Threads keep the state alive but not the team, so that a team that nobody holds any more ends them.
///
/// Safety: the plain variables are written by the caller before `start` is opened, and read by
/// workers after they are past it.
private final class TeamState: @unchecked Sendable {
  var count = 1
  private var job: ((Int) -> Void)?
  private var isStopping = false
  private let start = Gate()
  private let finish = Barrier()
  private let stage = Barrier()

  func run(_ body: (Int) -> Void) {
    if count == 1 {
      body(0)
      return
    }
    withoutActuallyEscaping(body) { escaping in
      job = escaping
      start.open()
      escaping(0)
      finish.wait(for: count)
      job = nil
    }
  }

  func barrier() {
    if count > 1 { stage.wait(for: count) }
  }

  func stop() {
    isStopping = true
    start.open()
  }

  func work(_ index: Int) {
    var seen = 0
    while true {
      seen = start.wait(past: seen)
      if isStopping { return }
      job?(index)
      finish.wait(for: count)
    }
  }
}

/// What a new thread is told.
private final class Entry {
  let state: TeamState
  let index: Int

  init(state: TeamState, index: Int) {
    self.state = state
    self.index = index
  }
}

/// A counter that others wait on: they spin briefly, then sleep.
final class Gate: @unchecked Sendable {
  private let generation = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

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

  var current: Int { generation.load(ordering: .acquiring) }

  /// Lets everybody past who waits for the next generation.
  func open() {
    // Sequentially consistent against `sleepers` below: either this sees the sleeper, or the
    // sleeper sees the new generation before it sleeps.
    generation.add(1, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      pthread_mutex_lock(mutex)
      pthread_cond_broadcast(condition)
      pthread_mutex_unlock(mutex)
    }
  }

  /// Waits until the generation is past `seen`; returns it.
  @discardableResult
  func wait(past seen: Int) -> Int {
    for turn in 0..<(Self.spins + Self.yields) {
      let now = current
      if now != seen { return now }
      if turn >= Self.spins { sched_yield() }
    }
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while generation.load(ordering: .sequentiallyConsistent) == seen {
      pthread_cond_wait(condition, mutex)
    }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
    return current
  }
}

/// A barrier of any number of threads, used again and again.
final class Barrier: @unchecked Sendable {
  private let arrived = Atomic<Int>(0)
  private let gate = Gate()

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

/// Hands out the indices below a bound, each once, to whoever asks first.
package final class WorkCounter: @unchecked Sendable {
  private let next = Atomic<Int>(0)

  /// Starts at zero.
  package init() {}

  /// The next index; compare it with the bound.
  package func take() -> Int { next.add(1, ordering: .relaxed).oldValue }

  /// Starts again; only while nobody takes.
  package func reset() { next.store(0, ordering: .relaxed) }
}
