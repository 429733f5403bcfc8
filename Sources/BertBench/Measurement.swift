import BertErrors
import BertKernels
import BertModel
import BertRuntime

/// Runs a workload again and again beside a register-only loop.
struct Measurement {
  let encoder: BertEncoder
  /// Measured in turn with it.
  let rival: BertEncoder?
  let rounds: Int
  let seconds: Double

  func run(_ workload: Workload) throws(BertError) -> Cell {
    try once(workload, encoder)
    let start = StageClock.now()
    try once(workload, encoder)
    if let rival { try once(workload, rival) }
    let repeats = max(1, Int(seconds / max(1e-6, StageClock.now() - start)))
    var milliseconds: [Double] = []
    var ceilings: [Double] = []
    var rivals: [Double] = []
    for _ in 0..<rounds {
      ceilings.append(Self.ceiling(encoder))
      milliseconds.append(try time(workload, encoder, repeats))
      if let rival { rivals.append(try time(workload, rival, repeats)) }
    }
    return Cell(
      workload: workload, precision: encoder.precision, threads: encoder.team.count,
      milliseconds: milliseconds, ceilings: ceilings, stages: try profile(workload),
      multiplyAdds: workload.multiplyAdds(encoder.configuration, encoder.precision), rival: rivals)
  }

  /// Milliseconds of one of several runs.
  private func time(
    _ workload: Workload, _ encoder: BertEncoder, _ repeats: Int
  ) throws(BertError) -> Double {
    let start = StageClock.now()
    for _ in 0..<repeats { try once(workload, encoder) }
    return (StageClock.now() - start) / Double(repeats) * 1e3
  }

  private func once(_ workload: Workload, _ encoder: BertEncoder) throws(BertError) {
    try encoder.encode(workload.tokens) { _ in }
  }

  /// Multiply-adds a second of one thread while all are busy with nothing else.
  static func ceiling(_ encoder: BertEncoder) -> Double {
    let calls = encoder.kernels.calls
    let team = encoder.team
    let rates = AlignedBuffer(bytes: team.count * 64)
    team.run { worker in
      let start = StageClock.now()
      let done =
        encoder.precision == .int8 ? calls.peak_s8(200_000) : calls.peak_f32(200_000)
      rates.base.storeBytes(
        of: Double(done) / (StageClock.now() - start), toByteOffset: worker * 64, as: Double.self)
    }
    let sum = (0..<team.count).reduce(0.0) {
      $0 + rates.base.load(fromByteOffset: $1 * 64, as: Double.self)
    }
    return sum / Double(team.count)
  }

  /// Each stage's share of all workers' time, from runs of their own.
  private func profile(
    _ workload: Workload
  ) throws(BertError) -> [(stage: Stage, share: Double)] {
    let clock = StageClock(workers: encoder.team.count)
    encoder.clock = clock
    defer { encoder.clock = nil }
    let start = StageClock.now()
    repeat { try once(workload, encoder) } while StageClock.now() - start < seconds
    let total = Stage.allCases.reduce(0) { $0 + clock.total($1) }
    return Stage.allCases.map { (stage: $0, share: clock.total($0) / total) }
  }
}
