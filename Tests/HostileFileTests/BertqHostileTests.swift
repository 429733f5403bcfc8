import BertErrors
import BertqFile
import Testing

/// Headers that lie, with right checksums.
@Suite struct BertqHostileTests {
  typealias Change = @Sendable (inout BertqForge) -> Void

  static func error(_ change: Change) throws -> BertError? {
    var forge = BertqForge()
    change(&forge)
    return try ScratchBertq(forge.file()).outcome()
  }

  @Test func theForgesOwnFileIsRight() throws {
    let file = try ScratchBertq(BertqForge().file())
    #expect(file.outcome() == nil)
    let opened = try ModelFile.open(file.path)
    #expect(opened.producer == "forge")
    #expect(opened.tensors.map(\.name) == ["t", "u"])
    #expect(opened.model.tokenizer?.maskToken == "[MASK]")
    #expect(try Self.error { $0.tensors = [] } == nil)
    #expect(try Self.error { $0.tokenizer = nil } == nil)
  }

  static let lyingPrologues: [(String, BertError.Code, Change)] = [
    ("version 0", .malformed, { $0.version = 0 }),
    ("version 1, from before the first release", .unsupported, { $0.version = 1 }),
    ("version 3", .unsupported, { $0.version = 3 }),
    ("the largest version", .unsupported, { $0.version = .max }),
    ("no header", .malformed, { $0.headerLength = 0 }),
    ("a shorter header", .malformed, { $0.headerLength = 10 }),
    ("a header longer than the file", .malformed, { $0.headerLength = 1 << 20 }),
    ("a header beyond the limit", .malformed, { $0.headerLength = 1 << 25 }),
    ("a header of 2^63 bytes", .malformed, { $0.headerLength = 1 << 63 }),
    ("a header of 2^64 - 1 bytes", .malformed, { $0.headerLength = .max }),
    ("a file of 0 bytes", .malformed, { $0.fileLength = 0 }),
    ("a file of 2^64 - 1 bytes", .malformed, { $0.fileLength = .max }),
    ("a reserved byte", .malformed, { $0.reserved[0] = 1 }),
    ("the last reserved byte", .malformed, { $0.reserved[27] = 1 }),
    ("LF for CR LF", .malformed, { $0.changeFile = { Array($0[..<4]) + Array($0[5...]) } }),
    ("something appended", .malformed, { $0.changeFile = { $0 + [0] } }),
    ("something in front", .malformed, { $0.changeFile = { [0] + $0 } }),
  ]

  static let lyingTensors: [(String, BertError.Code, Change)] = [
    ("the same offset twice", .malformed, { $0.tensors[1].offset = 576 }),
    ("an offset of 0", .malformed, { $0.tensors[0].offset = 0 }),
    ("an offset off alignment", .malformed, { $0.tensors[0].offset = 577 }),
    ("an offset of 2^64 - 64", .malformed, { $0.tensors[0].offset = .max - 63 }),
    ("an offset beyond the file", .malformed, { $0.tensors[1].offset = 1 << 40 }),
    ("a byte less", .malformed, { $0.tensors[0].byteLength = 99 }),
    ("a byte more", .malformed, { $0.tensors[0].byteLength = 101 }),
    ("2^64 - 1 bytes", .malformed, { $0.tensors[0].byteLength = .max }),
    ("a larger shape", .malformed, { $0.tensors[1].shape = [101] }),
    (
      "a larger shape and length", .malformed,
      {
        $0.tensors[1].shape = [200]; $0.tensors[1].byteLength = 200
      }
    ),
    (
      "a tensor of a terabyte", .malformed,
      {
        $0.tensors[1].shape = [1 << 40]; $0.tensors[1].byteLength = 1 << 40
      }
    ),
    ("no shape", .malformed, { $0.tensors[0].shape = [] }),
    ("a dimension of 0", .malformed, { $0.tensors[0].shape = [0, 100] }),
    ("five dimensions", .malformed, { $0.tensors[0].shape = [100, 1, 1, 1, 1] }),
    (
      "a thousand dimensions", .malformed,
      { $0.tensors[0].shape = .init(repeating: 1, count: 1000) }
    ),
    ("a dimension of 2^64 - 1", .malformed, { $0.tensors[0].shape = [.max] }),
    ("a product of 2^64 + 100", .malformed, { $0.tensors[0].shape = [1 << 32, 1 << 32, 100] }),
    (
      "a product that overflows to 100", .malformed,
      { $0.tensors[0].shape = [25, 4, 1 << 40, 1 << 24] }
    ),
    ("no name", .malformed, { $0.tensors[0].name = [] }),
    ("a name with a slash", .malformed, { $0.tensors[0].name = Array("../t".utf8) }),
    ("a name of 256 bytes", .malformed, { $0.tensors[0].name = .init(repeating: 97, count: 256) }),
    ("a name that is no UTF-8", .malformed, { $0.tensors[0].name = [0xFF, 0xFE] }),
    ("a name with a zero byte", .malformed, { $0.tensors[0].name = [97, 0, 98] }),
    ("an escape sequence for a name", .malformed, { $0.tensors[0].name = [27, 91, 50, 74] }),
    ("one name twice", .malformed, { $0.tensors[1].name = $0.tensors[0].name }),
    ("element type 0", .unsupported, { $0.tensors[0].elementType = 0 }),
    ("element type 99", .unsupported, { $0.tensors[0].elementType = 99 }),
    ("layout 99", .unsupported, { $0.tensors[0].layout = 99 }),
    ("a negative layout", .unsupported, { $0.tensors[0].layout = .max }),
    ("float panels of bytes", .malformed, { $0.tensors[0].layout = 2 }),
    ("no checksums", .malformed, { $0.tensors[0].checksums = [] }),
    ("a wrong checksum", .malformed, { $0.tensors[0].checksums = [1] }),
    ("a checksum too many", .malformed, { $0.tensors[0].checksums = [1, 2] }),
    (
      "a million checksums", .malformed,
      { $0.tensors[0].checksums = .init(repeating: 0, count: 1 << 20) }
    ),
    ("data after the last tensor", .malformed, { $0.tensors.append(.init(shape: [64])) }),
    (
      "padding that is not zero", .malformed,
      {
        $0.changeFile = {
          var file = $0; file[file.count - 101] = 1; return file
        }
      }
    ),
    (
      "65 537 tensors", .malformed,
      {
        $0.tensors = (0..<65_537).map {
          .init(name: Array("\($0)".utf8), shape: [1], data: [1], checksums: [0])
        }
      }
    ),
  ]

  /// A configuration with relative distances.
  private static func relative(_ starts: [UInt64], keys: UInt64 = 1) -> [UInt8] {
    BertqForge.configuration() + Wire.bytes(22, starts.flatMap { Wire.varint($0) })
      + Wire.number(23, keys)
  }

  static let lyingHeaders: [(String, BertError.Code, Change)] = [
    ("a feature that is not known", .unsupported, { $0.features = ["sparse"] }),
    ("a feature kept for later", .unsupported, { $0.features = ["attention.slopes"] }),
    ("features out of order", .malformed, { $0.features = ["head.sparse", "head.dense"] }),
    ("a feature twice", .malformed, { $0.features = ["head.dense", "head.dense"] }),
    ("65 537 features", .malformed, { $0.features = .init(repeating: "", count: 65_537) }),
    (
      "a field of a feature that is not named", .malformed,
      { $0.configuration = BertqForge.configuration() + Wire.number(13, 1) }
    ),
    (
      "gates that are not named", .malformed,
      { $0.configuration = BertqForge.configuration() + Wire.number(12, 1) }
    ),
    (
      "more stored layers than layers", .unsupported,
      {
        $0.configuration = BertqForge.configuration() + Wire.number(11, 600)
        $0.features = ["layers.shared"]
      }
    ),
    (
      "an odd number of turned numbers", .malformed,
      {
        $0.configuration = BertqForge.configuration() + Wire.number(18, 1)
        $0.features = ["attention.rotary"]
      }
    ),
    (
      "a window without whole layers", .malformed,
      {
        $0.configuration = BertqForge.configuration() + Wire.number(20, 4)
        $0.features = ["attention.window"]
      }
    ),
    (
      "a window that reaches nothing", .malformed,
      {
        $0.configuration =
          BertqForge.configuration() + Wire.number(20, 0) + Wire.number(21, 3)
        $0.features = ["attention.window"]
      }
    ),
    (
      "no layer from one whole to the next", .malformed,
      {
        $0.configuration =
          BertqForge.configuration() + Wire.number(20, 4) + Wire.number(21, 0)
        $0.features = ["attention.window"]
      }
    ),
    (
      "norms first in layers that share tensors", .unsupported,
      {
        $0.configuration =
          BertqForge.configuration() + Wire.number(11, 1) + Wire.number(13, 1)
        $0.features = ["layers.shared", "norm.first"]
      }
    ),
    (
      "relative distances that are not named", .malformed,
      { $0.configuration = relative([0, 1]) }
    ),
    (
      "relative terms of no distance", .malformed,
      {
        $0.configuration = BertqForge.configuration() + Wire.number(23, 1)
        $0.features = ["attention.relative"]
      }
    ),
    (
      "relative distances of no term", .malformed,
      {
        $0.configuration = relative([0, 1], keys: 0)
        $0.features = ["attention.relative"]
      }
    ),
    (
      "relative distances from 1 on", .malformed,
      {
        $0.configuration = relative([1, 2])
        $0.features = ["attention.relative"]
      }
    ),
    (
      "relative distances out of order", .malformed,
      {
        $0.configuration = relative([0, 2, 2])
        $0.features = ["attention.relative"]
      }
    ),
    (
      "a relative distance of 2^32 - 1", .unsupported,
      {
        $0.configuration = relative([0, 0xFFFF_FFFF])
        $0.features = ["attention.relative"]
      }
    ),
    (
      "65 538 relative distances", .malformed,
      {
        $0.configuration = relative(Array(0..<65_538))
        $0.features = ["attention.relative"]
      }
    ),
    (
      "relative terms beside biases", .unsupported,
      {
        $0.configuration =
          BertqForge.configuration() + Wire.number(16, 3) + Wire.bytes(22, [0, 1])
          + Wire.number(23, 1)
        $0.features = ["attention.distance-bias", "attention.relative"]
      }
    ),
    (
      "an embedding of no width", .malformed,
      {
        $0.configuration = BertqForge.configuration() + Wire.number(10, 0)
        $0.features = ["embeddings.projection"]
      }
    ),
    (
      "a pooling that is not named", .malformed,
      { $0.embedding = BertqForge.embedding(poolings: [4]) }
    ),
    ("a default prompt that is not named", .malformed, { $0.defaultPrompt = "query" }),
    (
      "a default prompt that is not there", .malformed,
      {
        $0.defaultPrompt = "x"; $0.features = ["embedding.default-prompt"]
      }
    ),
    ("a prompt twice", .malformed, { $0.prompts += $0.prompts }),
    ("a prompt without a text", .malformed, { $0.prompts = [Wire.text(1, "a")] }),
    (
      "65 537 prompts", .malformed,
      { $0.prompts = (0..<65_537).map { Wire.text(1, "\($0)") + Wire.text(2, "") } }
    ),
    ("numeric version 5", .unsupported, { $0.numericVersion = 5 }),
    ("numeric version 0", .unsupported, { $0.numericVersion = 0 }),
    ("numeric version 2^32 + 1", .malformed, { $0.numericVersion = 1 << 32 + 1 }),
    ("a NaN epsilon", .malformed, { $0.configuration = BertqForge.configuration(epsilon: .nan) }),
    (
      "an infinite epsilon", .malformed,
      { $0.configuration = BertqForge.configuration(epsilon: .infinity) }
    ),
    (
      "a negative epsilon", .malformed, { $0.configuration = BertqForge.configuration(epsilon: -1) }
    ),
    (
      "heads that do not divide", .malformed,
      { $0.configuration = BertqForge.configuration(sizes: [30, 8, 1, 3, 16, 12, 2]) }
    ),
    (
      "a hidden size of 0", .malformed,
      { $0.configuration = BertqForge.configuration(sizes: [30, 0, 1, 2, 16, 12, 2]) }
    ),
    (
      "2^32 - 1 layers", .unsupported,
      { $0.configuration = BertqForge.configuration(sizes: [30, 8, 0xFFFF_FFFF, 2, 16, 12, 2]) }
    ),
    (
      "a size beyond 32 bits", .malformed,
      { $0.configuration = BertqForge.configuration(sizes: [30, 8, 1 << 32 + 1, 2, 16, 12, 2]) }
    ),
    ("a size missing", .malformed, { $0.configuration = Array($0.configuration.dropFirst(2)) }),
    ("no configuration", .malformed, { $0.configuration = [] }),
    ("activation 9", .unsupported, { $0.configuration = BertqForge.configuration(activation: 9) }),
    ("no embedding", .malformed, { $0.embedding = [] }),
    ("no pooling", .malformed, { $0.embedding = BertqForge.embedding(poolings: []) }),
    ("pooling 0", .unsupported, { $0.embedding = BertqForge.embedding(poolings: [0]) }),
    ("pooling 8", .unsupported, { $0.embedding = BertqForge.embedding(poolings: [1, 8]) }),
    ("a negative pooling", .unsupported, { $0.embedding = BertqForge.embedding(poolings: [.max]) }),
    (
      "17 poolings", .malformed,
      { $0.embedding = BertqForge.embedding(poolings: .init(repeating: 1, count: 17)) }
    ),
    (
      "a million poolings", .malformed,
      { $0.embedding = BertqForge.embedding(poolings: .init(repeating: 1, count: 1 << 20)) }
    ),
    (
      "module 3", .unsupported,
      { $0.embedding = BertqForge.embedding(modules: [Wire.number(1, 3)]) }
    ),
    (
      "a dense module of no size", .malformed,
      { $0.embedding = BertqForge.embedding(modules: [Wire.number(1, 1) + Wire.number(3, 5)]) }
    ),
    (
      "a dense module of 2^32 - 1 outputs", .malformed,
      {
        let size = Wire.number(2, 0xFFFF_FFFF)
        $0.embedding = BertqForge.embedding(modules: [Wire.number(1, 1) + size + Wire.number(3, 5)])
      }
    ),
    (
      "a dense module with activation 8", .unsupported,
      {
        let size = Wire.number(2, 3)
        $0.embedding = BertqForge.embedding(modules: [Wire.number(1, 1) + size + Wire.number(3, 8)])
      }
    ),
    (
      "normalisation with outputs", .malformed,
      { $0.embedding = BertqForge.embedding(modules: [Wire.number(1, 2) + Wire.number(2, 3)]) }
    ),
    (
      "17 modules", .malformed,
      {
        $0.embedding = BertqForge.embedding(modules: .init(repeating: Wire.number(1, 2), count: 17))
      }
    ),
    ("0 dimensions", .malformed, { $0.embedding = BertqForge.embedding(dimensions: 0) }),
    (
      "more dimensions than there are", .malformed,
      { $0.embedding = BertqForge.embedding(dimensions: 9) }
    ),
    ("task 13", .unsupported, { $0.task = 13 }),
    ("a boolean of 2", .malformed, { $0.isPublished = 2 }),
    (
      "a label that is no UTF-8", .malformed, { $0.head = Wire.bytes(1, [0xC3]) + Wire.text(2, "") }
    ),
    (
      "a label with a zero byte", .malformed,
      { $0.head = Wire.bytes(1, [65, 0]) + Wire.text(2, "") }
    ),
    (
      "a label of 65 537 bytes", .malformed,
      { $0.head = Wire.bytes(1, .init(repeating: 65, count: 65_537)) + Wire.text(2, "") }
    ),
    (
      "65 537 labels", .malformed,
      {
        $0.head =
          [[UInt8]](repeating: Wire.text(1, ""), count: 65_537).flatMap { $0 } + Wire.text(2, "")
      }
    ),
    ("a head without a problem type", .malformed, { $0.head = Wire.text(1, "a") }),
    ("a score's activation 8", .unsupported, { $0.head = Wire.text(2, "") + Wire.number(3, 8) }),
    ("a sparse weight 9", .unsupported, { $0.head = Wire.text(2, "") + Wire.number(7, 9) }),
    (
      "token vectors of no dimension", .malformed,
      {
        let empty = Wire.number(1, 0) + Wire.text(2, "") + Wire.text(3, "") + Wire.number(6, 0)
        $0.head = Wire.text(2, "") + Wire.bytes(9, empty)
        $0.features = ["head.multi-vector"]
      }
    ),
    (
      "a kind of tokenizer that is not known", .unsupported,
      { $0.tokenizer = BertqForge.tokenizer(kind: 4) }
    ),
    ("WordPiece without rules", .malformed, { $0.tokenizer = BertqForge.tokenizer(rules: nil) }),
    (
      "Unigram with WordPiece's rules", .malformed, { $0.tokenizer = BertqForge.tokenizer(kind: 3) }
    ),
    (
      "WordPiece with Unigram's rules", .malformed,
      { $0.tokenizer = BertqForge.tokenizer(after: Wire.number(15, 1)) }
    ),
    (
      "a normalisation that is not known", .unsupported,
      {
        $0.tokenizer = BertqForge.tokenizer(
          kind: 3, rules: nil, after: Wire.bytes(13, Wire.number(1, 13)))
      }
    ),
    (
      "a replacement of nothing", .malformed,
      {
        $0.tokenizer = BertqForge.tokenizer(
          kind: 3, rules: nil, after: Wire.bytes(13, Wire.number(1, 11)))
      }
    ),
    (
      "a split that does not say how", .malformed,
      {
        $0.tokenizer = BertqForge.tokenizer(
          kind: 2, rules: nil, after: Wire.bytes(14, Wire.number(1, 2)))
      }
    ),
    (
      "a template without its text", .malformed,
      {
        $0.tokenizer = BertqForge.tokenizer(
          framed: Wire.bytes(7, Wire.number(1, 1) + Wire.number(2, 0) + Wire.text(3, "[CLS]")))
        $0.features = ["tokenizer.template"]
      }
    ),
    (
      "a template of token type 256", .malformed,
      {
        $0.tokenizer = BertqForge.tokenizer(
          framed: Wire.bytes(7, Wire.number(1, 2) + Wire.number(2, 256)))
        $0.features = ["tokenizer.template"]
      }
    ),
    (
      "a template of a thousand pieces", .malformed,
      {
        let piece = Wire.bytes(7, Wire.number(1, 2) + Wire.number(2, 0))
        $0.tokenizer = BertqForge.tokenizer(
          framed: Array([[UInt8]](repeating: piece, count: 1000).joined()))
        $0.features = ["tokenizer.template"]
      }
    ),
    (
      "a drift of no text", .malformed,
      {
        $0.drift =
          Wire.text(1, "") + Wire.fixed32(2, 0) + Wire.fixed32(3, 0) + Wire.fixed64(4, 0)
          + Wire.fixed64(5, 0) + Wire.fixed64(6, 0)
      }
    ),
    (
      "a drift that is no number", .malformed,
      {
        $0.drift =
          Wire.text(1, "") + Wire.fixed32(2, 1) + Wire.fixed32(3, 1)
          + Wire.fixed64(4, Double.nan.bitPattern) + Wire.fixed64(5, 0) + Wire.fixed64(6, 0)
      }
    ),
    ("a surrogate in UTF-8", .malformed, { $0.producer = [0xED, 0xA0, 0x80] }),
    (
      "a token that is no UTF-8", .malformed,
      {
        $0.tokenizer = BertqForge.tokenizer(
          tokens: ["[UNK]", "[CLS]", "[SEP]", "[PAD]"], framed: Wire.bytes(6, [0xFF]))
      }
    ),
    ("a token missing", .malformed, { $0.tokenizer = BertqForge.tokenizer(tokens: ["[UNK]"]) }),
    ("a setting without a value", .malformed, { $0.settings = [Wire.text(1, "k")] }),
    (
      "a fingerprint of a path that is not there", .malformed,
      { $0.fingerprint = "0123456789abcdef" }
    ),
    ("a field twice", .malformed, { $0.extra = Wire.number(8, 1) }),
    ("a configuration twice", .malformed, { $0.extra = Wire.bytes(4, BertqForge.configuration()) }),
    (
      "fields out of order", .malformed,
      {
        let c = $0.configuration; $0.changeHeader = { $0 + Wire.bytes(4, c) }
      }
    ),
    ("a group", .malformed, { $0.extra = Wire.tag(30, 3) + Wire.tag(30, 4) }),
    ("wire type 7", .malformed, { $0.extra = Wire.tag(30, 7) }),
    ("field number 0", .malformed, { $0.extra = Wire.number(0, 1) }),
    ("a string field as a number", .malformed, { $0.extra = Wire.number(1, 1) }),
    (
      "a field longer than the header", .malformed,
      { $0.extra = Wire.tag(30, 2) + Wire.varint(1000) }
    ),
    (
      "a field of 2^64 - 1 bytes", .malformed,
      { $0.extra = Wire.tag(30, 2) + Wire.varint(.max) }
    ),
    ("an endless number", .malformed, { $0.extra = .init(repeating: 0xFF, count: 1000) }),
    ("a header of zeros", .malformed, { $0.changeHeader = { $0.map { _ in 0 } } }),
    ("a header of ones", .malformed, { $0.changeHeader = { $0.map { _ in 255 } } }),
    ("half a header", .malformed, { $0.changeHeader = { Array($0.prefix($0.count / 2)) } }),
  ]

  @Test(arguments: lyingPrologues.indices)
  func refusesLyingPrologues(_ index: Int) throws { try expect(Self.lyingPrologues[index]) }

  @Test(arguments: lyingTensors.indices)
  func refusesLyingTensors(_ index: Int) throws { try expect(Self.lyingTensors[index]) }

  @Test(arguments: lyingHeaders.indices)
  func refusesLyingHeaders(_ index: Int) throws { try expect(Self.lyingHeaders[index]) }

  private func expect(_ item: (name: String, code: BertError.Code, change: Change)) throws {
    let error = try Self.error(item.change)
    #expect(error?.code == item.code, "\(item.name): \(error?.description ?? "accepted")")
    #expect(error?.file != nil && error?.byteOffset != nil, "\(item.name)")
    // Messages go to terminals: nothing of a file may steer one.
    #expect(error?.message.utf8.allSatisfy { $0 >= 32 } != false, "\(item.name)")
    #expect(error?.tensor?.utf8.allSatisfy { $0 >= 32 } != false, "\(item.name)")
  }

  @Test func fieldsOfLaterWritersAreSkipped() throws {
    var nested: [UInt8] = []
    for _ in 0..<2000 { nested = Wire.bytes(1, nested) }
    let fields = [
      Wire.number(1000, 5), Wire.fixed32(1001, 5), Wire.fixed64(1002, 5), Wire.text(1003, "later"),
      Wire.bytes(1004, nested),
    ]
    for field in fields { #expect(try Self.error { $0.extra = field } == nil) }
    #expect(try Self.error { $0.extra = Array(fields.joined()) } == nil)
    #expect(try Self.error { $0.tensors[0].extra = Array(fields.joined()) } == nil)
  }

  @Test func decodingNeverTakesMoreThanItsMemory() throws {
    // Two bytes a field, forty and more of memory each: 100 MB were it allowed.
    let label = Wire.text(3, "")
    let unknown = Wire.number(1000, 0)
    for piece in [label, unknown] {
      var many = piece
      while many.count < 4 << 20 { many += many }
      let error = try Self.error { [many] in $0.extra = many }
      #expect(error?.code == .malformed)
      #expect(error?.message.contains("memory") == true, "\(error?.description ?? "accepted")")
    }
  }
}
