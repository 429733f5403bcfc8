/// What is believed of a stranger's file at most.
///
/// SECURITY.md lists these. They bound memory and time before anything is allocated; each is far
/// above what published checkpoints hold.
package enum FileLimits {
  // MARK: safetensors and shards

  /// Bytes of a safetensors header, as the reference implementation limits it.
  package static let safetensorsHeader = 100_000_000
  /// Bytes of a shard index.
  package static let shardIndex = 100_000_000
  /// Shards of one checkpoint; each is an open file.
  package static let shards = 900

  // MARK: ZIP archives

  /// Bytes of a ZIP archive's central directory.
  package static let zipDirectory = 64 << 20
  /// How far deflate can expand: 258 bytes from two bits (RFC 1951), and a little.
  package static let deflateRatio = 1040
  /// Beyond `suspiciousSize` bytes, more than `suspiciousRatio`-fold expansion is refused: weights
  /// are noise and hardly compress.
  package static let suspiciousSize = 64 << 20
  package static let suspiciousRatio = 200

  // MARK: Pickles

  /// Bytes of one pickle: the description of the tensors, not their elements.
  package static let pickle = 16 << 20
  /// Values on the pickle machine's stack.
  package static let pickleStack = 1 << 18
  /// Marks on the stack that are open at the same time.
  package static let pickleMarks = 1 << 12
  /// Entries of the pickle machine's memo.
  package static let pickleMemo = 1 << 20
  /// Lists, tuples, dictionaries, storages and tensors that a pickle makes.
  package static let pickleObjects = 1 << 20
  /// Values in all of them together.
  package static let pickleValues = 1 << 22
  /// Bytes of one text in a pickle.
  package static let pickleText = 1 << 20
  /// Levels of dictionaries and lists around a tensor.
  package static let pickleDepth = 32
  /// Dictionaries and lists visited in search of tensors; one that is shared counts each time.
  package static let pickleVisits = 1 << 18
  /// How often the elements of a storage may be shared out to tensors, all tensors together.
  package static let storageSharing = 64

  // MARK: Tables of tensors

  /// Tensors of one file, and entries that are passed over.
  package static let tensors = 1 << 17
  /// Bytes of a tensor's name.
  package static let tensorName = 4096
  /// Sizes of one tensor.
  package static let rank = 64

  // MARK: TensorFlow

  /// Bytes of a block of a TensorFlow index.
  package static let tableBlock = 64 << 20

  // MARK: ONNX

  /// Nodes of an ONNX graph.
  package static let graphNodes = 1 << 18
  /// Names of inputs and outputs of all nodes together.
  package static let graphEdges = 1 << 20
  /// Bytes of all names in a graph together.
  package static let graphText = 64 << 20
}
