import BertErrors
import ByteFiles

/// The ZIP form of a PyTorch checkpoint: `NAME/data.pkl`, `NAME/byteorder`, `NAME/data/KEY`.
enum TorchArchive {
  /// Whether an archive looks like one.
  static func isOne(_ archive: ZipArchive) -> Bool {
    archive.members.contains { root(of: $0.name) != nil }
  }

  /// `NAME/` of `NAME/data.pkl`.
  private static func root(of member: String) -> String? {
    guard member.utf8.suffix(9).elementsEqual("/data.pkl".utf8) else { return nil }
    let name = member.dropLast(8)
    return name.dropLast().contains("/") ? nil : String(name)
  }

  static func read(_ file: InputFile) throws(BertError) -> TorchFile.Parts {
    let members = try ZipArchive(file).members
    let roots = members.compactMap { root(of: $0.name) }
    guard let root = roots.first, roots.count == 1 else {
      throw BertError(
        .malformed,
        roots.isEmpty
          ? "is no PyTorch checkpoint: the archive holds no data.pkl"
          : "holds \(roots.count) pickles data.pkl; expected one")
    }
    var byName: [String: ZipArchive.Member] = [:]
    for member in members {
      if byName.updateValue(member, forKey: member.name) != nil {
        throw member.failure("occurs twice in the archive")
      }
    }
    if byName[root + "constants.pkl"] != nil {
      throw BertError(
        .unsupported, "is a TorchScript program; save the model's state_dict() and convert that")
    }
    guard let pickle = byName[root + "data.pkl"] else {
      throw BertError(.malformed, "the archive holds no data.pkl")
    }
    var parts = TorchFile.Parts(graph: try graph(pickle, file), runs: [:])
    if let order = byName[root + "byteorder"] {
      parts.isBigEndian = try isBigEndian(order, file)
    }
    let folder = root + "data/"
    for member in members where member.name.hasPrefix(folder) {
      if member.isDeflated && member.size > 0 { continue }
      parts.runs[String(member.name.dropFirst(folder.count))] = TorchFile.Run(
        offset: member.dataOffset, byteCount: member.size, member: member)
    }
    try requireStored(parts, byName, folder)
    return parts
  }

  /// Tensors are read at their place, so that the storages they need may not be compressed.
  private static func requireStored(
    _ parts: TorchFile.Parts, _ members: [String: ZipArchive.Member], _ folder: String
  ) throws(BertError) {
    for storage in parts.graph.storages where parts.runs[storage.key] == nil {
      if let member = members[folder + storage.key] {
        var error = member.failure(
          "is compressed, which PyTorch does not do; load it there and save it again")
        error.code = .unsupported
        throw error
      }
    }
  }

  private static func graph(
    _ member: ZipArchive.Member, _ file: InputFile
  ) throws(BertError) -> PickleGraph {
    var reader = ByteReader(
      "the pickle", try contents(member, file, limit: FileLimits.pickle), start: member.dataOffset)
    let graph = try PickleMachine.read(&reader)
    if !reader.isAtEnd { throw reader.damaged("\(reader.remaining) bytes follow the pickle") }
    return graph
  }

  private static func isBigEndian(
    _ member: ZipArchive.Member, _ file: InputFile
  ) throws(BertError) -> Bool {
    switch String(decoding: try contents(member, file, limit: 64), as: UTF8.self) {
    case "little": return false
    case "big": return true
    default: throw member.failure("should say 'little' or 'big'")
    }
  }

  /// A small member, expanded, its checksum compared.
  private static func contents(
    _ member: ZipArchive.Member, _ file: InputFile, limit: Int
  ) throws(BertError) -> [UInt8] {
    if member.size > limit {
      throw member.failure("is \(member.size) bytes; at most \(limit) are read of such a member")
    }
    let stream: any ByteStream =
      member.isDeflated ? try InflateStream(member, in: file) : StoredStream(member, in: file)
    let bytes = try stream.take(member.size)
    try stream.finish()
    return bytes
  }
}
