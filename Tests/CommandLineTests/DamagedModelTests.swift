import BertErrors
import Fixtures
import Testing

@testable import BertqFile

/// A `.bertq` file that is not as it was written.
struct DamagedModelTests {
  @Test func whatIsNoModelIsMalformed() throws {
    let shop = try Workshop()
    for bytes in [[], Array("hello".utf8), [UInt8](repeating: 0, count: 10_000)] {
      try writeBytes(bytes, to: shop.model)
      expectFailure(try Program.run(shop.model, "text"), .malformed, [shop.model])
      expectFailure(try Program.run("--verify", shop.model), .malformed, [shop.model])
    }
    expectFailure(try Program.run(shop.folder / "absent.bertq", "text"), .notFound, ["absent"])
    expectFailure(try Program.run(shop.input, "text"), .notFound)
    expectFailure(try Program.run(shop.input + "/model.safetensors", "text"), .malformed)
  }

  @Test func everyTruncatedModelIsMalformed() throws {
    let shop = try Workshop.converted()
    let bytes = try readBytes(shop.model)
    for count in [0, 1, 16, 63, 64, 65, 1000, bytes.count / 2, bytes.count - 64, bytes.count - 1] {
      try writeBytes(Array(bytes[..<count]), to: shop.model)
      let outcome = try Program.run(shop.model, "text")
      expectFailure(outcome, .malformed, [shop.model])
      #expect(outcome.output.isEmpty)
      expectFailure(try Program.run("--verify", shop.model), .malformed)
    }
    try writeBytes(bytes + [0], to: shop.model)
    expectFailure(try Program.run("--verify", shop.model), .malformed)
  }

  @Test func verifyAcceptsWhatIsWhole() throws {
    for weights in ["both", "int8", "float"] {
      let shop = try Workshop.converted("--weights", weights)
      #expect(try Program.run("--verify", shop.model).code == 0)
    }
  }

  /// Bytes spread over the file, and the first, middle and last one of every tensor and gap.
  private func places(_ file: ModelFile) throws -> [Int] {
    let size = file.mapping.bytes.count
    var places = Array(stride(from: 0, to: size, by: size / 60)) + [size - 1]
    for record in file.records {
      let end = record.offset + record.byteCount
      places += [record.offset, record.offset + record.byteCount / 2, end - 1]
      if end % 64 != 0, end < size { places.append(end) }
    }
    return Set(places).sorted()
  }

  /// `--verify` finds a flipped bit anywhere; a run finds it, before its first result, in all that
  /// it uses, and is not changed by it elsewhere.
  @Test(arguments: ["--int8", "--float"])
  func aFlippedBitIsFound(_ path: String) throws {
    let shop = try Workshop.converted()
    let good = try readBytes(shop.model)
    let file = try ModelFile.open(shop.model)
    let expected = try Program.run(path, shop.model, "The bird sings.")
    #expect(expected.code == 0)
    var (found, unused) = (0, 0)
    for place in try places(file) {
      var bytes = good
      bytes[place] ^= 1 << UInt8(place % 8)
      let damaged = shop.folder / "damaged.bertq"
      try writeBytes(bytes, to: damaged)
      if path == "--int8" {
        expectFailure(try Program.run("--verify", damaged), .malformed, [damaged])
      }
      let outcome = try Program.run(path, damaged, "The bird sings.")
      if outcome.code == 0 {
        #expect(outcome.output == expected.output, "byte \(place)")
        #expect(isUnused(place, file, path), "byte \(place) was not missed")
        unused += 1
      } else {
        expectFailure(outcome, .malformed, [damaged])
        #expect(outcome.output.isEmpty)
        found += 1
      }
    }
    print("\(path): \(found) flipped bits found, \(unused) in what the run does not use")
    #expect(found > 60 && unused > 60)
  }

  /// Whether a run of one path needs no byte at this place: the other path's linears, the pooler of
  /// a model that takes the mean, or padding.
  private func isUnused(_ place: Int, _ file: ModelFile, _ path: String) -> Bool {
    let record = file.records.first {
      ($0.offset..<($0.offset + $0.byteCount)).contains(place)
    }
    guard let name = record?.tensor.name else { return place >= 64 }
    let isLinear = name.hasPrefix("layer.") && !name.contains(".norm.")
    return name.hasPrefix("pooler.")
      || isLinear && name.contains(".int8.") == (path == "--float")
  }
}
