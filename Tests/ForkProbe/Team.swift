import BertKernels
import Synchronization
import SystemLibrary

/// Raised by many threads.
final class Tally: Sendable {
  private let sum = Atomic<Int>(0)

  func add() { sum.add(1, ordering: .relaxed) }

  var value: Int { sum.load(ordering: .relaxed) }
}

/// Runs a team often, with barriers, and checks that every worker did all of its part.
func use(_ team: ThreadTeam, rounds: Int = 40) {
  let tallies = (0..<team.count).map { _ in Tally() }
  let early = Tally()
  for _ in 0..<rounds {
    let arrived = Tally()
    team.run { worker in
      tallies[worker].add()
      arrived.add()
      team.barrier()
      if arrived.value != team.count { early.add() }
    }
  }
  let counts = tallies.prefix(team.count).map(\.value)
  expect(counts == [Int](repeating: rounds, count: team.count), "runs were lost: \(counts)")
  expect(early.value == 0, "\(early.value) workers passed a barrier too early")
}

/// A team that other threads use, without owning it, until they are told to stop.
final class BusyTeam: Sendable {
  /// What happens in other threads while this one forks.
  enum State: String {
    /// Nothing.
    case idle
    /// Two threads run it, turn about and as fast as they can.
    case busy
    /// One thread is in a run, another waits for its turn.
    case held
  }

  private let isStopping = Atomic<Bool>(false)
  private let begun = Atomic<Int>(0)
  private let finished = Tally()

  /// Starts the other threads; the caller keeps the team until `stop`.
  func start(_ team: ThreadTeam, _ state: State) -> [Companion] {
    use(team, rounds: 1)
    if state == .idle { return [] }
    let address = UInt(bitPattern: Unmanaged.passUnretained(team).toOpaque())
    let companions = (0..<2).map { _ in
      Companion {
        guard let pointer = UnsafeRawPointer(bitPattern: address) else { return }
        Unmanaged<ThreadTeam>.fromOpaque(pointer)._withUnsafeGuaranteedRef {
          self.work($0, state)
        }
      }
    }
    // Both have come as far as they can before anybody forks.
    let enough = state == .held ? 1 : 20
    while begun.load(ordering: .acquiring) < enough { usleep(100) }
    usleep(2_000)
    return companions
  }

  private func work(_ team: ThreadTeam, _ state: State) {
    repeat {
      team.run { worker in
        if worker == 0 { begun.add(1, ordering: .acquiringAndReleasing) }
        while state == .held, !isStopping.load(ordering: .acquiring) { usleep(100) }
        finished.add()
      }
    } while state == .busy && !isStopping.load(ordering: .acquiring)
  }

  /// Lets the other threads end, and checks that no worker missed a run of theirs.
  func stop(_ companions: [Companion], workers: Int) {
    isStopping.store(true, ordering: .releasing)
    for companion in companions { companion.join() }
    let runs = begun.load(ordering: .acquiring)
    expect(
      finished.value == runs * workers, "\(finished.value) parts of \(runs) runs were done")
  }
}
