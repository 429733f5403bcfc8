import BertErrors
import CBertqChecksum

/// The first 64 bytes of a file.
struct Prologue: Equatable {
  var version: UInt32
  var headerChecksum: UInt32
  var headerLength: Int
  var fileLength: Int

  /// Where the first tensor starts, or the file ends when there is none.
  var dataStart: Int? { BertqFormat.aligned(BertqFormat.prologueSize + headerLength) }

  private enum Offset {
    static let version = 8
    static let headerChecksum = 12
    static let headerLength = 16
    static let fileLength = 24
    static let zeros = 32
    static let checksum = 60
  }

  /// The 64 bytes.
  var bytes: [UInt8] {
    var bytes = BertqFormat.magic + [UInt8](repeating: 0, count: 56)
    func put<T: FixedWidthInteger>(_ value: T, at offset: Int) {
      for i in 0..<MemoryLayout<T>.size {
        bytes[offset + i] = UInt8(truncatingIfNeeded: value >> T(8 * i))
      }
    }
    put(version, at: Offset.version)
    put(headerChecksum, at: Offset.headerChecksum)
    put(UInt64(headerLength), at: Offset.headerLength)
    put(UInt64(fileLength), at: Offset.fileLength)
    put(bytes.withUnsafeBytes { checksum($0[..<Offset.checksum]) }, at: Offset.checksum)
    return bytes
  }

  init(headerChecksum: UInt32, headerLength: Int, fileLength: Int) {
    version = BertqFormat.version
    self.headerChecksum = headerChecksum
    self.headerLength = headerLength
    self.fileLength = fileLength
  }

  /// Reads and checks the prologue of a whole file.
  ///
  /// - Throws: `malformed` when damaged or cut short, `unsupported` for a newer version.
  init(_ file: UnsafeRawBufferPointer) throws(BertError) {
    try Self.checkMagic(file)
    guard file.count >= BertqFormat.prologueSize else {
      throw BertError(
        .malformed,
        "the file ends after \(file.count) bytes; a .bertq file begins with "
          + "\(BertqFormat.prologueSize): it is truncated; " + BertqFormat.getAgain,
        byteOffset: file.count)
    }
    let stored = file.loadUnaligned(fromByteOffset: Offset.checksum, as: UInt32.self).littleEndian
    let computed = checksum(file[..<Offset.checksum])
    guard stored == computed else {
      throw BertError(
        .malformed,
        "the prologue's checksum is \(hex(stored)), its bytes give \(hex(computed)): the file is "
          + "damaged; " + BertqFormat.getAgain, byteOffset: Offset.checksum)
    }
    version = file.loadUnaligned(fromByteOffset: Offset.version, as: UInt32.self).littleEndian
    try Self.checkVersion(version)
    headerChecksum =
      file.loadUnaligned(fromByteOffset: Offset.headerChecksum, as: UInt32.self).littleEndian
    let header = file.loadUnaligned(fromByteOffset: Offset.headerLength, as: UInt64.self)
    let total = file.loadUnaligned(fromByteOffset: Offset.fileLength, as: UInt64.self)
    headerLength = Int(clamping: header.littleEndian)
    fileLength = Int(clamping: total.littleEndian)
    if let nonzero = file[Offset.zeros..<Offset.checksum].firstIndex(where: { $0 != 0 }) {
      throw BertError(
        .malformed,
        "the prologue holds \(file[nonzero]) where version \(BertqFormat.version) has 0",
        byteOffset: nonzero)
    }
    try checkLengths(found: file.count)
  }

  private static func checkMagic(_ file: UnsafeRawBufferPointer) throws(BertError) {
    let magic = BertqFormat.magic
    let found = file.prefix(magic.count)
    if found.elementsEqual(magic.prefix(found.count)) && !found.isEmpty { return }
    var message = "is not a .bertq file"
    if found.isEmpty {
      message = "is empty; expected a .bertq file"
    } else if found.prefix(4).elementsEqual(magic.prefix(4)) {
      message = "was a .bertq file until a transfer in text mode changed its bytes; copy it again"
    }
    throw BertError(.malformed, message, byteOffset: 0)
  }

  private static func checkVersion(_ version: UInt32) throws(BertError) {
    if version == 0 {
      throw BertError(.malformed, "has format version 0", byteOffset: Offset.version)
    }
    if version < BertqFormat.oldestVersion {
      throw BertError(
        .unsupported,
        "has format version \(version), from before the first release; this program reads from "
          + "\(BertqFormat.oldestVersion) on: convert the checkpoint again",
        byteOffset: Offset.version)
    }
    if version > BertqFormat.version {
      throw BertError(
        .unsupported,
        "has format version \(version); this program reads up to \(BertqFormat.version): use a "
          + "newer one, or convert the checkpoint again with this one",
        byteOffset: Offset.version)
    }
  }

  private func checkLengths(found: Int) throws(BertError) {
    guard (1...BertqFormat.largestHeader).contains(headerLength) else {
      throw BertError(
        .malformed,
        "the header's length is given as \(headerLength); expected 1 to "
          + "\(BertqFormat.largestHeader)", byteOffset: Offset.headerLength)
    }
    guard fileLength == found else {
      throw BertError(
        .malformed,
        "the file has \(found) bytes; its prologue says \(fileLength): "
          + (found < fileLength
            ? "it is truncated; " + BertqFormat.getAgain : "something was appended"),
        byteOffset: Offset.fileLength)
    }
    guard let dataStart, dataStart <= fileLength else {
      throw BertError(
        .malformed,
        "a header of \(headerLength) bytes does not fit into a file of \(fileLength)",
        byteOffset: Offset.headerLength)
    }
  }
}

/// CRC-32 of some bytes.
func checksum(_ bytes: Slice<UnsafeRawBufferPointer>) -> UInt32 {
  checksum(UnsafeRawBufferPointer(rebasing: bytes))
}

/// CRC-32 of some bytes.
func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  continueChecksum(0, bytes)
}

/// CRC-32 of what `crc` was computed of, followed by some bytes.
package func continueChecksum(_ crc: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
  bq_crc32(crc, bytes.baseAddress, bytes.count)
}

/// Eight hexadecimal digits.
package func hex(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 8 - digits.count) + digits
}
