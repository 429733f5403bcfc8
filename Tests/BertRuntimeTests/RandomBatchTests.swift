import BertErrors
import BertKernels
import BertModel
import Fixtures
import FoundationEssentials
import Testing

@testable import BertRuntime

/// Random batches of random texts on random models, with random kernels, thread counts, budgets and
/// wanted rows: no bit may differ from each text alone on one thread, all of its rows computed.
///
/// `BERTQ_RANDOM_BATCHES` says how many, `BERTQ_RANDOM_SEED` which.
struct RandomBatchTests {
  static func setting(_ name: String, _ usual: Int) -> Int {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? usual
  }

  /// Batches run on each model before the next is made.
  static let batchesPerModel = 10

  /// What was drawn, to be sure that everything was.
  struct Tally {
    var together = 0
    var apart = 0
    var threads: Set<Int> = []
    var kernels: Set<String> = []
    var someRows = 0
  }

  @Test func noBitOfARandomBatchDiffers() throws {
    let count = Self.setting("BERTQ_RANDOM_BATCHES", 200)
    let seed = Self.setting("BERTQ_RANDOM_SEED", 1)
    var different: [String] = []
    for precision in Precision.allCases {
      var tally = Tally()
      for first in stride(from: 0, to: count, by: Self.batchesPerModel) {
        var random = SeededGenerator(seed: UInt64(truncatingIfNeeded: seed &* 1_000_003 &+ first))
        let number = min(Self.batchesPerModel, count - first)
        if let place = try Self.firstDifference(&random, precision, batches: number, &tally) {
          different.append("seed \(seed), batch \(first), \(precision): \(place)")
        }
      }
      print(
        "random batches: \(count) in \(precision), seed \(seed), rounds together "
          + "\(tally.together), apart \(tally.apart), threads \(tally.threads.sorted()), "
          + "kernel sets \(tally.kernels.sorted())")
      if count >= 200 {
        #expect(tally.together > 0 && tally.apart > 0 && tally.someRows > 0)
        #expect(tally.threads == Set(1...8))
        #expect(tally.kernels == Set(KernelSet.available.map(\.name)))
      }
    }
    #expect(different.isEmpty)
  }

  private static func firstDifference(
    _ random: inout SeededGenerator, _ precision: Precision, batches: Int, _ tally: inout Tally
  ) throws -> String? {
    let rotates = Bool.random(using: &random)
    let shape = configuration(
      heads: .random(in: 1...4, using: &random),
      headSize: rotates
        ? 16 * .random(in: 1...3, using: &random) : .random(in: 1...40, using: &random),
      layers: .random(in: 1...2, using: &random),
      intermediate: rotates
        ? 16 * .random(in: 1...7, using: &random) : .random(in: 1...80, using: &random),
      activation: Activation.allCases.randomElement(using: &random) ?? .gelu)
    let model = GeneratedModel(shape, seed: random.next())
    let store = try model.store { rotates ? model.rotated($0, $1) : model.rounded($0, $1) }
    let single = try model.encoder(store, precision)
    for batch in 0..<batches {
      let threads = Int.random(in: 1...8, using: &random)
      let texts = model.texts(
        lengths(upTo: shape.maximumPositions, threads: threads, &random))
      let several = try model.encoder(
        store, precision, kernels: KernelSet.available.randomElement(using: &random),
        threads: threads, tokenBudget: budget(&random))
      let wanted = texts.map { wantedRows(of: $0.ids.count, &random) }
      let together = try model.batch(texts, wanting: wanted)
      tally.someRows += wanted.count { $0 != .all }
      count(together, several, &tally)
      let found = try several.hiddenStates(together)
      for (place, text) in texts.enumerated() {
        let alone = try single.hiddenStates(model.batch([text]))[0]
        let rows = wanted[place].places(in: text.ids.count).flatMap {
          alone[($0 * shape.hiddenSize)..<(($0 + 1) * shape.hiddenSize)]
        }
        if !haveSameBits(rows, found[place]) {
          return "\(shape), \(several.kernels.name), \(several.team.count) threads, "
            + "budget \(several.tokenBudget), batch \(batch), text \(place)"
        }
      }
    }
    return nil
  }

  /// Lengths of few texts or of many; now and then such as workers can share out evenly, so that each
  /// goes its own way.
  private static func lengths(
    upTo most: Int, threads: Int, _ random: inout SeededGenerator
  ) -> [Int] {
    if Int.random(in: 0..<4, using: &random) == 0 {
      let same = Int.random(in: most / 2 + 1...most, using: &random)
      return Array(repeating: same, count: threads * .random(in: 1...2, using: &random))
    }
    let count = Int.random(in: 1...(Bool.random(using: &random) ? 8 : 30), using: &random)
    return (0..<count).map { _ in .random(in: 1...most, using: &random) }
  }

  /// All rows of a text, its first, or any of them.
  private static func wantedRows(of tokens: Int, _ random: inout SeededGenerator) -> WantedRows {
    switch Int.random(in: 0..<4, using: &random) {
    case 0, 1: .all
    case 2: .first
    default: .rows((0..<tokens).filter { _ in Int.random(in: 0..<3, using: &random) == 0 })
    }
  }

  /// From a text at a time to all of them at once.
  private static func budget(_ random: inout SeededGenerator) -> Int {
    .random(in: 1...([60, 300, 4_000].randomElement(using: &random) ?? 1), using: &random)
  }

  /// Counts the rounds that an encoder makes of a batch.
  private static func count(_ batch: TokenBatch, _ encoder: BertEncoder, _ tally: inout Tally) {
    let plan = BatchPlan(
      configuration: encoder.configuration, workers: encoder.team.count,
      tokenBudget: encoder.tokenBudget)
    var text = 0
    while text < batch.count {
      let round = plan.round(batch, from: text, staysTogether: false)
      if case .apart = round { tally.apart += 1 } else { tally.together += 1 }
      text = round.texts.upperBound
    }
    tally.threads.insert(encoder.team.count)
    tally.kernels.insert(encoder.kernels.name)
  }
}
