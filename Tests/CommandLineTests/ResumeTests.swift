import BertErrors
import Fixtures
import FoundationEssentials
import JSONText
import SystemLibrary
import Testing

/// Going on behind what an earlier run wrote.
struct ResumeTests {
  private func input(_ shop: Workshop) throws -> String {
    let lines = (0..<200).map { number in
      number % 20 == 7
        ? "{\"id\":\(number),\"text\":null}\n"
        : "{\"id\":\(number),\"text\":\"the bird \(number)\"}\n"
    }
    try writeBytes(Array(lines.joined().utf8), to: shop.folder / "in")
    return shop.folder / "in"
  }

  @Test func anyPartOfAnOutputIsGoneOnWithToTheSameBytes() throws {
    let shop = try Workshop.converted()
    let options = ["--jsonl", "--on-error", "report", "--input", try input(shop), shop.model]
    let whole = try Program.run.run(options)
    #expect(whole.code == 4 && whole.lines.count == 200)
    let out = shop.folder / "out"
    let ends = whole.output.indices.filter { whole.output[$0] == 0x0A }
    let parts = [0, 1, 40, ends[0], ends[0] + 1, ends[7], ends[100] + 20, ends[199], ends[199] + 1]
    for part in parts {
      try writeBytes(Array(whole.output[..<part]), to: out)
      let rest = try Program.run.run(options + ["--resume", out])
      #expect(rest.code == 4 && rest.output.isEmpty, "\(rest.errors)")
      #expect(rest.errors.contains("10 of 200 texts were not answered: 10 malformed"))
      #expect(try readBytes(out) == whole.output, "\(part) bytes")
    }
    // Zeros are what a power failure leaves.
    try writeBytes(Array(whole.output[..<(ends[7] + 5)]) + [0, 0, 0], to: out)
    #expect(try Program.run.run(options + ["--resume", out]).code == 4)
    #expect(try readBytes(out) == whole.output)
    // A file that is not there is begun.
    let fresh = shop.folder / "fresh"
    #expect(try Program.run.run(options + ["--resume", fresh]).code == 4)
    #expect(try readBytes(fresh) == whole.output)
  }

  @Test func anOutputOfSomethingElseIsRefusedAndLeftAsItIs() throws {
    let shop = try Workshop.converted()
    let other = try Workshop.converted("--weights", "float")
    let path = shop.folder / "out"
    let mine = try Program.run("--float", shop.model, "sun", "moon").output
    let note = Array("my precious note without newline".utf8)
    let cases: [(bytes: [UInt8], arguments: [String], words: [String])] = [
      (note, [shop.model, "sun", "moon"], ["behind its 0 whole lines"]),
      (Array("{\"index\":1".utf8), [shop.model, "sun", "moon"], ["behind its 0"]),
      (Array("{\"index\":0".utf8) + [0, 7], [shop.model, "sun", "moon"], ["behind its 0"]),
      ([0xEF, 0xBB, 0xBF], [shop.model, "sun", "moon"], ["behind its 0"]),
      (Array("{\"index\":0\r".utf8), [shop.model, "sun", "moon"], ["behind its 0"]),
      (mine + note, ["--float", shop.model, "sun", "moon", "sea"], ["behind its 2"]),
      (
        mine + Array("{\"index\":2".utf8), ["--float", shop.model, "sun", "moon"], ["behind its 2"]
      ),
      (Array(mine.dropLast(5)), ["--task", "pooled", shop.model, "sun", "moon"], ["line 1"]),
      (Array(mine.prefix(30)), ["--task", "pooled", shop.model, "sun", "moon"], ["behind its 0"]),
      (mine, [shop.model, "sun", "star"], ["line 2"]),
      (mine, ["--int8", shop.model, "sun", "moon"], ["line 2"]),
      (mine, ["--task", "pooled", shop.model, "sun", "moon"], ["line 2"]),
      (mine, [shop.model, "sun"], ["2 lines", "1 texts"]),
      (Array("hello\nworld\n".utf8), [shop.model, "sun", "moon"], ["line 2"]),
    ]
    for (bytes, arguments, words) in cases {
      try writeBytes(bytes, to: path)
      expectFailure(try Program.run.run(arguments + ["--resume", path]), .usage, words + [path])
      #expect(try readBytes(path) == bytes)
    }
    try writeBytes(mine, to: path)
    #expect(try Program.run("--resume", path, other.model, "sun", "moon", "sea").code == 0)
    #expect(try readBytes(path).split(separator: 10).count == 3)
  }

  @Test func whatCannotBeGoneOnWithIsRefused() throws {
    let shop = try Workshop.converted()
    try writeBytes(Array("sun\n".utf8), to: shop.folder / "in")
    expectFailure(
      try Program.run("--input", shop.folder / "in", "--resume", shop.folder / "in", shop.model),
      .usage,
      ["is read here"])
    expectFailure(
      try Program.run("--resume", shop.model, shop.model, "sun"), .usage, ["is read here"])
    expectFailure(
      try Program.run("--resume", shop.folder.path, shop.model, "sun"), .cannotWrite)
    expectFailure(
      try Program.run("--resume", shop.folder / "no/where", shop.model, "sun"), .cannotWrite)
    for options in [["--format", "npy"], ["--drift"]] {
      expectFailure(
        try Program.run.run(options + ["--resume", shop.folder / "x", shop.model, "sun"]), .usage)
    }
  }

  /// Killed at any time, again and again.
  @Test func aRunThatIsKilledLosesNothing() throws {
    let shop = try Workshop.converted()
    let text = String(repeating: "the bird sings over the old road\n", count: 30_000)
    try writeBytes(Array(text.utf8), to: shop.folder / "in")
    let arguments = ["--quiet", "--input", shop.folder / "in", shop.model]
    let whole = try Program.run.run(arguments)
    let out = shop.folder / "out"
    for seconds in [0.02, 0.05, 0.1, 0.03, 0.2] {
      let part = try Program.run.run(arguments + ["--resume", out], killedAfter: seconds)
      #expect([0, 128 + SIGKILL].contains(part.code))
    }
    #expect(try Program.run.run(arguments + ["--resume", out]).code == 0)
    #expect(try readBytes(out) == whole.output)
  }
}
