import BertErrors
import ByteFiles

/// A NumPy archive: a ZIP of .npy members, stored or deflated.
///
/// Opening reads the directory and each array's header; a tensor's elements are read at their
/// place when asked for, without touching the other members.
final class NpzFile: TensorContainer {
  let tensors: [TensorInfo]
  let ignored: [IgnoredEntry]
  private let file: InputFile
  private let arrays: [(member: ZipArchive.Member, header: NpyHeader)]

  init(path: String) throws(BertError) {
    file = try InputFile(path)
    do throws(BertError) {
      (arrays, tensors, ignored) = try Self.list(file)
    } catch {
      throw error.inFile(path)
    }
  }

  func stream(_ position: Int) throws(BertError) -> TensorStream {
    let (member, header) = arrays[position]
    do throws(BertError) {
      let bytes = try Self.open(member, in: file)
      _ = try bytes.take(header.byteCount)
      return TensorStream(
        bytes: bytes, isBigEndian: header.isBigEndian,
        strides: header.isFortranOrder ? FloatConversion.fortranStrides(header.shape) : nil)
    } catch {
      throw error.inFile(file.path)
    }
  }

  private static func open(
    _ member: ZipArchive.Member, in file: InputFile
  ) throws(BertError) -> any ByteStream {
    if member.isDeflated { return try InflateStream(member, in: file) }
    return StoredStream(member, in: file)
  }

  private static func list(_ file: InputFile) throws(BertError) -> (
    [(member: ZipArchive.Member, header: NpyHeader)], [TensorInfo], [IgnoredEntry]
  ) {
    let start = try FileSignature.start(of: file)
    if !start.starts(with: Array("PK".utf8)) {
      let looks =
        FileSignature(start).map { "; it looks like \($0.noun): \($0.advice)" } ?? ""
      throw BertError(.malformed, "is not a ZIP archive\(looks)", byteOffset: 0)
    }
    var arrays: [(member: ZipArchive.Member, header: NpyHeader)] = []
    var tensors: [TensorInfo] = []
    var ignored: [IgnoredEntry] = []
    var names = Set<[UInt8]>()
    for member in try ZipArchive(file).members {
      let isNamedArray = member.name.utf8.suffix(4).elementsEqual(".npy".utf8)
      guard let header = try readHeader(member, in: file) else {
        if isNamedArray {
          throw member.failure("is named .npy but is no .npy array")
        }
        let reason = member.name.hasSuffix("/") ? "a folder entry" : "not an .npy array"
        ignored.append(IgnoredEntry(name: member.name, reason: reason, file: file.path))
        continue
      }
      let name = isNamedArray ? String(member.name.dropLast(4)) : member.name
      if !names.insert(Array(name.utf8)).inserted {
        throw member.failure("occurs twice in the archive")
      }
      let extent = try checkSize(member, header)
      arrays.append((member, header))
      tensors.append(
        TensorInfo(
          name: name, type: header.type, shape: header.shape, file: file.path,
          byteOffset: member.dataOffset + (member.isDeflated ? 0 : header.byteCount),
          isPlain: !member.isDeflated && (!header.isFortranOrder || header.shape.count < 2),
          elementCount: extent))
    }
    return (arrays, tensors, ignored)
  }

  private static func readHeader(
    _ member: ZipArchive.Member, in file: InputFile
  ) throws(BertError) -> NpyHeader? {
    do throws(BertError) {
      return try NpyHeader(open(member, in: file), size: member.size)
    } catch {
      var error = error
      error.tensor = String(member.name.prefix(200))
      error.byteOffset = member.dataOffset
      throw error
    }
  }

  /// Compares what the header promises with what the archive can hold, before anything is
  /// allocated for it; gives the element count.
  private static func checkSize(
    _ member: ZipArchive.Member, _ header: NpyHeader
  ) throws(BertError) -> Int {
    guard let extent = header.type.extent(of: header.shape) else {
      throw member.failure("its shape \(header.shape) has more bytes than can be counted")
    }
    if extent.bytes != member.size - header.byteCount {
      throw member.failure(
        "its shape \(header.shape) of \(header.type.rawValue) needs \(extent.bytes) bytes; the "
          + "member holds \(member.size - header.byteCount)")
    }
    if member.isDeflated {
      let ratio = member.size / max(member.compressedSize, 1)
      if ratio > FileLimits.deflateRatio
        || (member.size > FileLimits.suspiciousSize && ratio > FileLimits.suspiciousRatio)
      {
        throw member.failure(
          "claims to expand \(ratio)-fold to \(member.size) bytes; weights do not compress so far")
      }
    }
    return extent.elements
  }
}
