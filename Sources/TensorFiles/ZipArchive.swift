import BertErrors
import ByteFiles

/// The members of a ZIP archive, from its central directory.
///
/// The directory is authoritative; each local header must agree with it, and no two members may
/// share bytes, which is how archives pretend to hold more than they do. Layout: the ZIP
/// application note, sections 4.3 and 4.5.
struct ZipArchive {
  /// One member, checked: its data lies inside the file, before the directory.
  struct Member {
    var name: String
    var isDeflated: Bool
    var crc: UInt32
    var compressedSize: Int
    var size: Int
    var dataOffset: Int
  }

  let file: InputFile
  let members: [Member]

  init(_ file: InputFile) throws(BertError) {
    self.file = file
    let end = try ZipEnd.find(in: file)
    if end.directorySize > FileLimits.zipDirectory {
      throw BertError(
        .unsupported,
        "the ZIP directory is \(end.directorySize) bytes; at most \(FileLimits.zipDirectory) are read",
        byteOffset: end.directoryOffset)
    }
    let range = end.directoryOffset..<(end.directoryOffset + end.directorySize)
    let entries = try Self.readDirectory(
      file.bytes(range), at: end.directoryOffset, count: end.entryCount)
    var members: [Member] = []
    members.reserveCapacity(entries.count)
    var spans: [(start: Int, end: Int, name: String)] = []
    for entry in entries {
      let offset = try ZipLocalHeader.check(entry, in: file, limit: end.directoryOffset)
      members.append(
        Member(
          name: entry.name, isDeflated: entry.method == 8, crc: entry.crc,
          compressedSize: entry.compressedSize, size: entry.size, dataOffset: offset))
      spans.append((entry.headerOffset, offset + entry.compressedSize, entry.name))
    }
    try Self.checkOverlap(spans)
    self.members = members
  }

  private static func checkOverlap(
    _ spans: [(start: Int, end: Int, name: String)]
  ) throws(BertError) {
    var previous: (start: Int, end: Int, name: String)?
    for span in spans.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) }) {
      if let previous, span.start < previous.end {
        throw BertError(
          .malformed, "shares bytes of the archive with member '\(previous.name.prefix(200))'",
          tensor: String(span.name.prefix(200)), byteOffset: span.start)
      }
      previous = span
    }
  }

  private static func readDirectory(
    _ bytes: [UInt8], at base: Int, count: Int
  ) throws(BertError) -> [ZipEntry] {
    var entries: [ZipEntry] = []
    var at = 0
    // 46 bytes is the shortest entry: a larger count cannot be true and allocates nothing.
    if count > bytes.count / 46 {
      throw BertError(
        .malformed, "the ZIP directory claims \(count) members in \(bytes.count) bytes",
        byteOffset: base)
    }
    entries.reserveCapacity(count)
    for _ in 0..<count {
      entries.append(try ZipEntry(bytes, &at, base: base))
    }
    if at != bytes.count {
      throw BertError(
        .malformed, "\(bytes.count - at) bytes follow the last member of the ZIP directory",
        byteOffset: base + at)
    }
    return entries
  }
}

/// What the end of an archive says about its directory.
struct ZipEnd {
  var entryCount: Int
  var directorySize: Int
  var directoryOffset: Int

  /// Finds the end record: the one whose comment ends with the file.
  ///
  /// - Throws: `malformed` when there is none, or when its comment holds the signature of another:
  ///   readers differ in which they take.
  static func find(in file: InputFile) throws(BertError) -> ZipEnd {
    let tailStart = max(0, file.size - 65_557)
    let tail = LittleEndian(bytes: try file.bytes(tailStart..<file.size))
    let signatures = stride(from: tail.bytes.count - 22, through: 0, by: -1).filter {
      tail.bytes[$0] == 0x50 && tail.u32($0) == 0x0605_4B50
    }
    let fits = signatures.filter { $0 + 22 + tail.u16($0 + 20) == tail.bytes.count }
    guard let at = fits.first else {
      throw BertError(
        .malformed, "is not a ZIP archive, or is truncated: no end record was found",
        byteOffset: file.size)
    }
    if fits.count > 1 || signatures.contains(where: { $0 > at }) {
      throw BertError(
        .malformed, "the archive can be read in two ways: it has two end records",
        byteOffset: tailStart + at)
    }
    return try read(tail, at, offset: tailStart + at, file)
  }

  private static func read(
    _ tail: LittleEndian, _ at: Int, offset: Int, _ file: InputFile
  ) throws(BertError) -> ZipEnd {
    if tail.u16(at + 4) != 0 || tail.u16(at + 6) != 0 || tail.u16(at + 8) != tail.u16(at + 10) {
      throw BertError(
        .unsupported, "the archive is one part of several; only whole archives are read",
        byteOffset: offset)
    }
    var end = ZipEnd(
      entryCount: tail.u16(at + 10), directorySize: tail.u32(at + 12),
      directoryOffset: tail.u32(at + 16))
    var directoryEnd = offset
    if offset >= 20 {
      let locator = LittleEndian(bytes: try file.bytes((offset - 20)..<offset))
      if locator.u32(0) == 0x0706_4B50 {
        (end, directoryEnd) = try readZip64(locator, before: offset - 20, file)
      }
    }
    let (sum, overflow) = end.directoryOffset.addingReportingOverflow(end.directorySize)
    if overflow || sum != directoryEnd {
      throw BertError(
        .malformed,
        "the ZIP directory should be \(end.directorySize) bytes from byte \(end.directoryOffset) "
          + "on and end at byte \(directoryEnd), where its end record begins", byteOffset: offset)
    }
    return end
  }

  private static func readZip64(
    _ locator: LittleEndian, before offset: Int, _ file: InputFile
  ) throws(BertError) -> (ZipEnd, Int) {
    let claimed = locator.u64(8)
    guard claimed <= UInt64(offset), offset - Int(claimed) >= 56 else {
      throw BertError(
        .malformed, "the zip64 locator points to byte \(claimed), where no record can be",
        byteOffset: offset)
    }
    let place = Int(claimed)
    let record = LittleEndian(bytes: try file.bytes(place..<(place + 56)))
    guard record.u32(0) == 0x0606_4B50, record.u64(4) == UInt64(offset - place - 12) else {
      throw BertError(
        .malformed, "the zip64 locator does not point to a zip64 end record", byteOffset: place)
    }
    guard let count = Int(exactly: record.u64(32)), let size = Int(exactly: record.u64(40)),
      let start = Int(exactly: record.u64(48)), record.u64(24) == record.u64(32)
    else {
      throw BertError(
        .malformed, "the zip64 end record holds impossible sizes", byteOffset: place)
    }
    return (ZipEnd(entryCount: count, directorySize: size, directoryOffset: start), place)
  }
}
