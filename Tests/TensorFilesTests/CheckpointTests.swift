import BertErrors
import Fixtures
import FoundationEssentials
import SystemLibrary
import TensorFiles
import Testing

@Suite struct CheckpointTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  static let one: [UInt8] = safetensors([("a", [2], [1, 2])])

  func expectError(
    _ code: BertError.Code, _ path: String, mentions words: String..., at line: Int = #line
  ) {
    let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
    #expect(error?.code == code, "line \(line): \(error?.description ?? "")")
    for word in words {
      #expect(
        error?.description.contains(word) == true, "line \(line): \(error?.description ?? "")")
    }
  }

  @Test func saysWhatIsWrongWithAPath() throws {
    expectError(.notFound, folder.path + "/absent.safetensors", mentions: "absent.safetensors")
    expectError(.notFound, folder.path + "/absent/", mentions: "no such file")
    expectError(.notFound, folder.path, mentions: "no checkpoint")
    try folder.write("x.safetensors/y", "")
    expectError(.notFound, folder.path + "/x.safetensors", mentions: "no checkpoint")
    try folder.write("pytorch_model.bin", [1, 2, 3])
    expectError(.malformed, folder.path, mentions: "PyTorch")
    expectError(.malformed, folder.path + "/pytorch_model.bin", mentions: "PyTorch")
    expectError(.notFound, "/dev/null", mentions: "device")
  }

  @Test(arguments: [
    ("hello, this is a text about nothing", "text, beginning"),
    ("version https://git-lfs.github.com/spec/v1", "Git LFS"), ("", "0 bytes"), ("abc", "3 bytes"),
    ("<!DOCTYPE html><html></html>", "web page"), ("PK\u{3}\u{4}0000000000", "ZIP"),
  ])
  func saysWhatAFileThatIsNoSafetensorsLooksLike(text: String, words: String) throws {
    let path = try folder.write("model.safetensors", text)
    expectError(.malformed, path, mentions: words, path)
  }

  @Test func rejectsEveryTruncation() throws {
    for count in 0..<Self.one.count {
      let path = try folder.write("t.safetensors", Array(Self.one[..<count]))
      expectError(.malformed, path, mentions: "at byte")
    }
  }

  @Test(arguments: [
    ("null", true), ("{}", true), ("{\"format\":\"mlx\"}", true), ("[]", false),
    ("{\"a\":1}", false),
  ])
  func metadataMayBeNull(metadata: String, isTaken: Bool) throws {
    let header =
      "{\"__metadata__\":\(metadata),"
      + String(decoding: Self.one[8..<(Self.one.count - 8)], as: UTF8.self).dropFirst()
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    let path = try folder.write("m.safetensors", length + Array(header.utf8) + Self.one.suffix(8))
    if isTaken {
      #expect(try Checkpoint.open(path).readFloat32("a") == [1, 2])
    } else {
      expectError(.malformed, path, mentions: "__metadata__")
    }
  }

  @Test func prefersTheOneFileOverIndexAndArchives() throws {
    try folder.write("a.npz", "")
    try folder.write("b.npz", "")
    expectError(.notFound, folder.path, mentions: "several checkpoints", "a.npz, b.npz")
    try folder.write(
      "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"other.safetensors\"}}")
    try folder.write("other.safetensors", Self.one)
    #expect(try Checkpoint.open(folder.path).path.hasSuffix("index.json"))
    try folder.write("model.safetensors", Self.one)
    let checkpoint = try Checkpoint.open(folder.path + "/")
    #expect(checkpoint.path == folder.path + "/model.safetensors" && checkpoint.notices.count == 1)
  }

  @Test func followsTheIndexTensorByTensor() throws {
    try folder.write("s1", safetensors([("a", [1], [1]), ("stale", [1], [9])]))
    try folder.write("sub/s2", safetensors([("a", [1], [9]), ("b", [1], [2])]))
    let path = try folder.write(
      "m.index.json", "{\"weight_map\":{\"b\":\"sub/s2\",\"a\":\"s1\"},\"metadata\":{}}")
    let checkpoint = try Checkpoint.open(path)
    #expect(checkpoint.tensors.map(\.name) == ["b", "a"])
    #expect(try checkpoint.readFloat32("a") == [1] && checkpoint.readFloat32("b") == [2])
    #expect(Set(checkpoint.ignored.map(\.name)) == ["stale", "a"])
  }

  @Test(arguments: [
    ("{\"weight_map\":{\"a\":\"gone\",\"c\":\"s1\",\"d\":\"s1\"}}", ["gone", "'c'", "'d'"]),
    ("{\"weight_map\":{\"a\":\"../s1\"}}", ["its own folder"]),
    ("{\"weight_map\":{\"a\":\"/etc/passwd\"}}", ["its own folder"]),
    ("{\"weight_map\":{\"a\":\"x/../../s1\"}}", ["its own folder"]),
    ("{\"weight_map\":{\"a\":1}}", ["its own folder"]),
    ("{\"weight_map\":{\"a\":\"s1\",\"a\":\"s1\"}}", ["twice"]),
    ("{\"weight_map\":[]}", ["weight_map"]), ("{}", ["weight_map"]), ("[", ["JSON"]),
    ("{\"weight_map\":{}}", ["no tensor"]), ("{\"weight_map\":{\"a\":\"bad\"}}", ["bad"]),
  ])
  func rejectsAnIndexThatCannotBeTrusted(index: String, words: [String]) throws {
    try folder.write("s1", Self.one)
    try folder.write("bad", "not safetensors at all")
    let path = try folder.write("m.index.json", index)
    for word in words { expectError(.malformed, path, mentions: word) }
  }

  @Test(.enabled(if: SharedData.isPresent("foreign"), "needs the shared data"))
  func refusesElementTypesWithoutConversion() throws {
    let file = try Checkpoint.open(SharedData.path("foreign/safetensors/ok_f4.safetensors"))
    #expect(throws: BertError(.unsupported, "")) { try file.readFloat32("attn.0") }
    #expect(throws: BertError(.notFound, "")) { try file.readFloat32("absent") }
  }

  @Test func reportsAFileThatShrinksUnderIt() throws {
    let path = try folder.write("m.safetensors", Self.one)
    let checkpoint = try Checkpoint.open(path)
    try FileHandleShim.truncate(path, to: Self.one.count - 1)
    let error = #expect(throws: BertError.self) { try checkpoint.readFloat32("a") }
    #expect(error?.code == .malformed && error?.tensor == "a" && error?.byteOffset != nil)
  }

  @Test func tellsWhereAnElementLies() throws {
    let checkpoint = try Checkpoint.open(folder.write("m.safetensors", Self.one))
    let tensor = try #require(checkpoint["a"])
    #expect(tensor.byteOffset(ofElement: 1) == Self.one.count - 4)
  }

  @Test(
    .enabled(if: SharedData.isPresent("tiny"), "needs the shared data"),
    arguments: ["model.npz", "model_compressed.npz"])
  func findsEveryFlippedByteOfAnArchive(name: String) throws {
    var bytes = try SharedData.bytes("tiny/model/\(name)")
    let sound = try Checkpoint.open(folder.write("m.npz", bytes))
    let expected = try sound.tensors.map { try sound.readFloat32($0.name) }
    for place in stride(from: 0, to: bytes.count, by: bytes.count / 211) {
      bytes[place] ^= 0x10
      let path = try folder.write("m.npz", bytes)
      // Either an error, or a byte without meaning (a date): never other values.
      if let damaged = try? Checkpoint.open(path),
        let values = try? damaged.tensors.map({ try damaged.readFloat32($0.name) })
      {
        #expect(values == expected, "byte \(place)")
      }
      bytes[place] ^= 0x10
    }
  }
}

/// What FoundationEssentials lacks.
enum FileHandleShim {
  static func truncate(_ path: String, to size: Int) throws {
    #expect(SystemLibrary.truncate(path, off_t(size)) == 0)
  }
}
