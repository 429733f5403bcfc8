import BertErrors
import Fixtures
import JSONText
import TensorFiles
import Testing

/// A file that somebody else's facts describe: what must be read from it, or that it is refused.
struct ForeignCase: Sendable, CustomTestStringConvertible {
  let path: String
  let expectation: String
  let why: String
  let tensors: [JSON]?

  var testDescription: String { "\(path) (\(expectation): \(why))" }

  static func all(_ folder: String) -> [ForeignCase] {
    guard SharedData.isPresent("foreign/\(folder)/expected.json"),
      let bytes = try? SharedData.bytes("foreign/\(folder)/expected.json"),
      let cases = try? JSON.parse(bytes)["cases"]?.arrayValue
    else { return [] }
    return cases.map {
      ForeignCase(
        path: "foreign/\(folder)/\($0["file"]?.stringValue ?? "")",
        expectation: $0["expect"]?.stringValue ?? ($0["error"] == nil ? "accept" : "reject"),
        why: ($0["why"] ?? $0["error"])?.stringValue ?? "",
        tensors: $0["tensors"]?.arrayValue?.filter { $0["not_an_array"] == nil })
    }
  }

  /// Opens the file and reads every tensor.
  func read() throws -> [(info: TensorInfo, values: [Float])] {
    let checkpoint = try Checkpoint.open(SharedData.path(path))
    return try checkpoint.tensors.map { tensor in
      (tensor, try checkpoint.readFloat32(tensor.name))
    }
  }

  func check() throws {
    let outcome = Result { try read() }
    switch (expectation, outcome) {
    case ("reject", .success): Issue.record("was read, but must be refused")
    case ("accept", .failure(let error)): throw error
    case (_, .failure(let error)):
      let error = try #require(error as? BertError)
      #expect([65, 69].contains(error.code.exitCode) && error.file != nil, "\(error)")
    case (_, .success(let tensors)): compare(tensors)
    }
  }

  private func compare(_ found: [(info: TensorInfo, values: [Float])]) {
    guard let expected = tensors else { return }
    #expect(found.count == expected.count)
    for tensor in expected {
      let name = tensor["name"]?.stringValue ?? ""
      guard let match = found.first(where: { $0.info.name.utf8.elementsEqual(name.utf8) }) else {
        Issue.record("'\(name.prefix(80))' is not listed")
        continue
      }
      #expect(match.info.type == Self.type(tensor["dtype"]?.stringValue ?? ""))
      #expect(match.info.shape == tensor["shape"]?.arrayValue?.compactMap(\.integerValue))
      if let sum = tensor["sha256_f32le"]?.stringValue { #expect(sha256(match.values) == sum) }
    }
  }

  /// Either container's way of writing an element type.
  static func type(_ name: String) -> StoredType? {
    let numpy: [String: StoredType] = [
      "f8": .float64, "f4": .float32, "f2": .float16, "i8": .int64, "i4": .int32, "i2": .int16,
      "i1": .int8, "u8": .uint64, "u4": .uint32, "u2": .uint16, "u1": .uint8, "b1": .bool,
      "V2": .bfloat16,
    ]
    let torch: [String: StoredType] = [
      "float64": .float64, "float32": .float32, "float16": .float16, "bfloat16": .bfloat16,
      "int64": .int64, "int32": .int32, "int16": .int16, "int8": .int8, "uint8": .uint8,
      "bool": .bool,
    ]
    if name.hasPrefix("torch.") { return torch[String(name.dropFirst(6))] }
    return StoredType(rawValue: name) ?? numpy[String(name.dropFirst())]
  }
}

@Suite struct ForeignFilesTests {
  @Test(arguments: ForeignCase.all("safetensors"))
  func treatsForeignSafetensorsAsTheFormatDemands(_ file: ForeignCase) throws { try file.check() }

  @Test(arguments: ForeignCase.all("npz"))
  func treatsForeignArchivesAsTheFormatDemands(_ file: ForeignCase) throws { try file.check() }

  @Test(arguments: ForeignCase.all("pytorch"))
  func treatsForeignPickledCheckpointsAsTheReferenceDoes(_ file: ForeignCase) throws {
    try file.check()
  }

  @Test(.enabled(if: SharedData.isPresent("foreign"), "needs the shared data"))
  func readsBfloat16WrittenByNumPyAsBfloat16() throws {
    let file = try Checkpoint.open(SharedData.path("foreign/npz/type_bf16_as_V2.npz"))
    #expect(
      sha256(try file.readFloat32("a"))
        == "9f1b0d4f20af819fb0b4ed04366cedc1bc4ac9fb7afba05d718fd3d707c67fc5")
  }

  @Test func hashesAsTheStandardSays() {
    #expect(
      sha256(Array("abc".utf8))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }
}
