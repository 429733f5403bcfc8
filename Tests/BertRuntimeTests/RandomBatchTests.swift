import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Fixtures
import FoundationEssentials
import Testing

/// Random batches of random texts on random models: no bit may differ from each text alone.
///
/// `BERTQ_RANDOM_BATCHES` says how many, `BERTQ_RANDOM_SEED` which.
struct RandomBatchTests {
  static func setting(_ name: String, _ usual: Int) -> Int {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? usual
  }

  /// Batches run on each model before the next is made.
  static let batchesPerModel = 10

  @Test func noBitOfARandomBatchDiffers() throws {
    let count = Self.setting("BERTQ_RANDOM_BATCHES", 200)
    let seed = Self.setting("BERTQ_RANDOM_SEED", 1)
    var different: [String] = []
    for first in stride(from: 0, to: count, by: Self.batchesPerModel) {
      var random = SeededGenerator(seed: UInt64(truncatingIfNeeded: seed &* 1_000_003 &+ first))
      for precision in Precision.allCases {
        let number = min(Self.batchesPerModel, count - first)
        if let place = try Self.firstDifference(&random, precision, batches: number) {
          different.append("seed \(seed), batch \(first), \(precision): \(place)")
        }
      }
    }
    #expect(different.isEmpty)
    print("random batches: \(count) of each precision, seed \(seed)")
  }

  private static func firstDifference(
    _ random: inout SeededGenerator, _ precision: Precision, batches: Int
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
    let sets = KernelSet.available
    let single = try model.encoder(store, precision)
    for batch in 0..<batches {
      let texts = model.texts(
        (0..<Int.random(in: 1...12, using: &random)).map { _ in
          Int.random(in: 1...shape.maximumPositions, using: &random)
        })
      let several = try model.encoder(
        store, precision, kernels: sets.randomElement(using: &random),
        threads: .random(in: 1...4, using: &random),
        tokenBudget: .random(in: 1...300, using: &random))
      let found = try several.hiddenStates(model.batch(texts))
      for (place, text) in texts.enumerated() {
        let alone = try single.hiddenStates(model.batch([text]))
        if !haveSameBits(alone[0], found[place]) {
          return "\(shape), \(several.kernels.name), \(several.team.count) threads, "
            + "budget \(several.tokenBudget), batch \(batch), text \(place)"
        }
      }
    }
    return nil
  }
}
