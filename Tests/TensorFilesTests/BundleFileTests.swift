import BertErrors
import Fixtures
import FoundationEssentials
import JSONText
import TensorFiles
import Testing

@Suite struct BundleFileTests {
  static let isThere = SharedData.isPresent("checkpoints/keras-bert-tf-ckpt")
  static let shared = "checkpoints/keras-bert-tf-ckpt/"

  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test(
    .enabled(if: isThere, "no shared data"),
    arguments: [
      "", "bert_model.ckpt", "bert_model.ckpt.index", "bert_model.ckpt.meta",
      "bert_model.ckpt.data-00000-of-00001",
    ])
  func readsEveryTensorOfAPublishedCheckpoint(named name: String) throws {
    let checkpoint = try Checkpoint.open(SharedData.path(Self.shared + name))
    let expected = try JSON.parse(SharedData.bytes(Self.shared + "expected.json"))
    let list = try #require((expected["tensors"] ?? expected).arrayValue)
    #expect(checkpoint.tensors.count == list.count && list.count == 139)
    for tensor in list {
      let name = try #require(tensor["name"]?.stringValue)
      #expect(checkpoint[name]?.shape == tensor["shape"]?.arrayValue?.compactMap(\.integerValue))
      #expect(try sha256(checkpoint.readFloat32(name)) == tensor["sha256_f32le"]?.stringValue)
    }
  }

  private func copy(_ change: (String, inout [UInt8]) -> Void) throws -> String {
    for name in ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"] {
      var bytes = try SharedData.bytes(Self.shared + name)
      change(name, &bytes)
      try folder.write(name, bytes)
    }
    return folder.path + "/bert_model.ckpt"
  }

  /// The index and the data of a checkpoint, of which not one bit can change unseen.
  @Test(.enabled(if: isThere, "no shared data"))
  func findsEveryFlippedByte() throws {
    let sound = try Checkpoint.open(copy { _, _ in })
    let values = try sound.tensors.map { try sound.readFloat32($0.name) }
    for (file, step) in [("index", 7), ("00001", 41)] {
      let size = try SharedData.bytes(
        Self.shared + "bert_model.ckpt." + (file == "index" ? file : "data-00000-of-00001")
      ).count
      for place in stride(from: 0, to: size, by: step) {
        let path = try copy { name, bytes in if name.hasSuffix(file) { bytes[place] ^= 0x04 } }
        do throws(BertError) {
          let damaged = try Checkpoint.open(path)
          for (tensor, expected) in zip(damaged.tensors, values) {
            // The footer's padding means nothing.
            #expect(try damaged.readFloat32(tensor.name) == expected, "\(file) byte \(place)")
          }
          #expect(file == "index" && place > size - 48, "\(file) byte \(place)")
        } catch {
          #expect([65, 66, 69].contains(error.code.exitCode), "\(file) byte \(place): \(error)")
        }
      }
    }
  }

  @Test(.enabled(if: isThere, "no shared data"))
  func rejectsEveryTruncation() throws {
    for (file, step) in [("index", 97), ("00001", 401)] {
      for cut in stride(from: 1, to: 4000, by: step) {
        let path = try copy { name, bytes in if name.hasSuffix(file) { bytes.removeLast(cut) } }
        let error = #expect(throws: BertError.self) { try Checkpoint.open(path + ".index") }
        #expect([65, 69].contains(error?.code.exitCode), "\(error?.description ?? "")")
      }
    }
  }

  @Test(.enabled(if: isThere, "no shared data"))
  func saysWhichShardIsMissing() throws {
    let path = try copy { _, _ in }
    try FileManager.default.removeItem(atPath: path + ".data-00000-of-00001")
    let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
    #expect(error?.code == .notFound && error?.file == path + ".data-00000-of-00001")
  }

  @Test func readsATableMadeHere() throws {
    for (entry, outcome) in BundleForge.cases {
      let path = try folder.write("m.index", BundleForge.index([("", [0x08, 1]), ("w", entry)]))
      try folder.write("m.data-00000-of-00001", BundleForge.data)
      do throws(BertError) {
        let checkpoint = try Checkpoint.open(path)
        #expect(try checkpoint.readFloat32("w") == [1, 2], "\(outcome)")
        #expect(outcome == nil)
      } catch {
        #expect(outcome != nil && error.description.contains(outcome ?? ""), "\(error)")
        #expect(error.tensor == "w" || outcome == "no tensor", "\(error)")
      }
    }
  }

  @Test func hashesAsTheStandardSays() throws {
    // The example of RFC 3720: thirty-two bytes of zero; 0x8A9136AA before it is masked.
    let crc: UInt32 = 0x8A91_36AA
    #expect(
      BundleForge.masked([UInt8](repeating: 0, count: 32)) == (crc >> 15 | crc << 17) &+ 0xA282_EAD8
    )
  }
}

/// Writes TensorFlow's tables.
enum BundleForge {
  static let data: [UInt8] = [Float(1), 2].flatMap { littleEndian($0.bitPattern) }

  /// Entries of one tensor, and the words by which they are refused; nil for [1, 2].
  static let cases: [([UInt8], String?)] = [
    (entry(), nil), (entry(type: 7), "no tensor"), (entry(type: 99), "no tensor"),
    (entry(size: 4), "does not fit"), (entry(offset: 4), "the shard has 8"),
    (entry(offset: 1 << 62), "the shard has 8"), (entry(shard: 1), "shard 1; there are 1"),
    (entry(shape: [1 << 62, 8]), "does not fit"), (entry(shape: [-2]), "does not fit"),
    (entry(crc: 1), "CRC-32C"), (entry() + [0x3A, 0], "slices"),
    (entry() + [0x0F], "wire type"), (entry() + [0x28], "ends early"),
    (entry() + [0x12, 0x7F], "should have 127 bytes"),
    (entry() + [0x20] + [UInt8](repeating: 0xFF, count: 10), "more than 64 bits"),
  ]

  static func varint(_ value: Int) -> [UInt8] {
    var bits = UInt(bitPattern: value)
    var bytes: [UInt8] = []
    while bits > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: bits) | 0x80)
      bits >>= 7
    }
    return bytes + [UInt8(bits)]
  }

  static func entry(
    type: Int = 1, shape: [Int] = [2], shard: Int = 0, offset: Int = 0, size: Int = 8,
    crc: UInt32? = nil
  ) -> [UInt8] {
    let sizes = shape.flatMap { size in
      let dimension = [0x08] + varint(size)
      return [0x12] + varint(dimension.count) + dimension
    }
    return [0x08] + varint(type) + [0x12] + varint(sizes.count) + sizes + [0x18] + varint(shard)
      + [0x20] + varint(offset) + [0x28] + varint(size) + [0x35] + littleEndian(crc ?? masked(data))
  }

  /// A table of one block.
  static func index(_ entries: [(key: String, value: [UInt8])]) -> [UInt8] {
    var file: [UInt8] = []
    func block(_ entries: [(key: String, value: [UInt8])]) -> [UInt8] {
      var bytes = entries.flatMap { key, value in
        [0] + varint(key.utf8.count) + varint(value.count) + key.utf8 + value
      }
      bytes += littleEndian(UInt32(0)) + littleEndian(UInt32(1))
      let handle = varint(file.count) + varint(bytes.count)
      bytes.append(0)
      file += bytes + littleEndian(masked(bytes))
      return handle
    }
    let data = block(entries)
    let meta = block([])
    let index = block([("x", data)])
    let footer = meta + index
    return file + footer + [UInt8](repeating: 0, count: 40 - footer.count)
      + littleEndian(UInt64(0xDB47_7524_8B80_FB57))
  }

  /// CRC-32C bit by bit, masked as TensorFlow does.
  static func masked(_ bytes: [UInt8]) -> UInt32 {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82F6_3B78 }
    }
    crc = ~crc
    return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
  }
}
