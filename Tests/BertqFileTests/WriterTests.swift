import BertErrors
import BertModel
import ByteFiles
import Fixtures
import SystemLibrary
import Testing

@testable import BertqFile
@testable import ByteFiles

@Suite struct WriterTests {
  static func code(_ body: () throws -> Void) -> BertError.Code? {
    do { try body() } catch let error as BertError {
      return error.code
    } catch {}
    return nil
  }

  @Test func replacesAFileAndLeavesNothingElse() throws {
    let folder = try TemporaryFolder()
    try write([1, 2, 3], to: folder / "a.bertq")
    try TinyModel().write(to: folder / "a.bertq")
    try ModelFile.open(folder / "a.bertq").verifyAll()
    try TinyModel(.int8).write(to: folder / "a.bertq")
    #expect(try ModelFile.open(folder / "a.bertq").fingerprints.float == nil)
    #expect(folder.names == ["a.bertq"])
  }

  @Test func whoHasTheOldFileOpenKeepsIt() throws {
    let folder = try TemporaryFolder()
    try TinyModel().write(to: folder / "a.bertq")
    let old = try ModelFile.open(folder / "a.bertq")
    try TinyModel(.int8).write(to: folder / "a.bertq")
    try old.verifyAll()
    #expect(old.fingerprints.float != nil)
  }

  @Test func theNewFileHasOrdinaryPermissions() throws {
    let folder = try TemporaryFolder()
    try TinyModel().write(to: folder / "a.bertq")
    let mask = umask(0o022)
    umask(mask)
    var status = stat()
    #expect(stat(folder / "a.bertq", &status) == 0)
    #expect(status.st_mode & 0o777 == 0o666 & ~mask)
  }

  @Test func droppedBeforeItsEndItLeavesTheOldFile() throws {
    let folder = try TemporaryFolder()
    try write([1, 2, 3], to: folder / "a.bertq")
    let model = TinyModel()
    for count in [0, 1, model.tensors.count] {
      let writer = try BertqWriter(
        path: folder / "a.bertq", description: model.description, tensors: model.tensors,
        producer: "tests")
      for tensor in model.tensors.prefix(count) { try model.append(tensor, to: writer) }
      if count < model.tensors.count {
        #expect(throws: BertError(.usage, "")) { _ = try writer.finish() }
      }
    }
    #expect(try contents(folder / "a.bertq") == [1, 2, 3])
    #expect(folder.names == ["a.bertq"])
  }

  @Test func whereNoFileCanBeItSaysSoAtOnce() throws {
    let folder = try TemporaryFolder()
    try write([], to: folder / "file")
    let paths = [
      folder / "missing/a.bertq", folder / "file/a.bertq", folder.path, folder.path + "/",
      folder / ".", "", "/dev/null", folder / String(repeating: "x", count: 300),
    ]
    for path in paths {
      do {
        try TinyModel().write(to: path)
        Issue.record("\(path) was written")
      } catch let error as BertError {
        #expect(error.code == .cannotWrite, "\(error)")
        #expect(error.file == path)
      }
    }
    #expect(folder.names == ["file"])
  }

  @Test func aTemporaryWithANameIsGoneInTheEnd() throws {
    let folder = try TemporaryFolder()
    for path in [folder / "a", folder / "a", folder / "b"] {
      let output = try OutputFile(path: path, size: 3, usesNamed: true)
      #expect(folder.names.count { $0.hasSuffix(".tmp") } == 1)
      try [UInt8]([4, 5, 6]).withUnsafeBytes { try output.put($0, at: 0) }
      try output.commit()
      #expect(try contents(path) == [4, 5, 6])
    }
    _ = try OutputFile(path: folder / "c", size: 3, usesNamed: true)
    #expect(folder.names == ["a", "b"])
  }

  @Test func bytesReplaceWhatWasThere() throws {
    let folder = try TemporaryFolder()
    for bytes in [[1, 2, 3], [], [UInt8](repeating: 7, count: 100_000)] as [[UInt8]] {
      try OutputFile.write(bytes, to: folder / "report.json")
      #expect(try contents(folder / "report.json") == bytes)
    }
    #expect(Self.code { try OutputFile.write([1], to: folder / "no/report.json") } == .cannotWrite)
    #expect(folder.names == ["report.json"])
  }

  /// A disk that takes so many bytes and then fails.
  final class Disk {
    var left: Int
    let code: CInt
    init(_ left: Int, _ code: CInt) { (self.left, self.code) = (left, code) }

    func write(_ file: CInt, _ bytes: UnsafeRawPointer, _ count: Int, _ offset: Int) -> Int {
      if left == 0 {
        errno = code
        return -1
      }
      let count = min(count, left, 100)  // short writes, too
      left -= count
      return pwrite(file, bytes, count, offset)
    }
  }

  @Test(arguments: [(ENOSPC, false), (EIO, false), (EDQUOT, true)])
  func aDiskThatFailsAtAnyPointLeavesTheOldFile(_ code: CInt, _ usesNamed: Bool) throws {
    let folder = try TemporaryFolder()
    try write([1, 2, 3], to: folder / "a.bertq")
    let model = TinyModel()
    var room = 0
    while room < 100_000 {
      let disk = Disk(room, code)
      do {
        let writer = try BertqWriter(
          path: folder / "a.bertq", description: model.description, tensors: model.tensors,
          quantizer: [], producer: "tests"
        ) { (size) throws(BertError) in
          try OutputFile(
            path: folder / "a.bertq", size: size, usesNamed: usesNamed, write: disk.write)
        }
        for tensor in model.tensors { try model.append(tensor, to: writer) }
        _ = try writer.finish()
        break
      } catch let error as BertError {
        #expect(error.code == .cannotWrite)
        #expect(error.file == folder / "a.bertq")
        #expect(folder.names == ["a.bertq"])
        #expect(try contents(folder / "a.bertq") == [1, 2, 3])
      }
      room += 997
    }
    #expect(room > 5000 && room < 100_000)
    try ModelFile.open(folder / "a.bertq").verifyAll()
  }

  @Test func theOrderOfWritingDoesNotMatter() throws {
    let folder = try TemporaryFolder()
    let model = TinyModel()
    for (name, tensors) in [("a", model.tensors), ("b", model.tensors.reversed())] {
      let writer = try BertqWriter(
        path: folder / name, description: model.description, tensors: model.tensors,
        producer: "tests")
      for tensor in tensors { try model.append(tensor, to: writer) }
      _ = try writer.finish()
    }
    #expect(try contents(folder / "a") == contents(folder / "b"))
  }

  @Test func aFileThatIsFinishedUnnamedCanBeReadAndLeavesNothing() throws {
    let folder = try TemporaryFolder()
    let model = TinyModel()
    let writer = try BertqWriter(
      path: folder / "a.bertq", description: model.description, tensors: model.tensors,
      producer: "tests")
    for tensor in model.tensors { try model.append(tensor, to: writer) }
    let file = try writer.finishUnnamed { (path) throws(BertError) in try ModelFile.open(path) }
    #expect(folder.names.isEmpty)
    try file.verifyAll()
  }

  @Test func refusesTensorsThatAreNotPlannedOrTooLong() throws {
    let folder = try TemporaryFolder()
    let model = TinyModel()
    let writer = try BertqWriter(
      path: folder / "a.bertq", description: model.description, tensors: model.tensors,
      producer: "tests")
    let many = [UInt8](repeating: 0, count: 70 * 8 * 4 + 1)
    many.withUnsafeBytes { bytes in
      #expect(throws: BertError(.usage, "")) { try writer.append("embeddings.nothing", bytes) }
      #expect(throws: BertError(.usage, "")) { try writer.append("embeddings.position", bytes) }
    }
  }

  @Test func refusesWhatAReaderWouldRefuse() throws {
    let folder = try TemporaryFolder()
    let plans: [[BertqTensor]] = [
      [BertqTensor("a", .int8, .rowMajor, [1]), BertqTensor("a", .int8, .rowMajor, [1])],
      [BertqTensor("", .int8, .rowMajor, [1])],
      [BertqTensor("a b", .int8, .rowMajor, [1])],
      [BertqTensor("é", .int8, .rowMajor, [1])],
      [BertqTensor(String(repeating: "n", count: 256), .int8, .rowMajor, [1])],
      [BertqTensor("a", .int8, .rowMajor, [])],
      [BertqTensor("a", .int8, .rowMajor, [0])],
      [BertqTensor("a", .int8, .rowMajor, [-1])],
      [BertqTensor("a", .int8, .rowMajor, [1, 1, 1, 1, 1])],
      [BertqTensor("a", .int8, .rowMajor, [1 << 40, 1 << 40])],
      [BertqTensor("a", .int8, .floatPanels, [4, 4])],
      [BertqTensor("a", .float32, .int8Panels, [4, 4])],
      [BertqTensor("a", .float32, .floatPanels, [4])],
    ]
    for plan in plans {
      #expect(throws: BertError(.malformed, "")) {
        _ = try BertqWriter(
          path: folder / "a.bertq", description: TinyModel().description, tensors: plan,
          producer: "")
      }
    }
    let tooLarge = [BertqTensor("a", .int8, .rowMajor, [1 << 39])]
    #expect(throws: BertError(.unsupported, "")) {
      _ = try BertqWriter(
        path: folder / "a.bertq", description: TinyModel().description, tensors: tooLarge,
        producer: "")
    }
    let changes: [(inout ModelDescription) -> Void] = [
      { $0.head = HeadSettings(labels: ["a\0b"]) },
      { $0.head = HeadSettings(labels: [String(repeating: "x", count: 65_537)]) },
      { $0.embedding.poolings = [] },
      { $0.embedding.poolings = .init(repeating: .mean, count: 17) },
      { $0.embedding.modules = [.dense(outputs: 0, .tanh)] },
      { $0.embedding.dimensions = 9 },
      { $0.defaultPrompt = "query" },
      { $0.prompts = [Prompt("a", "b"), Prompt("a", "c")] },
      {
        $0.tokenizer = TokenizerSettings(); $0.tokenizer?.pair = [TemplatePiece(.firstText)]
      },
      { $0.configuration.layerNormEpsilon = .nan },
      { $0.configuration.headCount = 3 },
      {
        $0.tokenizer = TokenizerSettings(); $0.tokenizer?.maximumTokens = -1
      },
    ]
    for change in changes {
      var description = TinyModel().description
      change(&description)
      #expect(throws: BertError(.malformed, "")) {
        _ = try BertqWriter(
          path: folder / "a.bertq", description: description, tensors: [], producer: "")
      }
    }
    #expect(folder.names.isEmpty)
  }
}
