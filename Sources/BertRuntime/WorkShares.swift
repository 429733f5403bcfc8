import BertKernels

/// Hands out the tasks of a pass's stages: each worker its own share first, so that it finds in its
/// cache what it computed in the stage before, then what others have not begun.
final class WorkShares: Sendable {
  private let stages: [[WorkCounter]]

  init(stages: Int, workers: Int) {
    self.stages = (0..<stages).map { _ in (0..<workers).map { _ in WorkCounter() } }
  }

  /// Starts all stages again; only while nobody works.
  func reset() {
    for stage in stages { for counter in stage { counter.reset() } }
  }

  /// Runs `body` for tasks of a stage until none of its `count` is left.
  func each(_ stage: Int, of count: Int, worker: Int, of workers: Int, _ body: (Int) -> Void) {
    for turn in 0..<workers {
      let owner = (worker + turn) % workers
      let first = count * owner / workers
      let last = count * (owner + 1) / workers
      while true {
        let task = first + stages[stage][owner].take()
        if task >= last { break }
        body(task)
      }
    }
  }
}
