import BertErrors
import Fixtures
import TensorFiles
import Testing

@Suite struct OnnxFileTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// Every way of keeping elements, each giving 1, 2, 3.
  static let kinds: [(name: String, type: Int, fill: @Sendable (inout ProtobufWriter) -> Void)] = [
    ("raw", 1, { $0.bytes(9, floatBytes([1, 2, 3])) }),
    ("float_data", 1, { $0.bytes(4, floatBytes([1, 2, 3])) }),
    ("int32_data as int8", 3, { $0.bytes(5, [1, 2, 3]) }),
    ("int32_data as uint8", 2, { $0.bytes(5, [1, 2, 3]) }),
    (
      "int32_data as float16", 10,
      { $0.bytes(5, [0x80, 0x78, 0x80, 0x80, 0x01, 0x80, 0x84, 0x01]) }
    ),
    ("int64_data", 7, { $0.bytes(7, [1, 2, 3]) }),
    ("uint64_data", 13, { $0.bytes(11, [1, 2, 3]) }),
    (
      "double_data", 11,
      { $0.bytes(10, [1.0, 2, 3].flatMap { littleEndian(($0 as Double).bitPattern) }) }
    ),
    ("raw int8", 3, { $0.bytes(9, [1, 2, 3]) }),
    ("raw bfloat16", 16, { $0.bytes(9, [0x80, 0x3F, 0, 0x40, 0x40, 0x40]) }),
  ]

  @Test func readsEveryWayOfKeepingElements() throws {
    for kind in Self.kinds {
      var forge = OnnxForge()
      forge.tensor("w", [3], kind.type, kind.fill)
      for name in ["m.onnx", "m"] {
        let checkpoint = try Checkpoint.open(folder.write(name, forge.file))
        #expect(try checkpoint.readFloat32("w") == [1, 2, 3], "\(kind.name)")
      }
    }
  }

  @Test func readsElementsBesideTheGraph() throws {
    try folder.write("w.data", [9, 9, 9, 9] + floatBytes([1, 2, 3]))
    var forge = OnnxForge()
    forge.external("w", [3], ["location": "w.data", "offset": "4", "length": "12"])
    forge.external("v", [1], ["location": "w.data", "offset": "8"])
    let checkpoint = try Checkpoint.open(folder.write("m.onnx", forge.file))
    #expect(try checkpoint.readFloat32("w") == [1, 2, 3])
    #expect(try checkpoint.readFloat32("v") == [2])
    #expect(checkpoint["w"]?.file == folder.path + "/w.data" && checkpoint["w"]?.byteOffset == 4)
  }

  static let refused: [(words: String, change: @Sendable (inout OnnxForge) -> Void)] = [
    ("needs 12 bytes; it has 8", { $0.tensor("x", [3], 1, raw: [UInt8](repeating: 0, count: 8)) }),
    ("more bytes than can be counted", { $0.tensor("x", [1 << 40, 1 << 40], 1, raw: []) }),
    ("more bytes than can be counted", { $0.tensor("x", [-1], 1, raw: []) }),
    ("has no elements", { $0.tensor("x", [3], 1) { _ in } }),
    ("do not fit", { $0.tensor("x", [3], 1) { $0.bytes(4, [0, 0, 0, 0]) } }),
    ("do not fit", { $0.tensor("x", [3], 7) { $0.bytes(7, [0, 0]) } }),
    ("do not fit", { $0.tensor("x", [1], 1) { $0.bytes(10, [UInt8](repeating: 0, count: 8)) } }),
    (
      "packed ones are read",
      {
        $0.tensor("x", [2], 7) {
          $0.bytes(7, [1]); $0.bytes(7, [2])
        }
      }
    ),
    ("another type", { $0.tensor("x", [1], 7) { $0.integer(9, 1) } }),
    (
      "segments",
      {
        $0.tensor("x", [1], 1) {
          $0.bytes(3, []); $0.bytes(9, [0, 0, 0, 0])
        }
      }
    ),
    ("twice", { $0.floats("w", [1], [1]) }),
    ("in the graph's folder", { $0.external("x", [1], ["location": "../secret"]) }),
    ("in the graph's folder", { $0.external("x", [1], ["location": "/etc/passwd"]) }),
    ("in the graph's folder", { $0.external("x", [1], ["offset": "0"]) }),
    ("no such file", { $0.external("x", [1], ["location": "absent"]) }),
    ("should be 400 bytes", { $0.external("x", [100], ["location": "w.data"]) }),
    ("should be 4 bytes", { $0.external("x", [1], ["location": "w.data", "offset": "-4"]) }),
    ("should be 4 bytes", { $0.external("x", [1], ["location": "w.data", "length": "8"]) }),
    (
      "should be 4 bytes",
      { $0.external("x", [1], ["location": "w.data", "offset": "9223372036854775807"]) }
    ),
    ("sparse", { $0.graph.bytes(15, []) }),
    ("wire type", { $0.graph.bytes(5, [0x0B]) }),
    ("should have 127 bytes", { $0.graph.bytes(5, [0x4A, 0x7F]) }),
    ("more than 64 bits", { $0.graph.bytes(5, [0x10] + [UInt8](repeating: 0xFF, count: 11)) }),
    (
      "more than 64 numbers",
      { forge in forge.tensor("x", [Int](repeating: 1, count: 65), 1, raw: [0, 0, 0, 0]) }
    ),
  ]

  @Test func refusesWhatContradictsItself() throws {
    try folder.write("w.data", floatBytes([1]))
    for (words, change) in Self.refused {
      var forge = OnnxForge()
      forge.floats("w", [1], [1])
      change(&forge)
      let path = try folder.write("m.onnx", forge.file)
      let error = #expect(throws: BertError.self) {
        let checkpoint = try Checkpoint.open(path)
        for tensor in checkpoint.tensors { _ = try checkpoint.readFloat32(tensor.name) }
      }
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
      #expect([65, 66, 69].contains(error?.code.exitCode) && error?.file != nil)
    }
  }

  @Test func rejectsEveryTruncation() throws {
    var forge = OnnxForge()
    forge.floats("w", [3], [1, 2, 3])
    forge.node("MatMul", ["x", "w"], "y", lists: ["perm": [1, 0]])
    for count in 0..<forge.file.count {
      let path = try folder.write("m.onnx", Array(forge.file[..<count]))
      let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
      #expect([65, 69].contains(error?.code.exitCode), "\(count): \(error?.description ?? "")")
    }
  }

  @Test func refusesTensorsThatShareAFileTooOften() throws {
    try folder.write("w.data", [UInt8](repeating: 0, count: 40_000))
    var forge = OnnxForge()
    for number in 0..<100 { forge.external("w\(number)", [10_000], ["location": "w.data"]) }
    let path = try folder.write("m.onnx", forge.file)
    let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
    #expect(error?.code == .malformed && error?.message.contains("many times") == true)
  }
}
