import Synchronization
import SystemLibrary

/// The threads of a team in one process, and all that they share.
///
/// A team has one crew from its making to its end; a forked child, where threads and held locks of
/// the parent are of no use, gives it another. Threads hold their crew but not the team, so that a
/// team that nobody holds any more ends them.
///
/// Who may call: `run`, any thread; `barrier`, every worker inside a run; `end`, one thread, once,
/// while nobody runs.
///
/// Safety: `job` belongs to whoever holds `turn` and is read by workers between `start` and
/// `finish`; `isEnding` is written before `start` opens for the last time; `threads` is written
/// before anybody but its workers knows the crew, and they read it inside a run.
final class ThreadCrew: @unchecked Sendable {
  /// How many workers, the caller included.
  var count: Int { size.load(ordering: .relaxed) }
  /// The process it works in.
  let generation = ForkGeneration.current

  private let size = Atomic<Int>(1)
  private var threads: [pthread_t] = []
  private var job: ((Int) -> Void)?
  private var isEnding = false
  private let turn: UnsafeMutablePointer<pthread_mutex_t>
  private let start = Gate()
  private let finish = Barrier()
  private let stage = Barrier()

  /// Starts `count - 1` threads; fewer when the system refuses more.
  init(count: Int) {
    turn = .allocate(capacity: 1)
    var attributes = pthread_mutexattr_t()
    pthread_mutexattr_init(&attributes)
    // So that a thread that holds it is told so, and does not wait for itself.
    pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_ERRORCHECK))
    pthread_mutex_init(turn, &attributes)
    pthread_mutexattr_destroy(&attributes)
    for index in 1..<max(2, count) where index < count {
      guard let thread = startThread({ [self] in work(index) }) else { break }
      threads.append(thread)
    }
    size.store(threads.count + 1, ordering: .relaxed)
  }

  deinit {
    pthread_mutex_destroy(turn)
    turn.deallocate()
  }

  /// Ends the threads and waits until they have.
  func end() {
    isEnding = true
    start.open()
    for thread in threads { pthread_join(thread, nil) }
  }

  func run(_ body: (Int) -> Void) {
    takeTurn()
    if count == 1 {
      body(0)
    } else {
      withoutActuallyEscaping(body) { escaping in
        job = escaping
        start.open()
        escaping(0)
        finish.wait(for: count)
        job = nil
      }
    }
    pthread_mutex_unlock(turn)
  }

  func barrier() {
    if count > 1 { stage.wait(for: count) }
  }

  private func takeTurn() {
    if pthread_mutex_trylock(turn) == 0 { return }
    let own = pthread_self()
    if threads.contains(where: { pthread_equal($0, own) != 0 })
      || pthread_mutex_lock(turn) == EDEADLK
    {
      fatalError("run of a ThreadTeam was called from inside a run of the same team")
    }
  }

  private func work(_ index: Int) {
    var seen = 0
    while true {
      seen = start.wait(past: seen)
      if isEnding { return }
      perform(index)
      finish.wait(for: count)
    }
  }

  /// A function of its own, so that the caller's closure is let go before the worker reports at
  /// `finish`: the closure does not outlive the caller's call.
  @inline(never)
  private func perform(_ index: Int) { job?(index) }
}
