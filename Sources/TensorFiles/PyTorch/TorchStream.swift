import BertErrors
import ByteFiles

/// The form of PyTorch before 1.6: pickles of a magic number, the version, the machine, the object
/// and the keys of its storages, then each storage: its length in elements and its elements.
enum TorchStream {
  /// 0x1950a86a20f9469cfc6c, as the pickle of a long integer holds it.
  private static let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]

  static func read(_ file: InputFile) throws(BertError) -> TorchFile.Parts {
    var reader = ByteReader("the checkpoint", file)
    guard case .wideInteger(let bytes) = try PickleMachine.read(&reader).root, bytes == magic else {
      throw BertError(
        .unsupported,
        "is a Python pickle, but no PyTorch checkpoint: it does not begin with PyTorch's number",
        byteOffset: 0)
    }
    guard case .integer(let version) = try PickleMachine.read(&reader).root, version == 1001 else {
      throw BertError(
        .unsupported, "is a PyTorch checkpoint of an unknown version; 1001 is read", byteOffset: 0)
    }
    _ = try PickleMachine.read(&reader)
    let graph = try PickleMachine.read(&reader)
    let keys = try PickleMachine.read(&reader)
    var sizes: [String: Int] = [:]
    for storage in graph.storages { sizes[storage.key] = storage.type.bits / 8 }
    guard let list = keys.sequence(keys.root) else {
      throw reader.damaged("the checkpoint holds no list of its storages")
    }
    var runs: [String: TorchFile.Run] = [:]
    for item in list {
      guard case .text(let key) = item, let size = sizes[key], runs[key] == nil else {
        throw reader.damaged("the checkpoint lists a storage that no tensor has, or lists it twice")
      }
      let count = Int(clamping: try reader.integer(UInt64.self))
      let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, bytes <= reader.remaining else {
        throw reader.damaged(
          "storage '\(key.prefix(80))' should have \(count) elements of \(size) bytes; the file ends "
            + "after \(reader.remaining) bytes")
      }
      runs[key] = TorchFile.Run(offset: reader.position, byteCount: bytes, member: nil)
      try reader.skip(bytes)
    }
    if !reader.isAtEnd {
      throw reader.damaged("\(reader.remaining) bytes follow the last storage; expected none")
    }
    return TorchFile.Parts(graph: graph, runs: runs)
  }
}
