import BertErrors
import ByteFiles
import SystemLibrary

/// A TensorFlow checkpoint of version 2: `NAME.index`, a table of tensors, and the shards
/// `NAME.data-00000-of-00001` with their elements.
///
/// Layout: `tensorflow/core/protobuf/tensor_bundle.proto`. Each tensor has a CRC-32C, which is
/// compared when it is read.
final class BundleFile: TensorContainer {
  let tensors: [TensorInfo]
  let ignored: [IgnoredEntry]
  private let places: [(shard: Int, entry: Entry)]
  private let shards: [Int: InputFile]
  private let isBigEndian: Bool

  /// How the name of an index ends.
  static let suffix = ".index"

  /// The table's record of a tensor.
  private struct Entry {
    var type = 0
    var shape: [Int] = []
    var shard = 0
    var offset = 0
    var size = 0
    var crc: UInt32 = 0
    var isSliced = false
  }

  init(index path: String) throws(BertError) {
    let file = try InputFile(path)
    do throws(BertError) {
      let entries = try SortedTable.read(file)
      let header = try Self.header(entries.first)
      isBigEndian = header.isBigEndian
      var shards: [Int: InputFile] = [:]
      var tensors: [TensorInfo] = []
      var places: [(shard: Int, entry: Entry)] = []
      var ignored: [IgnoredEntry] = []
      // A key that begins with NUL belongs to a slice; the tensor it is of says so itself.
      for item in entries.dropFirst() where item.key.first != 0 {
        guard let name = String(validating: item.key, as: UTF8.self) else {
          throw item.value.damaged("the name of a tensor is not UTF-8")
        }
        do throws(BertError) {
          let entry = try Self.entry(item.value)
          guard let type = Self.types[entry.type] else {
            ignored.append(
              .init(name: name, reason: Self.reason(entry.type), file: path))
            continue
          }
          let shard = try Self.shard(entry.shard, of: header.shardCount, path, &shards)
          let extent = try Self.check(entry, type, item.value, shard)
          tensors.append(
            TensorInfo(
              name: name, type: type, shape: entry.shape, file: shard.path,
              byteOffset: entry.offset, isPlain: true, elementCount: extent))
          places.append((entry.shard, entry))
        } catch {
          var error = error
          error.tensor = String(name.prefix(200))
          throw error
        }
      }
      if tensors.isEmpty { throw BertError(.unsupported, "holds no tensor of numbers") }
      try Self.requireApart(places, tensors)
      self.shards = shards
      self.tensors = tensors
      self.places = places
      self.ignored = ignored
    } catch {
      throw error.inFile(path)
    }
  }

  func stream(_ position: Int) throws(BertError) -> TensorStream {
    let (shard, entry) = places[position]
    guard let file = shards[shard] else {
      throw BertError(.notFound, "its shard is not open", tensor: tensors[position].name)
    }
    return TensorStream(
      bytes: BundleStream(file, at: entry.offset, crc: entry.crc), isBigEndian: isBigEndian)
  }

  // MARK: Reading the table

  private static func header(
    _ entry: SortedTable.Entry?
  ) throws(BertError) -> (shardCount: Int, isBigEndian: Bool) {
    guard let entry, entry.key.isEmpty else {
      throw BertError(
        .unsupported,
        "is a table without a checkpoint's header: a TensorFlow checkpoint of version 2 is read")
    }
    var (count, endianness) = (0, 0)
    var message = ProtobufReader(entry.value)
    while let (field, value) = try message.next() {
      switch field {
      case 1: count = try message.integer(value, "num_shards")
      case 2: endianness = try message.integer(value, "endianness")
      default: break
      }
    }
    guard (1...FileLimits.shards).contains(count), (0...1).contains(endianness) else {
      throw message.damaged(
        "the checkpoint claims \(count) shards; 1 to \(FileLimits.shards) are read")
    }
    return (count, endianness == 1)
  }

  private static func entry(_ reader: ByteReader) throws(BertError) -> Entry {
    var entry = Entry()
    var message = ProtobufReader(reader)
    while let (field, value) = try message.next() {
      switch field {
      case 1: entry.type = try message.integer(value, "dtype")
      case 2: entry.shape = try shape(message.message(value, "shape", as: "a shape"))
      case 3: entry.shard = try message.integer(value, "shard_id")
      case 4: entry.offset = try message.integer(value, "offset")
      case 5: entry.size = try message.integer(value, "size")
      case 6: entry.crc = try message.fixed32(value, "crc32c")
      case 7: entry.isSliced = true
      default: break
      }
    }
    return entry
  }

  private static func shape(_ message: ProtobufReader) throws(BertError) -> [Int] {
    var message = message
    var shape: [Int] = []
    while let (field, value) = try message.next() {
      guard field == 2 else { continue }
      var dimension = try message.message(value, "dim", as: "a size")
      var size = 0
      while let (field, value) = try dimension.next() {
        if field == 1 { size = try dimension.integer(value, "size") }
      }
      shape.append(size)
      if shape.count > FileLimits.rank {
        throw message.damaged("the shape has more than \(FileLimits.rank) sizes")
      }
    }
    return shape
  }

  /// Opens a shard unless it is open.
  private static func shard(
    _ number: Int, of count: Int, _ index: String, _ shards: inout [Int: InputFile]
  ) throws(BertError) -> InputFile {
    if let open = shards[number] { return open }
    guard (0..<count).contains(number) else {
      throw BertError(.malformed, "lies in shard \(number); there are \(count)")
    }
    func digits(_ number: Int) -> String {
      String(String(100_000 + number).dropFirst())
    }
    let path =
      index.dropLast(suffix.count) + ".data-" + digits(number) + "-of-" + digits(count)
    let file = try InputFile(String(path))
    shards[number] = file
    return file
  }

  /// Compares what the entry promises with its shard; gives the element count.
  private static func check(
    _ entry: Entry, _ type: StoredType, _ reader: ByteReader, _ shard: InputFile
  ) throws(BertError) -> Int {
    if entry.isSliced {
      throw BertError(
        .unsupported, "is kept in slices; save it whole", byteOffset: reader.position)
    }
    guard let extent = type.extent(of: entry.shape), extent.bytes == entry.size else {
      throw reader.damaged(
        "its shape \(entry.shape) of \(type.rawValue) does not fit its \(entry.size) bytes")
    }
    guard entry.offset >= 0, entry.offset <= shard.size, entry.size <= shard.size - entry.offset
    else {
      throw BertError(
        .malformed,
        "should be \(entry.size) bytes from byte \(entry.offset) on; the shard has \(shard.size)",
        file: shard.path, byteOffset: min(max(entry.offset, 0), shard.size))
    }
    return extent.elements
  }

  /// Refuses tensors that share bytes, by which a small file could pretend to hold much.
  private static func requireApart(
    _ places: [(shard: Int, entry: Entry)], _ tensors: [TensorInfo]
  ) throws(BertError) {
    let order = places.indices.sorted {
      (places[$0].shard, places[$0].entry.offset, places[$0].entry.size)
        < (places[$1].shard, places[$1].entry.offset, places[$1].entry.size)
    }
    for (first, second) in zip(order, order.dropFirst())
    where places[first].shard == places[second].shard
      && places[second].entry.offset < places[first].entry.offset + places[first].entry.size
    {
      throw BertError(
        .malformed, "shares bytes with tensor '\(tensors[first].name.prefix(200))'",
        file: tensors[second].file, tensor: String(tensors[second].name.prefix(200)),
        byteOffset: places[second].entry.offset)
    }
  }

  /// Numbers of `tensorflow/core/framework/types.proto`.
  private static let types: [Int: StoredType] = [
    1: .float32, 2: .float64, 3: .int32, 4: .uint8, 5: .int16, 6: .int8, 8: .complex64, 9: .int64,
    10: .bool, 14: .bfloat16, 17: .uint16, 19: .float16, 22: .uint32, 23: .uint64,
  ]

  private static func reason(_ type: Int) -> String {
    type == 7 ? "text, not numbers" : "no plain numbers (TensorFlow's type \(type))"
  }
}

/// A tensor's bytes, CRC-32C compared at the end.
private final class BundleStream: ByteStream {
  private let inner: FileStream
  private let offset: Int
  private let expected: UInt32
  private var sum = Checksum32C()

  init(_ file: InputFile, at offset: Int, crc: UInt32) {
    inner = FileStream(file, at: offset)
    self.offset = offset
    expected = crc
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(BertError) {
    try inner.read(into: buffer)
    sum.update(UnsafeRawBufferPointer(buffer))
  }

  func finish() throws(BertError) {
    if sum.masked != expected {
      throw BertError(
        .malformed,
        "its CRC-32C is \(String(sum.masked, radix: 16)), the index says "
          + "\(String(expected, radix: 16)): it is damaged", byteOffset: offset)
    }
  }
}
