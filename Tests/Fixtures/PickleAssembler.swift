/// Writes pickles one instruction at a time, as no well-meaning program would.
package struct PickleAssembler {
  package private(set) var bytes: [UInt8] = []

  package init(protocol version: UInt8? = 2) {
    if let version { bytes = [0x80, version] }
  }

  /// Instructions as they are written.
  package func raw(_ more: [UInt8]) -> PickleAssembler {
    var copy = self
    copy.bytes += more
    return copy
  }

  /// Instructions that are printable.
  package func raw(_ text: String) -> PickleAssembler { raw(Array(text.utf8)) }

  package func repeated(_ count: Int, _ text: String) -> PickleAssembler {
    raw(Array([[UInt8]](repeating: Array(text.utf8), count: count).joined()))
  }

  package func global(_ module: String, _ name: String) -> PickleAssembler {
    raw("c\(module)\n\(name)\n")
  }

  package func text(_ value: String) -> PickleAssembler {
    raw([UInt8(ascii: "X")] + littleEndian(UInt32(value.utf8.count)) + value.utf8)
  }

  package func integer(_ value: Int) -> PickleAssembler {
    if let small = UInt8(exactly: value) { return raw([UInt8(ascii: "K"), small]) }
    return raw([0x8A, 8] + littleEndian(value))
  }

  /// A tuple of whole numbers.
  package func sizes(_ values: [Int]) -> PickleAssembler {
    values.reduce(raw("(")) { $0.integer($1) }.raw("t")
  }

  /// A storage named as PyTorch does.
  package func storage(_ key: String, _ type: String = "FloatStorage", count: Int)
    -> PickleAssembler
  {
    raw("(").text("storage").global("torch", type).text(key).text("cpu").integer(count).raw("tQ")
  }

  /// A tensor that views a storage.
  package func tensor(
    _ key: String, _ type: String = "FloatStorage", count: Int, offset: Int = 0, _ shape: [Int],
    _ strides: [Int]
  ) -> PickleAssembler {
    global("torch._utils", "_rebuild_tensor_v2").raw("(")
      .storage(key, type, count: count).integer(offset).sizes(shape).sizes(strides)
      .raw([0x89]).global("collections", "OrderedDict").raw(")RtR")
  }

  /// A dictionary of one entry, the end.
  package static func checkpoint(
    _ name: String = "w", _ value: (PickleAssembler) -> PickleAssembler
  ) -> [UInt8] {
    value(PickleAssembler().raw("}").text(name)).raw("s.").bytes
  }
}

package func littleEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// A stored ZIP archive, as PyTorch writes it but without padding.
package func zipArchive(_ members: [(name: String, bytes: [UInt8])]) -> [UInt8] {
  var archive: [UInt8] = []
  var directory: [UInt8] = []
  for (name, bytes) in members {
    let offset = archive.count
    let shared =
      [20, 0, 0, 0, 0, 0, 0, 0, 0, 0] + littleEndian(crc32(bytes))
      + littleEndian(UInt32(bytes.count)) + littleEndian(UInt32(bytes.count))
      + littleEndian(UInt16(name.utf8.count)) + [0, 0]
    archive += Array("PK\u{3}\u{4}".utf8) + shared + name.utf8 + bytes
    directory +=
      Array("PK\u{1}\u{2}".utf8) + [20, 0] + shared + [UInt8](repeating: 0, count: 10)
      + littleEndian(UInt32(offset)) + name.utf8
  }
  let start = archive.count
  return archive + directory + Array("PK\u{5}\u{6}".utf8) + [0, 0, 0, 0]
    + littleEndian(UInt16(members.count)) + littleEndian(UInt16(members.count))
    + littleEndian(UInt32(directory.count)) + littleEndian(UInt32(start)) + [0, 0]
}

/// CRC-32 (IEEE 802.3), bit by bit.
package func crc32(_ bytes: [UInt8]) -> UInt32 {
  var crc: UInt32 = 0xFFFF_FFFF
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB8_8320 }
  }
  return ~crc
}

/// A PyTorch archive of one pickle and these storages of float32.
package func torchArchive(_ pickle: [UInt8], _ storages: [(key: String, values: [Float])] = [])
  -> [UInt8]
{
  zipArchive(
    [("m/data.pkl", pickle), ("m/byteorder", Array("little".utf8))]
      + storages.map { ("m/data/" + $0.key, $0.values.flatMap { littleEndian($0.bitPattern) }) })
}

/// The stream of PyTorch before 1.6.
package func torchStream(_ pickle: [UInt8], _ storages: [(key: String, values: [Float])] = [])
  -> [UInt8]
{
  let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
  var bytes = PickleAssembler().raw([0x8A, 10] + magic).raw(".").bytes
  bytes += PickleAssembler().raw([UInt8(ascii: "M"), 0xE9, 3]).raw(".").bytes
  bytes += PickleAssembler().raw("}.").bytes + pickle
  bytes += storages.reduce(PickleAssembler().raw("](")) { $0.text($1.key) }.raw("e.").bytes
  for storage in storages {
    bytes += littleEndian(storage.values.count)
    bytes += storage.values.flatMap { littleEndian($0.bitPattern) }
  }
  return bytes
}
