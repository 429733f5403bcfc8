import Synchronization
import SystemLibrary

/// Threads made once that all run the same function, stage by stage, with barriers between.
///
/// The caller is worker 0; a team of one starts no thread. Idle workers spin for some tens of
/// microseconds and then sleep.
///
/// **Who may call.** Any thread may call `run`. One run goes on at a time: who comes while another
/// thread's goes on waits, in no promised order. A run inside a run of the same team could never
/// begin, and ends the process with a message that says so; a run of another team inside is fine,
/// where not two teams wait for each other. `barrier` is for the workers of a run, each as often as
/// the others. The team's threads end when its last owner lets go, who waits for them; the caller
/// of a run is an owner as long as it lasts.
///
/// **Fork.** A team that was made before `fork` works in the child, whatever other threads did with
/// it at that moment: its first run there starts new threads, and what the old ones left behind
/// stays allocated and untouched. Letting go of it in the child waits for nobody. The thread that
/// forks must not be inside a run: in the child that run cannot be finished, and going on with it
/// ends the child with a message.
///
/// Safety: `crew` is one atomic word. What it points to is never freed while the team lives.
package final class ThreadTeam: @unchecked Sendable {
  private let crew: Atomic<Unmanaged<ThreadCrew>>

  /// How many workers, the caller included.
  ///
  /// In a forked child where the system refuses threads the first run makes it smaller; it never
  /// grows. So memory made for this many is enough, and who divides work by it reads it inside the
  /// run.
  package var count: Int {
    crew.load(ordering: .acquiring)._withUnsafeGuaranteedRef { $0.count }
  }

  /// Starts `count - 1` threads; fewer when the system refuses more.
  package init(count: Int) {
    ForkGeneration.watch()
    crew = Atomic(.passRetained(ThreadCrew(count: count)))
  }

  deinit {
    let last = crew.load(ordering: .acquiring)
    // The crew of a parent process has no threads here to wait for, and its locks are as they
    // happened to be.
    if last.isOfThisProcess { last.end() }
  }

  /// Runs `body(worker)` on every worker and returns when all are done; waits first while others
  /// run.
  package func run(_ body: (Int) -> Void) {
    present()._withUnsafeGuaranteedRef { $0.run(body) }
  }

  /// Waits, inside `run`, until every worker has come here.
  package func barrier() {
    crew.load(ordering: .acquiring)._withUnsafeGuaranteedRef { $0.barrier() }
  }

  /// The crew of this process.
  private func present() -> Unmanaged<ThreadCrew> {
    let last = crew.load(ordering: .acquiring)
    return last.isOfThisProcess ? last : replace(last)
  }

  /// Makes the crew of a forked child.
  ///
  /// No lock: a thread that was about to do the same may be missing here.
  @inline(never)
  private func replace(_ parents: Unmanaged<ThreadCrew>) -> Unmanaged<ThreadCrew> {
    let new = Unmanaged.passRetained(
      ThreadCrew(count: parents._withUnsafeGuaranteedRef { $0.count }))
    let (isOurs, present) = crew.compareExchange(
      expected: parents, desired: new, ordering: .acquiringAndReleasing)
    if isOurs { return new }
    new.end()
    return present
  }
}

extension Unmanaged<ThreadCrew> {
  fileprivate var isOfThisProcess: Bool {
    _withUnsafeGuaranteedRef { $0.generation == ForkGeneration.current }
  }

  /// Ends its threads and lets it go.
  fileprivate func end() {
    _withUnsafeGuaranteedRef { $0.end() }
    release()
  }
}
