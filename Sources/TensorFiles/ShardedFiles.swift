import BertErrors
import ByteFiles
import JSONText

/// The shards of a `model.safetensors.index.json` or a `pytorch_model.bin.index.json`.
///
/// The index decides, tensor by tensor: each must be in the shard that it names. What shards hold
/// beyond that is ignored, because published folders keep stale tensors.
final class ShardedFiles: TensorContainer {
  let tensors: [TensorInfo]
  let ignored: [IgnoredEntry]
  private let places: [(shard: any TensorContainer, position: Int)]

  init(index path: String) throws(BertError) {
    let map = try Self.readMap(path)
    let folder = Folder.parent(of: path)
    var problems: [String] = []
    var shards: [String: (file: any TensorContainer, positions: [[UInt8]: Int])] = [:]
    var absent: [String: String] = [:]
    for shard in Set(map.map(\.shard)).sorted() {
      do throws(BertError) {
        let path = folder + "/" + shard
        let file = try ContainerKind.of(shard: path).open(path)
        var positions: [[UInt8]: Int] = [:]
        for (place, tensor) in file.tensors.enumerated() {
          positions[Array(tensor.name.utf8)] = place
        }
        shards[shard] = (file, positions)
      } catch {
        // A damaged shard speaks for itself; an absent one is told with all other problems.
        if error.code != .notFound { throw error }
        absent[shard] = error.message
      }
    }
    for (shard, message) in absent.sorted(by: { $0.key < $1.key }) {
      problems.append("shard \(shard): \(message)")
    }
    var tensors: [TensorInfo] = []
    var places: [(shard: any TensorContainer, position: Int)] = []
    var used = Set<[UInt8]>()
    for (name, shard) in map {
      guard let found = shards[shard] else { continue }
      guard let position = found.positions[Array(name.utf8)] else {
        problems.append(
          "tensor '\(name.prefix(200))' is not in \(shard), where the index says it is")
        continue
      }
      tensors.append(found.file.tensors[position])
      places.append((found.file, position))
      used.insert(Array((shard + "\u{0}" + name).utf8))
    }
    if !problems.isEmpty {
      throw BertError(.malformed, problems.joined(separator: "\n  "), file: path)
    }
    self.tensors = tensors
    self.places = places
    ignored = shards.sorted { $0.key < $1.key }.flatMap { shard, found in
      found.file.tensors.filter { !used.contains(Array((shard + "\u{0}" + $0.name).utf8)) }.map {
        IgnoredEntry(name: $0.name, reason: "not in the shard index", file: $0.file)
      }
    }
  }

  func stream(_ position: Int) throws(BertError) -> TensorStream {
    try places[position].shard.stream(places[position].position)
  }

  private static func readMap(
    _ path: String
  ) throws(BertError) -> [(name: String, shard: String)] {
    let bytes = try InputFile(path).allBytes(limit: FileLimits.shardIndex)
    do throws(BertError) {
      guard let map = try JSON.parse(bytes)["weight_map"]?.objectValue else {
        throw BertError(.malformed, "is no shard index: it has no object 'weight_map'")
      }
      var list: [(name: String, shard: String)] = []
      for (name, value) in map {
        guard let shard = value.stringValue, Folder.isInside(shard) else {
          throw BertError(
            .malformed,
            "the index names the shard \(value.text().prefix(200)); expected a file name in its "
              + "own folder", tensor: String(name.prefix(200)))
        }
        list.append((name, shard))
      }
      if list.isEmpty { throw BertError(.malformed, "the shard index names no tensor") }
      if Set(list.map(\.shard)).count > FileLimits.shards {
        throw BertError(.unsupported, "the index names more than \(FileLimits.shards) shards")
      }
      return list
    } catch {
      throw error.inFile(path)
    }
  }
}
