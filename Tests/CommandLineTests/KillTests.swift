import Fixtures
import FoundationEssentials
import Testing

/// Killing the converter at any moment leaves the old file, the new one, or none: never a damaged one.
struct KillTests {
  @Test(arguments: [false, true])
  func noMomentLeavesADamagedFile(_ replaces: Bool) throws {
    let shop = try Workshop.converted("--weights", "float")
    let old = try readBytes(shop.model)
    // The larger the checkpoint, the more moments there are within the writing.
    let input = PublishedCheckpoint.miniLM ?? shop.input
    let clock = ContinuousClock()
    let whole = try clock.measure { _ = try Program.convert(input, shop.output) }
    let duration = whole / .seconds(1)
    var random = SeededGenerator(seed: 5)
    var (unfinished, finished) = (0, 0)
    for _ in 0..<8 {
      if exists(shop.output) { try FileManager.default.removeItem(atPath: shop.output) }
      if replaces { try writeBytes(old, to: shop.output) }
      let moment = Double.random(in: 0...duration, using: &random)
      let outcome = try Program.convert.run([input, shop.output], killedAfter: moment)
      let found = exists(shop.output) ? try readBytes(shop.output) : nil
      if found == nil || found == old {
        #expect(found == (replaces ? old : nil))
        unfinished += 1
      } else {
        #expect(try Program.run("--verify", shop.output).code == 0)
        finished += 1
      }
      #expect(outcome.code == 137 || outcome.code == 0)
      #expect(shop.folder.names.filter { $0 != "out.bertq" } == ["checkpoint", "model.bertq"])
    }
    print("killed conversions: \(unfinished) left what was there, \(finished) were done")
  }
}
