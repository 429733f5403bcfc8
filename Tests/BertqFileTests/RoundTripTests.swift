import BertErrors
import BertModel
import BertqFile
import Fixtures
import Testing

@Suite struct RoundTripTests {
  static let models: [TinyModel] = [
    TinyModel(), TinyModel(.float), TinyModel(.int8), TinyModel(.both, hasPooler: true), .full,
    .relative, .modern, .terms,
  ]

  @Test(arguments: models.indices)
  func keepsTheDescriptionAndEveryTensor(_ index: Int) throws {
    let (model, folder) = (Self.models[index], try TemporaryFolder())
    let fingerprints = try model.write(to: folder / "a.bertq")
    let file = try ModelFile.open(folder / "a.bertq")
    #expect(file.model == model.description)
    #expect(file.quantizer == model.quantizer)
    #expect(file.producer == "tests")
    #expect(file.drift == model.drift)
    #expect(file.formatVersion == 2)
    #expect(file.numericVersion == 4)
    #expect(file.fingerprints == fingerprints)
    #expect(file.tensors.map(\.name) == model.tensors.map(\.name))
    for tensor in model.tensors {
      let view = try file.require(
        tensor.name, tensor.elementType, tensor.shape, tensor.layout)
      #expect(try view.bytes.elementsEqual(TinyModel.bytes(tensor)), "\(tensor.name)")
      #expect(UInt(bitPattern: view.bytes.baseAddress) % 64 == 0)
    }
    try file.verifyAll()
    #expect(file.find("nothing") == nil)
  }

  /// Descriptions in which every value of every enum and both states of every option occur.
  static let descriptions: [ModelDescription] = {
    var all: [ModelDescription] = []
    func add(_ change: (inout ModelDescription) -> Void, from base: TinyModel = TinyModel()) {
      var description = base.description
      change(&description)
      all.append(description)
    }
    for activation in Activation.allCases {
      // Gates have them all.
      add({ $0.configuration.activation = activation }, from: .relative)
      if activation != .silu { add { $0.configuration.activation = activation } }
    }
    for pooling in Pooling.allCases { add { $0.embedding.poolings = [pooling, .mean] } }
    for task in ModelTask.allCases { add { $0.task = task } }
    for activation in OutputActivation.allCases {
      add { $0.embedding.modules = [.normalize, .dense(outputs: 7, activation)] }
      add {
        $0.head = HeadSettings()
        $0.head?.scoreActivation = activation
      }
    }
    for weight in SparseWeight.allCases {
      add {
        $0.head = HeadSettings()
        $0.head?.sparseWeight = weight
      }
    }
    for maximum in [nil, 0, Int(UInt32.max)] {
      add({ $0.tokenizer?.maximumTokens = maximum }, from: .full)
    }
    for strips in [nil, false, true] {
      add({ $0.tokenizer?.wordPiece?.stripAccents = strips }, from: .full)
    }
    var rules = TextRules()
    rules.normalization = [
      .precompiled, .nfc, .nfd, .nfkc, .nfkd, .lowercase, .stripAccents, .stripLeft, .stripRight,
      .collapseSpaces, .replace(pattern: "``", content: "\""),
    ]
    for (a, b, c) in [(false, false, true), (true, false, false), (true, true, true)] {
      rules.splitting = [
        .whitespace, .metaspace(prefixesFirst: a, prefixesAlways: b, splits: c),
        .byteLevel(prefixesFirst: a, splits: c),
      ]
      rules.fallsBackToBytes = c
      for kind in [TokenizerSettings.Kind.bytePairs(rules), .unigram(rules), .unigram(TextRules())]
      {
        add {
          $0.tokenizer = TokenizerSettings()
          $0.tokenizer?.kind = kind
        }
      }
    }
    return all
  }()

  @Test(arguments: descriptions.indices)
  func keepsEveryEnumAndOption(_ index: Int) throws {
    let (description, folder) = (Self.descriptions[index], try TemporaryFolder())
    let path = folder / "a.bertq"
    let writer = try BertqWriter(
      path: path, description: description, tensors: [], producer: "")
    #expect(try writer.finish() == ModelFile.open(path).fingerprints)
    let file = try ModelFile.open(path)
    try file.verifyAll()
    #expect(file.model == description)
  }

  @Test func theDriftIsMeasuredOnTheFinishedFile() throws {
    let folder = try TemporaryFolder()
    var model = TinyModel()
    model.drift = ConversionDrift(
      source: "texts", texts: 1, tokens: 1, sqnr: 0, meanCosine: 0, worstCosine: 0)
    let writer = try BertqWriter(
      path: folder / "a.bertq", description: model.description, tensors: model.tensors,
      drift: model.drift, producer: "tests")
    for tensor in model.tensors { try model.append(tensor, to: writer) }
    let found = ConversionDrift(
      source: "texts", texts: 40, tokens: 70_000, sqnr: 33.25, meanCosine: 0.5, worstCosine: -1)
    _ = try writer.finish(measure: { (path) throws(BertError) in
      let file = try ModelFile.open(path)
      try file.verifyAll()
      return found
    })
    let file = try ModelFile.open(folder / "a.bertq")
    try file.verifyAll()
    #expect(file.drift == found)
  }

  @Test(arguments: [1, 7, 64, 1000, 65_536, 65_537])
  func piecesOfAnySizeGiveTheSameFile(_ piece: Int) throws {
    let folder = try TemporaryFolder()
    var model = TinyModel(.float)
    if piece >= 64 { model.tensors.append(BertqTensor("big", .int8, .rowMajor, [3, 65_537])) }
    try model.write(to: folder / "whole.bertq")
    try model.write(to: folder / "pieces.bertq", piece: piece)
    #expect(try contents(folder / "whole.bertq") == contents(folder / "pieces.bertq"))
    try ModelFile.open(folder / "pieces.bertq").verifyAll()
  }

  @Test func sizesAtChunkEdgesAreWholeAndVerified() throws {
    let folder = try TemporaryFolder()
    var model = TinyModel()
    model.tensors = [1, 63, 64, 65, 65_535, 65_536, 65_537, 131_072, 131_073].map {
      BertqTensor("t\($0)", .uint8, .rowMajor, [$0])
    }
    try model.write(to: folder / "a.bertq")
    let file = try ModelFile.open(folder / "a.bertq")
    try file.verifyAll()
    for tensor in model.tensors {
      let view = try file.require(tensor.name, .uint8, tensor.shape)
      #expect(try view.bytes.elementsEqual(TinyModel.bytes(tensor)))
    }
  }
}
