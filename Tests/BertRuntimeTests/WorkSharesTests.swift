import BertKernels
import SystemLibrary
import Testing

@testable import BertRuntime

/// Tasks of a stage among workers of unequal speed, as fast and slow cores of one CPU are.
@Suite struct WorkSharesTests {
  @Test(arguments: [2, 3, 4])
  func aFastWorkerTakesWhatASlowOneHasNotBegun(workers: Int) {
    let tasks = 48
    let shares = WorkShares(stages: 1, workers: workers)
    let counts = (0..<tasks).map { _ in WorkCounter() }
    let byWorker = (0..<workers).map { _ in WorkCounter() }
    ThreadTeam(count: workers).run { worker in
      shares.each(0, of: tasks, worker: worker, of: workers) { task in
        _ = counts[task].take()
        _ = byWorker[worker].take()
        // The last worker is some hundred times slower than the others.
        if worker == workers - 1 { usleep(20_000) } else { usleep(200) }
      }
    }
    #expect(counts.allSatisfy { $0.take() == 1 }, "each task once")
    let slow = byWorker[workers - 1].take()
    #expect(slow < tasks / workers / 2, "the slow one did \(slow) of \(tasks)")
  }
}
