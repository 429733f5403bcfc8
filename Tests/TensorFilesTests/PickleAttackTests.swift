import BertErrors
import Fixtures
import FoundationEssentials
import TensorFiles
import Testing

/// A pickle that a reader must refuse, and the words by which it must say why.
struct PickleAttack: Sendable, CustomTestStringConvertible {
  let name: String
  let code: BertError.Code
  let words: String
  let pickle: [UInt8]

  var testDescription: String { name }

  /// Well formed, and more than tensors.
  init(_ name: String, _ words: String, _ pickle: PickleAssembler) {
    self.name = name
    code = .unsupported
    self.words = words
    self.pickle = pickle.bytes
  }

  /// No pickle that a program writes.
  init(malformed name: String, _ words: String, _ pickle: PickleAssembler) {
    self.name = name
    code = .malformed
    self.words = words
    self.pickle = pickle.bytes
  }

  static let all: [PickleAttack] =
    functions + objects + registries + machine + sizes

  private static let start = PickleAssembler()

  private static let functions: [PickleAttack] = [
    PickleAttack(
      "a function by GLOBAL and REDUCE", "posix.system",
      start.global("posix", "system").raw("(").text("touch pwned").raw("tR.")),
    PickleAttack(
      "a function by STACK_GLOBAL", "builtins.eval",
      PickleAssembler(protocol: 4).text("builtins").text("eval").raw([0x93])
        .raw("(").text("1").raw("tR.")),
    PickleAttack(
      "a function whose name comes out of the memo", "os.system",
      PickleAssembler(protocol: 4).text("os").raw([0x94, 0x30]).text("system").raw([0x94, 0x30])
        .raw([0x68, 0, 0x68, 1, 0x93]).raw(".")),
    PickleAttack(
      "a class by INST", "os.system",
      PickleAssembler(protocol: 0).raw("(S'id'\nios\nsystem\n.")),
    PickleAttack(
      "protocol 0 without a header", "os.system",
      PickleAssembler(protocol: nil).raw([0x80, 0]).raw("cos\nsystem\n(S'id'\ntR.")),
    PickleAttack(
      "protocol 1", "builtins.exec",
      PickleAssembler(protocol: 1).global("builtins", "exec").raw("(").text("1").raw("tR.")),
    PickleAttack(
      "protocol 3", "builtins.compile",
      PickleAssembler(protocol: 3).global("builtins", "compile").raw(")R.")),
    PickleAttack(
      "protocol 5, in a frame", "os.system",
      PickleAssembler(protocol: 5).raw([0x95, 20, 0, 0, 0, 0, 0, 0, 0])
        .raw([0x8C, 2]).raw("os").raw([0x94, 0x8C, 6]).raw("system").raw([0x94, 0x93, 0x94, 0x29])
        .raw([0x52, 0x2E, 0x2E, 0x2E])),
    PickleAttack(
      "a function that is only named", "subprocess.Popen",
      start.raw("}").text("w").global("subprocess", "Popen").raw("s.")),
    PickleAttack(
      "a function of torch that loads code", "torch.hub.load",
      start.global("torch.hub", "load").raw(")R.")),
    PickleAttack(
      "a function of torch beside those allowed", "torch._utils._import_dotted_name",
      start.global("torch._utils", "_import_dotted_name").raw(")R.")),
    PickleAttack(
      "a dotted name below an allowed module", "collections.OrderedDict.__class__",
      start.global("collections", "OrderedDict.__class__").raw(")R.")),
    PickleAttack(
      "a whole module in the place of its weights", "transformers.models.bert.modeling_bert",
      start.global("transformers.models.bert.modeling_bert", "BertModel").raw([0x29, 0x81]).raw(".")
    ),
    PickleAttack(
      "an array of NumPy", "numpy.core.multiarray._reconstruct",
      start.global("numpy.core.multiarray", "_reconstruct").raw(")R.")),
  ]

  private static let objects: [PickleAttack] = [
    PickleAttack(
      "an object by NEWOBJ of an allowed name", "makes an object",
      start.global("collections", "OrderedDict").raw([0x29, 0x81]).raw(".")),
    PickleAttack(
      "an object by OBJ", "makes an object",
      start.raw("(").global("collections", "OrderedDict").raw("o.")),
    PickleAttack(
      "an object by NEWOBJ_EX", "makes an object",
      start.global("collections", "OrderedDict").raw(")}").raw([0x92]).raw(".")),
    PickleAttack("a set", "makes a set", start.raw([0x8F]).raw(".")),
    PickleAttack("a frozen set", "makes a frozen set", start.raw("(").raw([0x91]).raw(".")),
    PickleAttack(
      "a byte array", "byte array",
      PickleAssembler(protocol: 5).raw([0x96, 1, 0, 0, 0, 0, 0, 0, 0, 7]).raw(".")),
    PickleAttack(
      "attributes of a list by BUILD", "sets attributes",
      start.raw("]}b.")),
    PickleAttack(
      "attributes of an allowed name by BUILD", "sets attributes",
      start.global("collections", "OrderedDict").raw("}").text("__init__").text("x").raw("sb.")),
    PickleAttack(
      "the value of a call as a function", "no function",
      start.global("collections", "OrderedDict").raw(")R)R.")),
    PickleAttack(
      malformed: "a call without a tuple", "tuple of arguments",
      start.global("collections", "OrderedDict").raw("]R.")),
    PickleAttack(
      malformed: "a storage type called as a function", "as if it were a function",
      start.global("torch", "FloatStorage").raw(")R.")),
  ]

  private static let registries: [PickleAttack] = [
    PickleAttack("extension 1", "extension registry", start.raw([0x82, 1]).raw(".")),
    PickleAttack("extension 2", "extension registry", start.raw([0x83, 1, 0]).raw(".")),
    PickleAttack("extension 4", "extension registry", start.raw([0x84, 1, 0, 0, 0]).raw(".")),
    PickleAttack(
      "a persistent id that is a text", "names an object by a text",
      PickleAssembler(protocol: 0).raw("Pfile:///etc/passwd\n.")),
    PickleAttack(
      "a persistent id that is no storage", "no storage of a tensor",
      start.raw("(").text("module").text("m").text("/etc/passwd").raw("tQ.")),
    PickleAttack(
      "a buffer from outside", "outside the file", PickleAssembler(protocol: 5).raw([0x97])),
    PickleAttack("protocol 6", "protocol 6", PickleAssembler(protocol: 6).raw("}.")),
  ]

  private static let machine: [PickleAttack] = [
    PickleAttack(malformed: "no value at the end", "has not made", start.raw(".")),
    PickleAttack(malformed: "two values at the end", "left over", start.raw("}}.")),
    PickleAttack(malformed: "a mark that nobody made", "mark", start.raw("}t.")),
    PickleAttack(
      malformed: "a value below the mark", "has not made", start.raw("}(N\u{30}\u{30}\u{30}\u{30}.")
    ),
    PickleAttack(malformed: "a memo entry that nobody made", "memo entry 7", start.raw("h\u{7}.")),
    PickleAttack(
      malformed: "the last memo entry that can be numbered", "memo entry 4294967295",
      start.raw("j").raw([0xFF, 0xFF, 0xFF, 0xFF]).raw(".")),
    PickleAttack(malformed: "a memo entry below zero", "no number", start.raw("g-1\n.")),
    PickleAttack(
      malformed: "a list that contains itself through the memo", "nests",
      start.raw("]q\u{1}h\u{1}a.")),
    PickleAttack(malformed: "a list filled as a dictionary", "no dictionary", start.raw("]NNs.")),
    PickleAttack(malformed: "a key without a value", "no value", start.raw("}(Nu.")),
    PickleAttack(malformed: "no end", "the pickle ends", start.raw("}")),
    PickleAttack(malformed: "an unknown instruction", "no instruction", start.raw([0xFF])),
    PickleAttack(
      malformed: "a dictionary that contains itself", "nests",
      start.raw("}q\u{1}").text("a").raw("h\u{1}s.")),
    PickleAttack(
      malformed: "lists that double thirty times", "nests",
      (0..<30).reduce(start.raw("]")) { pickle, level in
        pickle.raw([
          0x71, UInt8(level), 0x30, 0x5D, 0x28, 0x68, UInt8(level), 0x68, UInt8(level), 0x65,
        ])
      }.raw(".")),
    PickleAttack(
      malformed: "tuples two hundred thousand deep", "nests",
      start.raw(")").raw([UInt8](repeating: 0x85, count: 200_000)).raw(".")),
  ]

  private static let sizes: [PickleAttack] = [
    PickleAttack(
      malformed: "a text of 4 GB", "ends early", start.raw("X").raw([0xFF, 0xFF, 0xFF, 0xFF])),
    PickleAttack(
      malformed: "a text of 2⁶⁴ bytes", "ends early",
      PickleAssembler(protocol: 4).raw([0x8D] + [UInt8](repeating: 0xFF, count: 8))),
    PickleAttack(
      malformed: "a frame of 2⁶³ bytes", "frame",
      PickleAssembler(protocol: 4).raw([0x95] + [UInt8](repeating: 0x7F, count: 8))),
    PickleAttack(
      malformed: "an integer of 2 GB", "ends early", start.raw([0x8B, 0xFF, 0xFF, 0xFF, 0x7F])),
    PickleAttack(
      malformed: "an integer of less than no bytes", "ends early",
      start.raw([0x8B, 0xFF, 0xFF, 0xFF, 0xFF])),
    PickleAttack(
      malformed: "an integer of a million digits", "line that is too long",
      start.raw("L").repeated(1_000_000, "9").raw("L\n.")),
    PickleAttack(
      malformed: "an integer of 2,000 bytes", "at most 1024",
      start.raw([0x8B, 0xD0, 7, 0, 0] + [UInt8](repeating: 1, count: 2000)).raw(".")),
    PickleAttack(
      malformed: "a million values on the stack", "more values on its stack",
      start.repeated(1_000_000, "N")),
    PickleAttack(
      malformed: "a million open marks", "more open marks", start.repeated(1_000_000, "(")),
    PickleAttack(
      malformed: "two million dictionaries", "more lists",
      start.repeated(2_000_000, "}0").raw("}.")),
    PickleAttack(
      malformed: "two million memo entries", "more memo entries",
      start.raw("N").raw((0..<2_000_000).flatMap { [0x72] + littleEndian(UInt32($0)) })),
    PickleAttack(
      malformed: "thirty tuples of two hundred thousand values", "more values in lists",
      start.repeated(30, "(" + String(repeating: "N", count: 200_000) + "t0").raw("N.")),
  ]
}

@Suite struct PickleAttackTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func expect(_ attack: PickleAttack, _ file: [UInt8], _ name: String) throws {
    let path = try folder.write(name, file)
    let error = #expect(throws: BertError.self) { try Checkpoint.open(path) }
    #expect(error?.code == attack.code, "\(error?.description ?? "")")
    #expect(
      error?.description.contains(attack.words) == true, "\(error?.description.prefix(300) ?? "")")
    #expect(error?.file == path)
  }

  @Test(arguments: PickleAttack.all)
  func refusesAttacksInAnArchive(_ attack: PickleAttack) throws {
    try expect(attack, torchArchive(attack.pickle), "pytorch_model.bin")
  }

  @Test(arguments: PickleAttack.all)
  func refusesAttacksInAStream(_ attack: PickleAttack) throws {
    try expect(attack, torchStream(attack.pickle), "pytorch_model.bin")
  }

  /// The whole program, whose memory a test of its own cannot tell.
  @Test func attacksTakeLittleMemoryAndRunNothing() throws {
    let own = try TemporaryFolder()
    for attack in PickleAttack.all {
      for file in [torchArchive(attack.pickle), torchStream(attack.pickle)] {
        let path = try own.write("pytorch_model.bin", file)
        let outcome = try Program.convert.run(["--list", path])
        #expect(
          outcome.code == attack.code.exitCode, "\(attack.name): \(outcome.errors.prefix(300))")
        #expect(outcome.peakMemory < 200 << 20, "\(attack.name): \(outcome.peakMemory >> 20) MB")
      }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: own.path) == ["pytorch_model.bin"])
    #expect(!FileManager.default.fileExists(atPath: "pwned"))
  }

  @Test(arguments: ["m/data.pkl", "archive/data.pkl"])
  func refusesAttacksWhateverTheFileIsCalled(member: String) throws {
    let attack = PickleAttack.all[0]
    let archive = zipArchive([(member, attack.pickle)])
    for name in ["model", "model.zip", "model.npz", "model.pt", "model.ckpt"] {
      try expect(attack, archive, name)
    }
  }
}
