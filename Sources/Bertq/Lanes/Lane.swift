import BertErrors
import BertKernels
import BertRuntime

/// One core's workspace: computes texts one work after the other, for one thread.
final class Lane {
  private let space: LaneSpace
  private let gangs: GangPool

  init(_ gangs: GangPool) {
    self.gangs = gangs
    space = gangs.space(threads: 1)
  }

  /// Computes a work's texts and reads their answers.
  func compute(_ jobs: [TextJob], lanes: Int) {
    if lanes == 1 {
      compute(jobs, in: space)
    } else {
      gangs.withSpace(of: lanes) { compute(jobs, in: $0) }
    }
  }

  private func compute(_ jobs: [TextJob], in space: LaneSpace) {
    do throws(BertError) {
      var batch = TokenBatch()
      for job in jobs {
        try batch.append(
          ids: job.question.ids, types: job.question.types, wanting: job.wanted,
          unseen: job.question.unseen, for: space.encoder.configuration)
      }
      try space.encoder.encode(batch) { states in
        space.heads.read(jobs, of: batch, states)
      }
    } catch {
      // One text's trouble is not the others'.
      if jobs.count == 1 { return jobs[0].fail(error) }
      for job in jobs { compute([job], in: space) }
    }
  }
}

/// An encoder, and the heads on it.
final class LaneSpace {
  let encoder: BertEncoder
  let heads: LaneHeads

  init(_ encoder: BertEncoder, _ heads: LaneHeads) {
    self.encoder = encoder
    self.heads = heads
  }
}

/// Encoders for several lanes together, made when they are first needed.
///
/// Safety: `free` is used under its lock; a space belongs to whoever took it.
final class GangPool: @unchecked Sendable {
  private let weights: SharedWeights
  private let kernels: KernelSet
  private let lock = LaneLock()
  private var free: [Int: [LaneSpace]] = [:]

  init(weights: SharedWeights, kernels: KernelSet) {
    self.weights = weights
    self.kernels = kernels
  }

  /// An encoder over so many threads, the caller's included, and heads on it.
  func space(threads: Int) -> LaneSpace {
    let encoder = weights.encoder(kernels: kernels, team: ThreadTeam(count: threads))
    return LaneSpace(encoder, LaneHeads(weights.heads(of: encoder)))
  }

  /// Lends a space of so many threads.
  func withSpace(of count: Int, _ body: (LaneSpace) -> Void) {
    let kept = lock.locked { free[count]?.popLast() }
    let space = kept ?? space(threads: count)
    body(space)
    lock.locked { free[count, default: []].append(space) }
  }
}
