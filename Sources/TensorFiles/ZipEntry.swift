import BertErrors
import ByteFiles

/// One entry of a ZIP central directory.
struct ZipEntry {
  var name: String
  var nameBytes: ArraySlice<UInt8>
  var flags: Int
  var method: Int
  var crc: UInt32
  var compressedSize: Int
  var size: Int
  var headerOffset: Int

  /// Reads the entry at `at` of the directory and steps past it.
  ///
  /// - Parameter base: where the directory lies in the file.
  init(_ directory: [UInt8], _ at: inout Int, base: Int) throws(BertError) {
    let place = base + at
    let bytes = LittleEndian(bytes: directory)
    guard directory.count - at >= 46, bytes.u32(at) == 0x0201_4B50 else {
      throw BertError(
        .malformed, "the ZIP directory is damaged: expected an entry", byteOffset: place)
    }
    flags = bytes.u16(at + 8)
    method = bytes.u16(at + 10)
    crc = UInt32(bytes.u32(at + 16))
    let nameEnd = at + 46 + bytes.u16(at + 28)
    let extraEnd = nameEnd + bytes.u16(at + 30)
    let end = extraEnd + bytes.u16(at + 32)
    guard end <= directory.count else {
      throw BertError(
        .malformed, "an entry of the ZIP directory is longer than the directory",
        byteOffset: place)
    }
    nameBytes = directory[(at + 46)..<nameEnd]
    guard let text = String(validating: nameBytes, as: UTF8.self) else {
      throw BertError(.malformed, "the name of a ZIP member is not UTF-8", byteOffset: place)
    }
    if nameBytes.contains(0) {
      throw BertError(.malformed, "the name of a ZIP member holds a NUL", byteOffset: place)
    }
    name = text
    var sizes = ZipSizes(
      size: UInt64(bytes.u32(at + 24)), compressedSize: UInt64(bytes.u32(at + 20)),
      headerOffset: UInt64(bytes.u32(at + 42)))
    do throws(BertError) {
      try sizes.widen(bytes, nameEnd..<extraEnd)
      (size, compressedSize, headerOffset) = try sizes.checked()
      try Self.checkMethod(method, flags)
    } catch {
      var error = error
      error.tensor = String(text.prefix(200))
      error.byteOffset = place
      throw error
    }
    if method == 0 && size != compressedSize {
      throw BertError(
        .malformed, "is stored, yet its sizes \(compressedSize) and \(size) differ",
        tensor: String(text.prefix(200)), byteOffset: place)
    }
    at = end
  }

  private static func checkMethod(_ method: Int, _ flags: Int) throws(BertError) {
    // Bits 0, 5, 6 and 13: encrypted, patched, strongly encrypted, masked directory.
    if flags & 0b10_0000_0110_0001 != 0 {
      throw BertError(
        .unsupported, "is encrypted or patched (flags 0x\(String(flags, radix: 16)))")
    }
    if method != 0 && method != 8 {
      throw BertError(
        .unsupported,
        "is compressed by method \(method); stored (0) and deflated (8) are read")
    }
  }
}

/// The sizes of an entry, 32 bits wide until a zip64 extra field widens them.
struct ZipSizes {
  var size: UInt64
  var compressedSize: UInt64
  /// nil in a local header, which has none.
  var headerOffset: UInt64?

  /// Applies the zip64 extra field; checks that the extra fields fill their space.
  mutating func widen(_ bytes: LittleEndian, _ extra: Range<Int>) throws(BertError) {
    var at = extra.lowerBound
    while at < extra.upperBound {
      guard extra.upperBound - at >= 4, extra.upperBound - at - 4 >= bytes.u16(at + 2) else {
        throw BertError(.malformed, "an extra field of a ZIP entry is longer than its space")
      }
      let end = at + 4 + bytes.u16(at + 2)
      if bytes.u16(at) == 1 { try widen(bytes, fields: (at + 4)..<end) }
      at = end
    }
  }

  private mutating func widen(_ bytes: LittleEndian, fields: Range<Int>) throws(BertError) {
    var at = fields.lowerBound
    func next() throws(BertError) -> UInt64 {
      guard fields.upperBound - at >= 8 else {
        throw BertError(.malformed, "the zip64 field of a ZIP entry is too short")
      }
      at += 8
      return bytes.u64(at - 8)
    }
    if size == 0xFFFF_FFFF { size = try next() }
    if compressedSize == 0xFFFF_FFFF { compressedSize = try next() }
    if headerOffset == 0xFFFF_FFFF { headerOffset = try next() }
  }

  /// The sizes as integers that can be added up without overflow.
  func checked() throws(BertError) -> (size: Int, compressedSize: Int, headerOffset: Int) {
    let limit = UInt64(1) << 60
    let offset = headerOffset ?? 0
    if size > limit || compressedSize > limit || offset > limit {
      throw BertError(
        .malformed, "claims impossible sizes: \(size) bytes, \(compressedSize) compressed")
    }
    return (Int(size), Int(compressedSize), Int(offset))
  }
}

/// The header before a member's data.
enum ZipLocalHeader {
  /// Compares it with the directory's entry.
  ///
  /// - Parameter limit: where the central directory begins; members end before.
  /// - Returns: where the member's data begins.
  static func check(
    _ entry: ZipEntry, in file: InputFile, limit: Int
  ) throws(BertError) -> Int {
    func failure(_ message: String) -> BertError {
      BertError(
        .malformed, message, tensor: String(entry.name.prefix(200)),
        byteOffset: min(entry.headerOffset, file.size))
    }
    let start = entry.headerOffset
    guard start <= limit - 30 else {
      throw failure("its header should begin at byte \(start), which is not before the directory")
    }
    let fixed = LittleEndian(bytes: try file.bytes(start..<(start + 30)))
    guard fixed.u32(0) == 0x0403_4B50 else { throw failure("no ZIP member begins here") }
    let nameEnd = 30 + fixed.u16(26)
    let length = nameEnd + fixed.u16(28)
    guard length <= limit - start, entry.compressedSize <= limit - start - length else {
      throw failure(
        "its \(entry.compressedSize) bytes of data reach past the archive's members, which end at "
          + "byte \(limit)")
    }
    let header = LittleEndian(bytes: try file.bytes(start..<(start + length)))
    guard header.bytes[30..<nameEnd] == entry.nameBytes else {
      throw failure("its name before its data differs from that in the ZIP directory")
    }
    guard header.u16(8) == entry.method else {
      throw failure(
        "its compression method is \(header.u16(8)) before its data, \(entry.method) in the "
          + "directory")
    }
    // Bit 3: sizes follow the data, so the header before it does not know them.
    if header.u16(6) & 8 == 0 {
      var sizes = ZipSizes(
        size: UInt64(header.u32(22)), compressedSize: UInt64(header.u32(18)), headerOffset: nil)
      try sizes.widen(header, nameEnd..<length)
      if sizes.size != UInt64(entry.size) || sizes.compressedSize != UInt64(entry.compressedSize)
        || UInt32(header.u32(14)) != entry.crc
      {
        throw failure("its sizes or CRC before its data differ from those in the ZIP directory")
      }
    }
    return start + length
  }
}
