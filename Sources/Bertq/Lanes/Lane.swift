import BertErrors
import BertKernels
import BertRuntime

/// One core's workspace: computes texts one work after the other, for one thread.
final class Lane {
  private let encoder: BertEncoder
  private let gangs: GangPool

  init(_ gangs: GangPool) {
    self.gangs = gangs
    encoder = gangs.weights.encoder(kernels: gangs.kernels, team: ThreadTeam(count: 1))
  }

  /// Computes a work's texts and reads their answers.
  func compute(_ jobs: [TextJob], lanes: Int) {
    if lanes == 1 {
      compute(jobs, with: encoder)
    } else {
      gangs.withEncoder(of: lanes) { compute(jobs, with: $0) }
    }
  }

  private func compute(_ jobs: [TextJob], with encoder: BertEncoder) {
    do throws(BertError) {
      var batch = TokenBatch()
      for job in jobs {
        try batch.append(
          ids: job.question.ids, types: job.question.types, wanting: job.wanted,
          for: encoder.configuration)
      }
      try encoder.encode(batch) { states in
        for text in states.texts {
          let job = jobs[text]
          job.read(
            TextStates(
              states: states, tokens: batch.range(text), ids: job.question.ids,
              promptTokens: job.question.promptTokens))
        }
      }
    } catch {
      // One text's trouble is not the others'.
      if jobs.count == 1 { return jobs[0].fail(error) }
      for job in jobs { compute([job], with: encoder) }
    }
  }
}

/// Encoders for several lanes together, made when they are first needed.
///
/// Safety: `free` is used under its lock; an encoder belongs to whoever took it.
final class GangPool: @unchecked Sendable {
  let weights: SharedWeights
  let kernels: KernelSet
  private let lock = LaneLock()
  private var free: [Int: [BertEncoder]] = [:]

  init(weights: SharedWeights, kernels: KernelSet) {
    self.weights = weights
    self.kernels = kernels
  }

  /// Lends an encoder over so many threads, the caller's included.
  func withEncoder(of count: Int, _ body: (BertEncoder) -> Void) {
    let kept = lock.locked { free[count]?.popLast() }
    let encoder = kept ?? weights.encoder(kernels: kernels, team: ThreadTeam(count: count))
    body(encoder)
    lock.locked { free[count, default: []].append(encoder) }
  }
}
