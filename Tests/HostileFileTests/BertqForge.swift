import BertErrors
import BertqFile
import Fixtures
import SystemLibrary

/// Builds `.bertq` files byte by byte from the words of `formats/bertq.md`, true ones and lying
/// ones.
///
/// It shares no code with the package. Whatever is changed, the checksums are made right
/// afterwards, as somebody who means harm would.
struct BertqForge {
  struct Tensor {
    var name = Array("t".utf8)
    var elementType: UInt64 = 4
    var layout: UInt64 = 1
    var shape: [UInt64] = [100]
    var data = [UInt8](repeating: 7, count: 100)
    /// What the header says in place of the truth.
    var offset: UInt64?
    var byteLength: UInt64?
    var checksums: [UInt32]?
    /// Fields put after the others.
    var extra: [UInt8] = []
  }

  var producer = Array("forge".utf8)
  var numericVersion: UInt64 = 4
  var features: [String] = []
  var configuration = BertqForge.configuration()
  var tokenizer: [UInt8]? = BertqForge.tokenizer()
  var embedding = BertqForge.embedding()
  var isPublished: UInt64 = 1
  var task: UInt64 = 1
  var head: [UInt8]? = Wire.text(1, "a") + Wire.text(2, "")
  var prompts: [[UInt8]] = [Wire.text(1, "query") + Wire.text(2, "query: ")]
  var defaultPrompt: String?
  var provenance = Wire.text(1, "s") + Wire.text(2, "p") + Wire.text(3, "A") + Wire.text(4, "F32")
  var settings = [Wire.text(1, "k") + Wire.text(2, "v")]
  var drift: [UInt8]?
  var fingerprint: String?
  var tensors = [Tensor(), Tensor(name: Array("u".utf8))]
  /// Put after all other fields of the header.
  var extra: [UInt8] = []
  /// Changes the header's bytes once they are made.
  var changeHeader: ([UInt8]) -> [UInt8] = { $0 }
  /// Changes the file once it is made; the checksums are not made right again.
  var changeFile: ([UInt8]) -> [UInt8] = { $0 }
  var version: UInt32 = 2
  var headerLength: UInt64?
  var fileLength: UInt64?
  var reserved = [UInt8](repeating: 0, count: 28)

  static func configuration(
    sizes: [UInt64] = [30, 8, 1, 2, 16, 12, 2], epsilon: Float = 1e-12, activation: UInt64 = 1
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    for (i, size) in sizes.enumerated() { bytes += Wire.number(i + 1, size) }
    return bytes + Wire.fixed32(8, epsilon.bitPattern) + Wire.number(9, activation)
  }

  static func tokenizer(
    kind: UInt64 = 1, tokens: [String] = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"],
    framed: [UInt8] = [], rules: [UInt8]? = BertqForge.wordPiece(), after: [UInt8] = []
  ) -> [UInt8] {
    var bytes = Wire.number(1, kind)
    for (i, token) in tokens.enumerated() { bytes += Wire.text(i + 2, token) }
    bytes += framed
    if let rules { bytes += Wire.bytes(12, rules) }
    return bytes + after
  }

  static func wordPiece() -> [UInt8] {
    Wire.number(1, 1) + Wire.number(3, 1) + Wire.number(4, 100) + Wire.text(5, "##")
  }

  static func embedding(
    poolings: [UInt64] = [1], poolsPrompt: UInt64 = 1, modules: [[UInt8]] = [],
    dimensions: UInt64? = nil
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    if !poolings.isEmpty { bytes += Wire.bytes(1, poolings.flatMap { Wire.varint($0) }) }
    bytes += Wire.number(2, poolsPrompt)
    for module in modules { bytes += Wire.bytes(3, module) }
    if let dimensions { bytes += Wire.number(4, dimensions) }
    return bytes
  }

  private func header(dataStart: Int) -> [UInt8] {
    var bytes = Wire.bytes(1, producer) + Wire.number(2, numericVersion)
    for feature in features { bytes += Wire.text(3, feature) }
    bytes += Wire.bytes(4, configuration)
    if let tokenizer { bytes += Wire.bytes(5, tokenizer) }
    bytes += Wire.bytes(6, embedding) + Wire.number(7, isPublished) + Wire.number(8, task)
    if let head { bytes += Wire.bytes(9, head) }
    for prompt in prompts { bytes += Wire.bytes(10, prompt) }
    if let defaultPrompt { bytes += Wire.text(11, defaultPrompt) }
    bytes += Wire.bytes(12, provenance)
    for setting in settings { bytes += Wire.bytes(13, setting) }
    if let drift { bytes += Wire.bytes(14, drift) }
    if let fingerprint { bytes += Wire.text(15, fingerprint) }
    var end = dataStart
    for tensor in tensors {
      let start = (end + 63) / 64 * 64
      end = start + tensor.data.count
      let chunks = stride(from: 0, to: tensor.data.count, by: 65_536).map {
        crc32(tensor.data[$0..<min($0 + 65_536, tensor.data.count)])
      }
      bytes += Wire.bytes(
        19,
        Wire.bytes(1, tensor.name) + Wire.number(2, tensor.elementType)
          + Wire.number(3, tensor.layout)
          + Wire.bytes(4, tensor.shape.flatMap { Wire.varint($0) })
          + Wire.fixed64(5, tensor.offset ?? UInt64(start))
          + Wire.number(6, tensor.byteLength ?? UInt64(tensor.data.count))
          + Wire.bytes(7, (tensor.checksums ?? chunks).flatMap { Wire.little($0) })
          + tensor.extra)
    }
    return changeHeader(bytes + extra)
  }

  /// The bytes of the file.
  func file() -> [UInt8] {
    // Offsets have a fixed size, so a first header tells where the tensors will start.
    let length = header(dataStart: 0).count
    let header = header(dataStart: (64 + length + 63) / 64 * 64)
    var body = header
    body += [UInt8](repeating: 0, count: (64 - body.count % 64) % 64)
    for tensor in tensors {
      body += [UInt8](repeating: 0, count: (64 - body.count % 64) % 64) + tensor.data
    }
    var prologue: [UInt8] = [0x89, 0x42, 0x54, 0x51, 0x0D, 0x0A, 0x1A, 0x0A]
    prologue += Wire.little(version) + Wire.little(crc32(header[...]))
    prologue += Wire.little(headerLength ?? UInt64(header.count))
    prologue += Wire.little(fileLength ?? UInt64(64 + body.count)) + reserved
    return changeFile(prologue + Wire.little(crc32(prologue[...])) + body)
  }
}

/// Protocol buffers, as far as a header needs them.
enum Wire {
  static func varint(_ value: UInt64) -> [UInt8] {
    var (value, bytes) = (value, [UInt8]())
    while value > 127 {
      bytes.append(UInt8(value & 127) | 128)
      value >>= 7
    }
    return bytes + [UInt8(value)]
  }

  static func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  static func tag(_ field: Int, _ wire: Int) -> [UInt8] { varint(UInt64(field << 3 | wire)) }
  static func number(_ field: Int, _ value: UInt64) -> [UInt8] { tag(field, 0) + varint(value) }
  static func fixed64(_ field: Int, _ value: UInt64) -> [UInt8] { tag(field, 1) + little(value) }
  static func fixed32(_ field: Int, _ value: UInt32) -> [UInt8] { tag(field, 5) + little(value) }
  static func text(_ field: Int, _ value: String) -> [UInt8] { bytes(field, Array(value.utf8)) }
  static func bytes(_ field: Int, _ value: [UInt8]) -> [UInt8] {
    tag(field, 2) + varint(UInt64(value.count)) + value
  }
}

private let crcTable: [UInt32] = (0..<256).map { byte in
  (0..<8).reduce(UInt32(byte)) { register, _ in
    register & 1 == 1 ? register >> 1 ^ 0xEDB8_8320 : register >> 1
  }
}

/// CRC-32 of IEEE 802.3.
func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
  bytes.withUnsafeBufferPointer { bytes in
    crcTable.withUnsafeBufferPointer { table in
      ~bytes.reduce(~UInt32(0)) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }
  }
}

/// A file of a test, changed in place between openings and removed in the end.
final class ScratchBertq {
  let path = "/tmp/bertq-hostile-\(getpid())-" + String(UInt64.random(in: 0 ... .max), radix: 16)
  private let descriptor: CInt

  init(_ bytes: [UInt8]) throws {
    descriptor = SystemLibrary.open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
    guard descriptor >= 0, bytes.isEmpty || pwrite(descriptor, bytes, bytes.count, 0) == bytes.count
    else { throw BertError(.system, "cannot write", file: path) }
  }

  deinit {
    close(descriptor)
    unlink(path)
  }

  func put(_ byte: UInt8, at offset: Int) { pwrite(descriptor, [byte], 1, off_t(offset)) }
  func truncate(to count: Int) { ftruncate(descriptor, off_t(count)) }

  /// The error that opening and checking every byte ends with, nil when all is well.
  func outcome() -> BertError? {
    do throws(BertError) {
      try ModelFile.open(path).verifyAll()
      return nil
    } catch {
      return error
    }
  }
}
