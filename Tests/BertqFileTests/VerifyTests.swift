import BertErrors
import BertModel
import BertqFile
import Fixtures
import SystemLibrary
import Testing

@Suite struct VerifyTests {
  /// A file with a tensor of four chunks, with bytes of it changed.
  ///
  /// Its 240 000 bytes are a multiple of 64: the five bytes of the next tensor follow at once.
  static func make(_ folder: TemporaryFolder, damage: [Int] = []) throws -> ModelFile {
    var model = TinyModel()
    model.tensors = [
      BertqTensor("before", .uint8, .rowMajor, [10]),
      BertqTensor("big", .float32, .rowMajor, [1000, 60]),
      BertqTensor("after", .int8, .rowMajor, [5]),
    ]
    let path = folder / "a.bertq"
    try model.write(to: path)
    var bytes = try contents(path)
    let start = bytes.count - 240_000 - 5
    for offset in damage { bytes[start + offset] ^= 1 }
    try write(bytes, to: path)
    return try ModelFile.open(path)
  }

  @Test func damageIsFoundWhereItIsUsedAndOnlyThere() throws {
    let folder = try TemporaryFolder()
    let file = try Self.make(folder, damage: [100_000])  // in the second chunk
    let big = try file.require("big", .float32, [1000, 60], verifying: false)
    let start = try contents(file.path).count - 240_000 - 5
    try file.verify(big, bytes: 0..<65_536)
    try file.verify(big, bytes: 131_072..<240_000)
    try file.verify(big, bytes: 5..<5)
    _ = try file.require("after", .int8, [5])
    for range in [0..<65_537, 65_536..<65_537, 131_071..<131_072, 0..<240_000] {
      do {
        try file.verify(big, bytes: range)
        Issue.record("\(range) passed")
      } catch {
        #expect(error.code == .malformed)
        #expect(error.tensor == "big")
        #expect(error.file == file.path)
        #expect(error.byteOffset == start + 65_536)
      }
    }
    #expect(throws: BertError(.malformed, "")) { try file.verifyAll() }
  }

  @Test func whatWasCheckedOnceIsNotCheckedAgainButByVerifyAll() throws {
    let folder = try TemporaryFolder()
    let file = try Self.make(folder)
    let big = try file.require("big", .float32, [1000, 60])
    // Changed under the mapping, as nobody should: seen only by what looks again.
    let offset = try contents(file.path).count - 100
    let descriptor = open(file.path, O_WRONLY)
    #expect(pwrite(descriptor, [UInt8(0xAA)], 1, offset) == 1)
    close(descriptor)
    try file.verify(big, bytes: 0..<240_000)
    #expect(throws: BertError(.malformed, "")) { try file.verifyAll() }
  }

  @Test func refusesRangesAndViewsThatAreNotItsOwn() throws {
    let folder = try TemporaryFolder()
    let file = try Self.make(folder)
    let big = try file.require("big", .float32, [1000, 60])
    for range in [0..<240_001, -1..<5, 240_000..<Int.max] {
      #expect(throws: BertError(.usage, "")) { try file.verify(big, bytes: range) }
    }
    let other = TensorView(
      name: "big", elementType: .float32, layout: .rowMajor, shape: [1000, 60],
      bytes: UnsafeRawBufferPointer(rebasing: big.bytes[64...]))
    #expect(throws: BertError(.usage, "")) { try file.verify(other, bytes: 0..<1) }
    let empty = TensorView(
      name: "big", elementType: .int8, layout: .rowMajor, shape: [0],
      bytes: UnsafeRawBufferPointer(start: nil, count: 0))
    #expect(throws: BertError(.usage, "")) { try file.verify(empty, bytes: 0..<0) }
  }

  @Test func manyThreadsMayVerifyAtOnce() async throws {
    let folder = try TemporaryFolder()
    let file = try Self.make(folder, damage: [200_000])
    let big = try file.require("big", .float32, [1000, 60], verifying: false)
    let failures = await withTaskGroup(of: Int.self) { group in
      for task in 0..<16 {
        group.addTask {
          var failures = 0
          for row in 0..<1000 {
            let start = (row * 7 + task * 61) % 1000 * 240
            do { try file.verify(big, bytes: start..<start + 240) } catch { failures += 1 }
          }
          return failures
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    // The rows that touch the last chunk, 196 608 to 240 000.
    #expect(failures == [Int](repeating: 181, count: 16))
  }

  @Test func progressEndsAtTheWholeFile() throws {
    let folder = try TemporaryFolder()
    let file = try Self.make(folder)
    var steps: [(Int, Int)] = []
    try file.verifyAll { steps.append(($0, $1)) }
    let count = try contents(file.path).count
    #expect(steps.count == 3)
    #expect(steps.last.map { $0 == count && $1 == count } == true)
  }

  @Test func whatIsNoFileIsNotFound() throws {
    let folder = try TemporaryFolder()
    let pipe = folder / "pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [folder / "missing", folder.path, pipe, "/dev/null", ""] {
      do {
        _ = try ModelFile.open(path)
        Issue.record("\(path) was opened")
      } catch {
        #expect(error.code == .notFound, "\(error)")
        #expect(error.file == path)
      }
    }
  }
}
