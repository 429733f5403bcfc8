import BertKernels
import SystemLibrary
import Testing

/// A team of threads: everybody works, barriers hold, nobody hangs.
struct ThreadTeamTests {
  static let sizes = [1, 2, 3, 8, 33]

  @Test(arguments: sizes)
  func everyWorkerRunsOnce(_ size: Int) {
    let team = ThreadTeam(count: size)
    #expect(team.count == size)
    let runs = Counters(size)
    team.run { runs.add($0) }
    #expect(runs.values == [Int](repeating: 1, count: size))
  }

  @Test(arguments: sizes)
  func manyShortRunsAllComplete(_ size: Int) {
    let rounds = size > 8 ? 100 : 2_000
    let team = ThreadTeam(count: size)
    let runs = Counters(size)
    for _ in 0..<rounds { team.run { runs.add($0) } }
    #expect(runs.values == [Int](repeating: rounds, count: size))
  }

  /// Workers that fell asleep between runs are woken again.
  @Test func sleepingWorkersWakeUp() {
    let team = ThreadTeam(count: 3)
    let runs = Counters(3)
    for _ in 0..<20 {
      team.run { runs.add($0) }
      usleep(3_000)
    }
    #expect(runs.values == [20, 20, 20])
  }

  /// What one worker writes before a barrier, every worker reads after it.
  @Test(arguments: sizes)
  func nobodyPassesABarrierBeforeAllHaveCome(_ size: Int) {
    let stages = size > 8 ? 50 : 500
    let team = ThreadTeam(count: size)
    let board = Counters(size)
    let early = Counters(1)
    team.run { worker in
      for stage in 1...stages {
        board.add(worker)
        team.barrier()
        if board.values.contains(where: { $0 != stage }) { early.add(0) }
        team.barrier()
      }
    }
    #expect(early.values == [0])
  }

  /// A slow worker holds the others back, also when they are already asleep.
  @Test func barriersWaitForASlowWorker() {
    let team = ThreadTeam(count: 4)
    let done = Counters(1)
    let early = Counters(1)
    team.run { worker in
      if worker == 2 {
        usleep(30_000)
        done.add(0)
      }
      team.barrier()
      if done.values[0] != 1 { early.add(0) }
    }
    #expect(early.values == [0])
  }

  @Test(arguments: sizes)
  func workIsHandedOutOnce(_ size: Int) {
    let team = ThreadTeam(count: size)
    let taken = Counters(10_000)
    let counter = WorkCounter()
    for round in 1...3 {
      counter.reset()
      team.run { _ in
        while case let index = counter.take(), index < 10_000 { taken.add(index) }
      }
      #expect(taken.values.allSatisfy { $0 == round })
    }
  }

  @Test func idleTeamsEnd() {
    for round in 0..<60 {
      let team = ThreadTeam(count: 1 + round % 9)
      // Some are dropped before they ever ran, some while their workers spin, some asleep.
      if round % 3 > 0 { team.run { _ in } }
      if round % 3 == 2 { usleep(2_000) }
    }
  }

  @Test(arguments: [-5, 0, 1])
  func aTeamHasAtLeastItsCaller(_ size: Int) {
    let team = ThreadTeam(count: size)
    #expect(team.count == 1)
    let runs = Counters(1)
    team.run { worker in
      runs.add(worker)
      team.barrier()
    }
    #expect(runs.values == [1])
  }
}
