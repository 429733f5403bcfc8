import BertErrors
import Fixtures
import TensorFiles
import Testing

@Suite struct TorchFileTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  static let six: [(key: String, values: [Float])] = [("0", [0, 1, 2, 3, 4, 5])]

  /// Both forms of a checkpoint with one tensor "w".
  private func forms(
    _ storages: [(key: String, values: [Float])] = six,
    _ value: (PickleAssembler) -> PickleAssembler
  ) throws -> [String] {
    let pickle = PickleAssembler.checkpoint("w", value)
    return [
      try folder.write("zip.bin", torchArchive(pickle, storages)),
      try folder.write("stream.bin", torchStream(pickle, storages)),
    ]
  }

  /// Sizes, strides and offset of a view of six numbers, and what must be read: nil for refused.
  static let views: [(shape: [Int], strides: [Int], offset: Int, values: [Float]?)] = [
    ([6], [1], 0, [0, 1, 2, 3, 4, 5]), ([2, 3], [3, 1], 0, [0, 1, 2, 3, 4, 5]),
    ([3, 2], [1, 3], 0, [0, 3, 1, 4, 2, 5]), ([1, 6], [77, 1], 0, [0, 1, 2, 3, 4, 5]),
    ([3, 1, 2], [1, 9, 3], 0, [0, 3, 1, 4, 2, 5]), ([2], [1], 3, [3, 4]), ([], [], 5, [5]),
    ([0], [1], 0, []), ([0, 4], [4, 1], 600, []), ([2, 2], [1, 2], 2, [2, 4, 3, 5]),
    ([1], [50], 4, [4]),
    // Spread, repeated, overlapping.
    ([3], [2], 0, nil), ([2, 2], [3, 1], 0, nil), ([6], [0], 0, nil), ([2, 3], [1, 1], 0, nil),
  ]

  @Test(arguments: views)
  func readsViewsInAnyDenseOrder(
    shape: [Int], strides: [Int], offset: Int, values: [Float]?
  ) throws {
    let paths = try forms { $0.tensor("0", count: 6, offset: offset, shape, strides) }
    for path in paths {
      let checkpoint = try Checkpoint.open(path)
      #expect(checkpoint.tensors.map(\.name) == ["w"] && checkpoint.tensors[0].shape == shape)
      if let values {
        #expect(try checkpoint.readFloat32("w") == values)
      } else {
        let error = #expect(throws: BertError.self) { try checkpoint.readFloat32("w") }
        #expect(error?.code == .unsupported && error?.tensor == "w")
        #expect(error?.message.contains("contiguous") == true)
      }
    }
  }

  /// Views that leave their storage, and storages that are not what the pickle says.
  static let impossible: [(shape: [Int], strides: [Int], offset: Int, count: Int)] = [
    ([7], [1], 0, 6), ([6], [1], 1, 6), ([2, 3], [4, 1], 0, 6), ([1], [1], 6, 6),
    ([2], [Int.max], 0, 6), ([Int.max, 2], [1, 1], 0, 6), ([2], [1], Int.max, 6),
    ([2, 2], [Int.max, Int.max], 0, 6), ([6], [1], 0, 7), ([6], [1], 0, Int.max), ([2], [1], 0, 2),
  ]

  @Test(arguments: impossible)
  func refusesViewsThatLeaveTheirStorage(
    shape: [Int], strides: [Int], offset: Int, count: Int
  ) throws {
    let paths = try forms { $0.tensor("0", count: count, offset: offset, shape, strides) }
    for path in paths {
      let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
      #expect(error?.code == .malformed && error?.tensor == "w", "\(error?.description ?? "")")
    }
  }

  @Test func refusesStoragesThatAreNotInTheFile() throws {
    let paths = try forms { $0.tensor("1", count: 6, [6], [1]) }
    for path in paths {
      let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
      #expect(error?.code == .malformed)
    }
  }

  @Test func refusesStoragesSharedMoreOftenThanCheckpointsDo() throws {
    let many = (0..<10_000).reduce(PickleAssembler().raw("}")) {
      $0.text("w\($1)").tensor("0", count: 40_000, [40_000], [1]).raw("s")
    }.raw(".").bytes
    let storage = [(key: "0", values: [Float](repeating: 1, count: 40_000))]
    for bytes in [torchArchive(many, storage), torchStream(many, storage)] {
      let path = try folder.write("m.bin", bytes)
      let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
      #expect(error?.code == .malformed && error?.message.contains("times as large") == true)
    }
  }

  @Test func joinsNestedNamesAndNotesWhatIsNoTensor() throws {
    let one = { (pickle: PickleAssembler) in pickle.tensor("0", count: 6, [6], [1]) }
    var pickle = PickleAssembler().raw("}(").text("epoch").integer(3)
    pickle = one(pickle.text("model").raw("}").text("a.b")).raw("s")
    pickle = one(one(pickle.text("list").raw("](")).raw("N")).raw("e")
    pickle = pickle.text("rate").raw([0x47] + littleEndian((0.5).bitPattern.byteSwapped)).raw("u.")
    let checkpoint = try Checkpoint.open(
      folder.write("m.pt", torchArchive(pickle.bytes, Self.six)))
    #expect(checkpoint.tensors.map(\.name) == ["model.a.b", "list.0", "list.2"])
    #expect(checkpoint.ignored.map(\.name) == ["epoch", "rate"])
    #expect(checkpoint.ignored.allSatisfy { $0.reason == "no tensor: a number" })
  }

  @Test func ofAKeyGivenTwiceTheLastCounts() throws {
    let pickle = PickleAssembler().raw("}")
      .text("w").tensor("0", count: 6, [1], [1]).raw("s")
      .text("w").tensor("0", count: 6, offset: 5, [1], [1]).raw("s.")
    let path = try folder.write("m.pt", torchArchive(pickle.bytes, Self.six))
    #expect(try Checkpoint.open(path).readFloat32("w") == [5])
  }

  @Test func refusesOneNameByTwoPaths() throws {
    let pickle = PickleAssembler().raw("}")
      .text("a.b").tensor("0", count: 6, [1], [1]).raw("s")
      .text("a").raw("}").text("b").tensor("0", count: 6, [1], [1]).raw("ss.")
    let path = try folder.write("m.pt", torchArchive(pickle.bytes, Self.six))
    let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
    #expect(error?.code == .malformed && error?.tensor == "a.b")
  }

  @Test func comparesTheChecksumOfAStorageOfWhichATensorIsAPart() throws {
    let pickle = PickleAssembler.checkpoint("w") { $0.tensor("0", count: 6, [2], [1]) }
    var bytes = torchArchive(pickle, Self.six)
    // The last element of the storage, which the tensor does not have.
    let place = try #require(
      bytes.indices.last { bytes[$0...].starts(with: littleEndian(Float(5).bitPattern)) })
    #expect(try Checkpoint.open(folder.write("m.pt", bytes)).readFloat32("w") == [0, 1])
    bytes[place] ^= 1
    let damaged = try Checkpoint.open(folder.write("m.pt", bytes))
    let error = #expect(throws: BertError.self) { try damaged.readFloat32("w") }
    #expect(error?.code == .malformed && error?.message.contains("CRC-32") == true)
  }

  @Test func readsUntypedStoragesByTheTensorsType() throws {
    let pickle = PickleAssembler.checkpoint("w") {
      $0.global("torch._utils", "_rebuild_tensor_v3").raw("(")
        .storage("0", "UntypedStorage", count: 24).integer(2).sizes([2]).sizes([1]).raw([0x89])
        .global("collections", "OrderedDict").raw(")R").global("torch", "float32").raw("}tR")
    }
    let path = try folder.write("m.pt", torchArchive(pickle, Self.six))
    #expect(try Checkpoint.open(path).readFloat32("w") == [2, 3])
  }

  @Test func followsAnIndexOfPickledShards() throws {
    for (name, value) in [("a", 0), ("b", 3)] {
      let pickle = PickleAssembler.checkpoint(name) {
        $0.tensor("0", count: 6, offset: value, [1], [1])
      }
      try folder.write("pytorch_model-\(name).bin", torchArchive(pickle, Self.six))
    }
    try folder.write(
      "pytorch_model.bin.index.json",
      "{\"weight_map\":{\"b\":\"pytorch_model-b.bin\",\"a\":\"pytorch_model-a.bin\"}}")
    let checkpoint = try Checkpoint.open(folder.path)
    #expect(
      checkpoint.path.hasSuffix("index.json") && checkpoint.tensors.map(\.name) == ["b", "a"])
    #expect(try checkpoint.readFloat32("a") == [0] && checkpoint.readFloat32("b") == [3])
  }

  @Test func rejectsEveryTruncation() throws {
    let pickle = PickleAssembler.checkpoint("w") { $0.tensor("0", count: 6, [6], [1]) }
    for bytes in [torchArchive(pickle, Self.six), torchStream(pickle, Self.six)] {
      for count in 0..<bytes.count {
        let path = try folder.write("t.bin", Array(bytes[..<count]))
        let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
        #expect([65, 69].contains(error?.code.exitCode), "\(count): \(error?.description ?? "")")
      }
    }
  }

  @Test func refusesAnArchiveThatIsBothKinds() throws {
    let pickle = PickleAssembler.checkpoint("w") { $0.tensor("0", count: 6, [6], [1]) }
    let path = try folder.write(
      "m.npz", zipArchive([("m/data.pkl", pickle), ("a.npy", Array("x".utf8))]))
    let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
    #expect(error?.code == .malformed && error?.message.contains("two ways") == true)
  }
}
