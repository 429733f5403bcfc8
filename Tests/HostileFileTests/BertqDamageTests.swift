import BertErrors
import BertqFile
import Testing

/// Files that were whole once.
@Suite struct BertqDamageTests {
  @Test func everyFlippedBitIsFound() throws {
    let bytes = BertqForge().file()
    let file = try ScratchBertq(bytes)
    #expect(file.outcome() == nil)
    for (offset, byte) in bytes.enumerated() {
      for bit in 0..<8 {
        file.put(byte ^ 1 << UInt8(bit), at: offset)
        let error = file.outcome()
        #expect(error?.code == .malformed, "byte \(offset), bit \(bit)")
        #expect(error?.byteOffset != nil && error?.file == file.path, "byte \(offset), bit \(bit)")
      }
      file.put(byte, at: offset)
    }
    #expect(file.outcome() == nil)
  }

  @Test func everyTruncationIsFound() throws {
    let bytes = BertqForge().file()
    let file = try ScratchBertq(bytes)
    for count in (0..<bytes.count).reversed() {
      file.truncate(to: count)
      #expect(file.outcome()?.code == .malformed, "\(count) bytes")
    }
    // Grown again, with zeros.
    file.truncate(to: bytes.count)
    #expect(file.outcome()?.code == .malformed)
  }

  @Test func damageInATensorNamesItAndItsPlace() throws {
    let bytes = BertqForge().file()
    let file = try ScratchBertq(bytes)
    file.put(8, at: bytes.count - 1)
    let error = file.outcome()
    #expect(error?.tensor == "u")
    #expect(error?.byteOffset == bytes.count - 100)
  }

  /// Random changes of the header, with right checksums: refused or read, and never a trap.
  @Test func randomHeadersAreReadOrRefused() throws {
    var random = SplitMix(state: 20_240_601)
    var (read, refused) = (0, 0)
    for _ in 0..<4000 {
      var forge = BertqForge()
      let changes = Int(random.next() % 4) + 1
      var local = random
      forge.changeHeader = { header in
        var (header, random) = (header, local)
        for _ in 0..<changes { Self.mutate(&header, &random) }
        return header
      }
      for _ in 0..<32 { _ = random.next() }
      local = random
      let error = try ScratchBertq(forge.file()).outcome()
      if let error {
        refused += 1
        #expect(error.code == .malformed || error.code == .unsupported, "\(error)")
      } else {
        read += 1
      }
    }
    // Some changes only alter a text or a setting.
    #expect(read > 0 && refused > 1000, "\(read) read, \(refused) refused")
  }

  static func mutate(_ header: inout [UInt8], _ random: inout SplitMix) {
    guard !header.isEmpty else { return }
    let at = Int(random.next() % UInt64(header.count))
    switch random.next() % 4 {
    case 0: header[at] ^= 1 << UInt8(random.next() % 8)
    case 1: header[at] = UInt8(truncatingIfNeeded: random.next())
    case 2: header.remove(at: at)
    default: header.insert(UInt8(truncatingIfNeeded: random.next()), at: at)
    }
  }
}

/// A seeded generator, SplitMix64.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
