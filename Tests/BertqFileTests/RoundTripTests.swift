import BertErrors
import BertModel
import BertqFile
import Fixtures
import Testing

@Suite struct RoundTripTests {
  static let models: [TinyModel] = [
    TinyModel(), TinyModel(.float), TinyModel(.int8), TinyModel(.both, hasPooler: true), .full,
  ]

  @Test(arguments: models.indices)
  func keepsTheDescriptionAndEveryTensor(_ index: Int) throws {
    let (model, folder) = (Self.models[index], try TemporaryFolder())
    let fingerprints = try model.write(to: folder / "a.bertq")
    let file = try ModelFile.open(folder / "a.bertq")
    #expect(file.model == model.description)
    #expect(file.quantizer == model.quantizer)
    #expect(file.producer == "tests")
    #expect(file.formatVersion == 1)
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

  @Test func keepsEveryEnumAndOption() throws {
    let folder = try TemporaryFolder()
    var descriptions: [ModelDescription] = []
    for activation in Activation.allCases {
      for (pooling, task) in zip(Pooling.allCases + Pooling.allCases, ModelTask.allCases.prefix(6))
      {
        var description = TinyModel().description
        description.configuration.activation = activation
        (description.pooling, description.task) = (pooling, task)
        descriptions.append(description)
      }
    }
    for task in ModelTask.allCases {
      var description = TinyModel.full.description
      description.task = task
      description.tokenizer?.stripAccents = [nil, false, true][descriptions.count % 3]
      description.tokenizer?.maximumTokens = [nil, 0, Int(UInt32.max)][descriptions.count % 3]
      descriptions.append(description)
    }
    for description in descriptions {
      let path = folder / "a.bertq"
      let writer = try BertqWriter(
        path: path, description: description, tensors: [], producer: "")
      #expect(try writer.finish() == ModelFile.open(path).fingerprints)
      let file = try ModelFile.open(path)
      try file.verifyAll()
      #expect(file.model == description)
    }
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
