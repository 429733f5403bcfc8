import BertKernels
import Synchronization
import SystemLibrary
import Testing

/// A team that several threads hold: they take turns, and the last to let go ends it.
struct CallerTests {
  /// Counts without any lock, so that two runs at once would lose some, and ThreadSanitizer would
  /// see them.
  private final class Plain: @unchecked Sendable {
    let counts: UnsafeMutablePointer<Int>
    var running = 0
    var overlaps = 0

    init(_ workers: Int) {
      counts = .allocate(capacity: workers)
      counts.initialize(repeating: 0, count: workers)
    }

    deinit { counts.deallocate() }
  }

  @Test(arguments: [2, 8, 64], [1, 2, 5])
  func callersTakeTurnsAndNothingIsLost(_ callers: Int, _ workers: Int) {
    let runs = 960 / callers
    let team = ThreadTeam(count: workers)
    let plain = Plain(workers)
    let threads = (0..<callers).map { _ in
      TestThread {
        for _ in 0..<runs {
          team.run { worker in
            if worker == 0 {
              plain.running += 1
              if plain.running != 1 { plain.overlaps += 1 }
            }
            team.barrier()
            plain.counts[worker] += 1
            team.barrier()
            if worker == 0 { plain.running -= 1 }
          }
        }
      }
    }
    for thread in threads { thread.join() }
    let counts = (0..<workers).map { plain.counts[$0] }
    #expect(counts == [Int](repeating: callers * runs, count: workers))
    #expect(plain.overlaps == 0)
  }

  /// What a caller wrote before its run, workers see in it, and what they wrote, the caller sees
  /// behind it.
  @Test func eachCallerSeesItsOwnWork() {
    let team = ThreadTeam(count: 3)
    let wrong = Counters(1)
    let threads = (0..<8).map { caller in
      TestThread {
        let squares = UnsafeMutablePointer<Int>.allocate(capacity: 300)
        defer { squares.deallocate() }
        for round in 0..<100 {
          squares.initialize(repeating: 0, count: 300)
          let offset = caller * 1_000 + round
          team.run { worker in
            for index in 0..<100 { squares[3 * index + worker] = offset + 3 * index + worker }
          }
          if (0..<300).contains(where: { squares[$0] != offset + $0 }) { wrong.add(0) }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(wrong.values == [0])
  }

  /// A run of another team inside a run is fine.
  @Test func teamsNest() {
    let outer = ThreadTeam(count: 3)
    let inner = ThreadTeam(count: 2)
    let runs = Counters(2)
    for _ in 0..<100 { outer.run { _ in inner.run { runs.add($0) } } }
    #expect(runs.values == [300, 300])
  }

  // MARK: Letting go

  /// A server that loads a model again must not end up with the threads of the old one too.
  @Test func droppedTeamsLeaveNoThreadBehind() {
    var left: Set<String> = []
    for round in 0..<20 {
      let team = ThreadTeam(count: 5)
      let names = Locked(Set<String>())
      // Some are dropped while their workers spin, some asleep.
      team.run { worker in
        if worker > 0, let name = TestThread.folder() { names.withLock { _ = $0.insert(name) } }
      }
      if round % 2 == 0 { usleep(3_000) }
      names.withLock {
        #expect($0.count == 4)
        left.formUnion($0)
      }
    }
    #expect(TestThread.remaining(left).count == 0)
  }

  /// Who made the team lets go of it while others run it or wait for their turn: all of their work
  /// is done, and then its threads end.
  @Test(arguments: [1, 4], [1, 3])
  func aTeamDroppedWhileItWorksFinishesItsWork(_ callers: Int, _ workers: Int) {
    for round in 0..<20 {
      let names = Locked(Set<String>())
      let done = Counters(workers)
      let begun = Counters(1)
      var team: ThreadTeam? = ThreadTeam(count: workers)
      weak let watched = team
      let threads = (0..<callers).map { [team] _ in
        // The last owner of all may be any of these threads.
        var own = team
        return TestThread {
          begun.add(0)
          own?.run { worker in
            if worker > 0, let name = TestThread.folder() { names.withLock { _ = $0.insert(name) } }
            usleep(1_000)
            done.add(worker)
          }
          own = nil
        }
      }
      // Some let go before anybody runs, some in the midst of it.
      while round % 3 > 0, begun[0] < 1 { usleep(10) }
      if round % 3 == 2 { usleep(500) }
      team = nil
      for thread in threads { thread.join() }
      #expect(done.values == [Int](repeating: callers, count: workers))
      #expect(watched == nil)
      #expect(TestThread.remaining(names.withLock { $0 }).isEmpty)
    }
  }

  /// A worker lets go of the team's owner in the midst of a run: the caller's own hold on it lasts.
  @Test func aWorkerMayLetGoOfTheOwner() {
    final class Owner {
      let team = ThreadTeam(count: 3)
    }
    for _ in 0..<20 {
      let owner = Locked<Owner?>(Owner())
      let done = Counters(3)
      if let team = owner.withLock({ $0?.team }) {
        team.run { worker in
          if worker == 2 { owner.withLock { $0 = nil } }
          team.barrier()
          done.add(worker)
        }
      }
      #expect(done.values == [1, 1, 1])
    }
  }
}
