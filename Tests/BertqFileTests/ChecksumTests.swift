import CBertqChecksum
import Fixtures
import Testing

@Suite struct ChecksumTests {
  /// CRC-32 as it is defined, bit by bit.
  static func definition(_ crc: UInt32, _ bytes: ArraySlice<UInt8>) -> UInt32 {
    var register = ~crc
    for byte in bytes {
      register ^= UInt32(byte)
      for _ in 0..<8 { register = register & 1 == 1 ? register >> 1 ^ 0xEDB8_8320 : register >> 1 }
    }
    return ~register
  }

  static let variants = (0..<bq_crc32_variant_count()).filter(bq_crc32_variant_available)

  @Test func everyVariantGivesThePublishedCheckValue() {
    let text = Array("123456789".utf8)
    for variant in Self.variants {
      #expect(bq_crc32_variant_run(variant, 0, text, text.count) == 0xCBF4_3926)
      #expect(bq_crc32_variant_run(variant, 0, nil, 0) == 0)
    }
    #expect(bq_crc32(0, text, text.count) == 0xCBF4_3926)
    print("CRC-32 by:", Self.variants.map { String(cString: bq_crc32_variant_name($0)) })
  }

  @Test(arguments: [1, 2] as [UInt64])
  func everyVariantEqualsTheDefinitionAtAllLengthsAndAlignments(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let bytes = (0..<1500).map { _ in UInt8.random(in: 0...255, using: &random) }
    for start in 0..<16 {
      for count in Array(0...300) + [511, 512, 513, 767, 1023, 1024, 1400] {
        let expected = Self.definition(0, bytes[start..<start + count])
        for variant in Self.variants {
          let found = bytes.withUnsafeBytes {
            bq_crc32_variant_run(variant, 0, $0.baseAddress.map { $0 + start }, count)
          }
          #expect(
            found == expected,
            "variant \(variant), seed \(seed), start \(start), length \(count)")
        }
      }
    }
  }

  @Test func piecesContinueEachOther() {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    let expected = Self.definition(0, bytes[...])
    for cut in stride(from: 0, through: 1000, by: 13) {
      for variant in Self.variants {
        let first = bq_crc32_variant_run(variant, 0, bytes, cut)
        let rest = Array(bytes[cut...])
        #expect(bq_crc32_variant_run(variant, first, rest, rest.count) == expected)
      }
    }
  }

  /// Examples published with FIPS 180-4, and of the lengths where the padding takes another block.
  static let digests: [(String, Int, String)] = [
    ("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
        + "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 1,
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
    ),
    ("a", 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"),
    ("a", 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"),
    ("a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
  ]

  @Test(arguments: digests.indices)
  func sha256GivesThePublishedDigests(_ index: Int) {
    let (text, times, expected) = Self.digests[index]
    var sha = bq_sha256()
    bq_sha256_begin(&sha)
    let bytes = Array(text.utf8)
    for _ in 0..<times { bq_sha256_update(&sha, bytes, bytes.count) }
    var digest = [UInt8](repeating: 0, count: 32)
    bq_sha256_end(&sha, &digest)
    let digits = Array("0123456789abcdef")
    #expect(String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }) == expected)
  }
}
