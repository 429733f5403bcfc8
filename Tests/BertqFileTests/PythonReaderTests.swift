import BertModel
import BertqFile
import Fixtures
import SystemLibrary
import Testing

/// `tools/bertq-list` shares no code with the package: where both agree, the specification
/// holds.
@Suite struct PythonReaderTests {
  /// The output and exit code of a shell command.
  static func run(_ command: String) -> (text: String, code: Int32) {
    guard let pipe = popen(command + " 2>&1", "r") else { return ("", -1) }
    var (text, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
    while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 {
      text += buffer[..<count]
    }
    let status = pclose(pipe)
    return (String(decoding: text, as: UTF8.self), (status >> 8) & 0xFF)
  }

  static func list(_ arguments: String) -> (text: String, code: Int32) {
    run("python3 '\(SharedData.packageRoot)/tools/bertq-list' \(arguments)")
  }

  @Test(
    .enabled(if: Program.hasNumPy, "needs python3 with NumPy"),
    arguments: RoundTripTests.models.indices)
  func acceptsWhatIsWrittenAndFindsTheSameFingerprints(_ index: Int) throws {
    let folder = try TemporaryFolder()
    let fingerprints = try RoundTripTests.models[index].write(to: folder / "a.bertq")
    let (text, code) = Self.list(folder / "a.bertq")
    #expect(code == 0, "\(text)")
    if let float = fingerprints.float { #expect(text.contains(float)) }
    if let int8 = fingerprints.int8 { #expect(text.contains(int8)) }
    #expect(!text.contains("DAMAGED"))
  }

  @Test(.enabled(if: Program.hasNumPy, "needs python3 with NumPy"))
  func unpacksPanels() throws {
    let folder = try TemporaryFolder()
    var model = TinyModel()
    model.tensors = [
      BertqTensor("f", .float32, .floatPanels, [37, 5]),
      BertqTensor("i", .int8, .int8Panels, [65, 7]),
    ]
    try model.write(to: folder / "a.bertq")
    for tensor in model.tensors {
      let (text, code) = Self.list(
        "\(folder / "a.bertq") --array \(tensor.name) \(folder / "x.npy")")
      #expect(code == 0, "\(text)")
      // An npy file of C order ends with its elements.
      let plain = BertqTensor(tensor.name, tensor.elementType, .rowMajor, tensor.shape)
      let expected = try TinyModel.bytes(plain)
      #expect(try contents(folder / "x.npy").suffix(expected.count).elementsEqual(expected))
    }
  }

  @Test(.enabled(if: Program.hasNumPy, "needs python3 with NumPy"))
  func findsDamageInEveryPartOfAFile() throws {
    let folder = try TemporaryFolder()
    try TinyModel.full.write(to: folder / "a.bertq")
    let bytes = try contents(folder / "a.bertq")
    for offset in [0, 9, 20, 40, 62, 64, 500, bytes.count / 2, bytes.count - 1] {
      var damaged = bytes
      damaged[offset] ^= 0x10
      try write(damaged, to: folder / "b.bertq")
      #expect(Self.list(folder / "b.bertq").code == 65, "byte \(offset)")
    }
    try write(Array(bytes.dropLast()), to: folder / "b.bertq")
    #expect(Self.list(folder / "b.bertq").code == 65)
    try write([], to: folder / "b.bertq")
    #expect(Self.list(folder / "b.bertq").code == 65)
    #expect(Self.list(folder / "missing.bertq").code == 66)
  }
}
