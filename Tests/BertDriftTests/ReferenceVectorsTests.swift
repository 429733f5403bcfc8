import BertDrift
import BertErrors
import Fixtures
import Testing

/// Vectors of another program, as NumPy stores them.
struct ReferenceVectorsTests {
  /// Bytes that live as long as this does.
  final class Bytes {
    let buffer: UnsafeMutableRawBufferPointer
    init(_ bytes: [UInt8]) {
      buffer = .allocate(byteCount: bytes.count, alignment: 1)
      buffer.copyBytes(from: bytes)
    }
    deinit { buffer.deallocate() }
  }

  static func read(_ bytes: [UInt8]) throws -> ReferenceVectors {
    let owner = Bytes(bytes)
    return try ReferenceVectors(UnsafeRawBufferPointer(owner.buffer), owner: owner, name: "v.npy")
  }

  static func npy(_ header: String, _ numbers: [UInt8], version: UInt8 = 1) -> [UInt8] {
    let text = Array(header.utf8)
    let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(text.count >> (8 * $0) & 0xFF) }
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + text + numbers
  }

  static let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"

  @Test(arguments: [1, 2, 3] as [UInt8])
  func readsArraysOfTwoDimensions(_ version: UInt8) throws {
    let vectors = try Self.read(
      Self.npy(Self.good, [UInt8](repeating: 0, count: 24), version: version))
    #expect(vectors.count == 2 && vectors.width == 3)
  }

  static let bad: [(bytes: [UInt8], code: BertError.Code, word: String)] = [
    ([], .malformed, "numpy.save"),
    (Array("PK\u{3}\u{4}aaaaaaaaaa".utf8), .malformed, "numpy.save"),
    (npy(good, [0, 0, 0]), .malformed, "2 × 3"),
    (npy(good, [UInt8](repeating: 0, count: 25)), .malformed, "2 × 3"),
    (Array(npy(good, []).prefix(40)), .malformed, "header"),
    (npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 1)}", []), .unsupported, "<i8"),
    (npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 1)}", []), .unsupported, ">f4"),
    (npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", []), .unsupported, "column"),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", []), .malformed, "two dim"),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3)}", []), .malformed, "two"),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}", []), .malformed, "two"),
    (
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 8)}", []),
      .malformed, "its header says"
    ), (npy("{}", []), .unsupported, "type"),
  ]

  @Test(arguments: bad.indices)
  func refusesWhatIsNoSuchArray(_ index: Int) {
    let (bytes, code, word) = Self.bad[index]
    let error = #expect(throws: BertError.self) { try Self.read(bytes) }
    #expect(
      error?.code == code && error?.message.contains(word) == true, "\(String(describing: error))")
  }

  @Test func anyDamageIsReadOrRefused() throws {
    let whole = Self.npy(Self.good, [UInt8](repeating: 1, count: 24))
    var random = SeededGenerator(seed: 11)
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
      }
      bytes.removeLast(Int.random(in: 0...8, using: &random))
      _ = try? Self.read(bytes)
    }
  }
}
