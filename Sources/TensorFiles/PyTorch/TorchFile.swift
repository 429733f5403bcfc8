import BertErrors
import ByteFiles
import Synchronization

/// A PyTorch checkpoint: a pickle that describes tensors, and the storages they are views of.
///
/// Two forms: a ZIP archive with `data.pkl` and a member for each storage (PyTorch 1.6 and later),
/// and the stream before it, five pickles and the storages. Storages may be shared, and a tensor
/// may be a part of one; only tensors whose elements lie densely, in any order of their axes, are
/// read. Layouts: `torch/serialization.py`.
final class TorchFile: TensorContainer {
  let tensors: [TensorInfo]
  let ignored: [IgnoredEntry]

  /// Where the elements of a storage lie.
  struct Run {
    var offset: Int
    var byteCount: Int
    /// Its member of the archive; nil in the old form, which has no checksums.
    var member: ZipArchive.Member?
  }

  private struct View {
    let run: Run
    let key: String
    /// Where the tensor's elements begin in the run, in bytes.
    let start: Int
    /// nil in C order.
    let strides: [Int]?
    let isDense: Bool
  }

  private let file: InputFile
  private let views: [View]
  private let isBigEndian: Bool
  /// Storages whose checksum was compared because a tensor is a part of them.
  private let checked = Mutex<Set<String>>([])

  init(path: String) throws(BertError) {
    file = try InputFile(path)
    do throws(BertError) {
      let start = try file.bytes(0..<min(2, file.size))
      let parts =
        start.elementsEqual("PK".utf8) ? try TorchArchive.read(file) : try TorchStream.read(file)
      isBigEndian = parts.isBigEndian
      let tree = try TensorTree(parts.graph)
      var views: [View] = []
      var tensors: [TensorInfo] = []
      var total = 0
      for (name, number) in tree.tensors {
        do throws(BertError) {
          let (view, info) = try Self.view(parts, number, name: name, file)
          views.append(view)
          tensors.append(info)
          total = min(total, Int.max / 2) + min(info.elementCount * info.type.bits / 8, file.size)
        } catch {
          var error = error
          error.tensor = String(name.prefix(200))
          throw error
        }
      }
      // Each storage lies in the file once, so that more than this shares storages many times.
      if total / FileLimits.storageSharing > file.size {
        throw BertError(
          .malformed, "its tensors are \(total / max(file.size, 1)) times as large as the file")
      }
      if tensors.isEmpty { throw BertError(.unsupported, "holds no tensor") }
      self.views = views
      self.tensors = tensors
      ignored = tree.others.map {
        IgnoredEntry(name: $0.name, reason: "no tensor: \($0.what)", file: path)
      }
    } catch {
      throw error.inFile(path)
    }
  }

  /// What both forms come to.
  struct Parts {
    var graph: PickleGraph
    var runs: [String: Run]
    var isBigEndian = false
  }

  private static func view(
    _ parts: Parts, _ number: Int, name: String, _ file: InputFile
  ) throws(BertError) -> (View, TensorInfo) {
    let tensor = parts.graph.tensors[number]
    let storage = parts.graph.storages[tensor.storage]
    guard let run = parts.runs[storage.key] else {
      throw BertError(.malformed, "its storage '\(storage.key.prefix(80))' is not in the file")
    }
    // The storage's type is what counts it; the tensor's may be another (untyped storages).
    let (bytes, overflow) = storage.count.multipliedReportingOverflow(by: storage.type.bits / 8)
    if overflow || bytes != run.byteCount {
      throw BertError(
        .malformed,
        "its storage should have \(storage.count) elements of \(storage.type.rawValue); it has "
          + "\(run.byteCount) bytes", byteOffset: run.offset)
    }
    guard let extent = tensor.type.extent(of: tensor.shape),
      let last = lastElement(tensor)
    else {
      throw BertError(.malformed, "its shape \(tensor.shape) has more bytes than can be counted")
    }
    let size = tensor.type.bits / 8
    let viewBytes = storage.view.count * (storage.type.bits / 8)
    if extent.elements > 0, last >= viewBytes / size {
      throw BertError(
        .malformed,
        "its elements reach to number \(last) of its storage, which has \(viewBytes / size)",
        byteOffset: run.offset)
    }
    let order = axisOrder(tensor, elements: extent.elements)
    let start =
      extent.elements == 0
      ? 0 : storage.view.lowerBound * (storage.type.bits / 8) + tensor.offset * size
    let info = TensorInfo(
      name: name, type: tensor.type, shape: tensor.shape, file: file.path,
      byteOffset: run.offset + start, isPlain: order == .plain, elementCount: extent.elements)
    let view = View(
      run: run, key: storage.key, start: start,
      strides: order == .permuted ? tensor.strides : nil, isDense: order != .spread)
    return (view, info)
  }

  /// The number in the storage of the tensor's farthest element; nil when it cannot be counted.
  private static func lastElement(_ tensor: PickleGraph.Tensor) -> Int? {
    var last = tensor.offset
    for (size, stride) in zip(tensor.shape, tensor.strides) where size > 1 {
      let (reach, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
      let (sum, carry) = last.addingReportingOverflow(reach)
      if overflow || carry { return nil }
      last = sum
    }
    return last
  }

  private enum AxisOrder { case plain, permuted, spread }

  /// Whether the elements lie in C order, densely in another order, or spread or repeated.
  private static func axisOrder(_ tensor: PickleGraph.Tensor, elements: Int) -> AxisOrder {
    if elements <= 1 { return .plain }
    let axes = zip(tensor.shape, tensor.strides).filter { $0.0 != 1 }
    func isDense(_ axes: [(Int, Int)]) -> Bool {
      var expected = 1
      for (size, stride) in axes {
        if stride != expected { return false }
        expected *= size
      }
      return true
    }
    if isDense(axes.reversed()) { return .plain }
    return isDense(axes.sorted { $0.1 < $1.1 }) ? .permuted : .spread
  }

  func stream(_ position: Int) throws(BertError) -> TensorStream {
    let view = views[position]
    let info = tensors[position]
    if !view.isDense {
      throw BertError(
        .unsupported,
        "is a view that leaves out or repeats elements of its storage; save it again after "
          + ".contiguous()", byteOffset: info.byteOffset)
    }
    return TensorStream(
      bytes: try bytes(view, count: info.elementCount * info.type.bits / 8),
      isBigEndian: isBigEndian, strides: view.strides)
  }

  private func bytes(_ view: View, count: Int) throws(BertError) -> any ByteStream {
    let plain = FileStream(file, at: view.run.offset + view.start)
    guard let member = view.run.member else { return plain }
    if count == view.run.byteCount { return StoredStream(member, in: file) }
    let isChecked = checked.withLock { $0.contains(view.key) }
    if !isChecked {
      try StoredStream(member, in: file).drain(member.size)
      checked.withLock { _ = $0.insert(view.key) }
    }
    return plain
  }
}
