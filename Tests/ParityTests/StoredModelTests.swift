import BertConvert
import BertErrors
import BertImport
import BertModel
import Bertq
import BertqFile
import Fixtures
import Testing

/// A `.bertq` file with float weights is a checkpoint too.
struct StoredModelTests {
  static let golden = SharedData.packageRoot + "/formats/golden/format2-numeric4.bertq"

  @Test func givesBackEveryFloatTensorInCOrder() throws {
    let file = try ModelFile.open(Self.golden)
    let model = try ImportedModel(stored: file)
    #expect(model.description == file.model)
    #expect(model.heads == [.classifier] && model.hasPooler)
    let tables = try #require(model.storedTables)
    let vocabulary = try #require(file.find(CanonicalName.vocabulary))
    #expect(tables.map(\.name) == [CanonicalName.vocabulary])
    #expect(tables.map(\.bytes) == [Array(vocabulary.bytes)])
    let expected = file.tensors.filter { $0.elementType == .float32 && !$0.name.contains(".int8.") }
    #expect(Set(model.tensors.map(\.name)) == Set(expected.map(\.name)))
    let name = CanonicalName.linear(1, .feedForwardUp) + ".weight"
    let (values, view) = (try model.readTensor(name), try #require(file.find(name)))
    let stored = view.bytes.bindMemory(to: Float.self)
    for (n, k) in [(0, 0), (31, 47), (32, 0), (95, 13)] {
      #expect(values[n * 48 + k] == stored[(n / 32 * 48 + k) * 32 + n % 32])
    }
    #expect(throws: BertError(.notFound, "")) { try model.readTensor("none") }
  }

  @Test func aFileOfInt8AloneIsRefusedWithTheWayOut() throws {
    let folder = try TemporaryFolder()
    let file = try ModelFile.open(Self.golden)
    let linears = Set(file.model.configuration.floatLinearTensors.map(\.name))
    let tensors = file.tensors.filter { !linears.contains($0.name) }
    let path = folder.path + "/int8.bertq"
    let writer = try BertqWriter(
      path: path, description: file.model,
      tensors: tensors.map { BertqTensor($0.name, $0.elementType, $0.layout, $0.shape) },
      producer: "tests")
    for tensor in tensors { try writer.append(tensor.name, tensor.bytes) }
    let fingerprints = try writer.finish()
    // The int8 path alone keeps its names.
    #expect(fingerprints.int8 == file.fingerprints.int8 && fingerprints.float == nil)
    #expect(fingerprints.int8Answers == file.fingerprints.int8Answers)
    let error = #expect(throws: BertError.self) { try ImportedModel(stored: .open(path)) }
    #expect(
      error?.code == .unsupported && error?.message.contains("convert the checkpoint") == true)
  }

  /// Without its own tables a tokenizer is refused, whatever others lie there.
  @Test func aTokenizerWithoutItsTablesIsRefusedByTheirName() throws {
    let folder = try TemporaryFolder()
    let file = try ModelFile.open(Self.golden)
    for (kind, name) in [
      (TokenizerSettings.Kind.unigram(TextRules()), CanonicalName.pieces),
      (.bytePairs(TextRules()), CanonicalName.merges),
    ] {
      var description = file.model
      description.tokenizer?.kind = kind
      let path = folder.path + "/\(name).bertq"
      let writer = try BertqWriter(
        path: path, description: description,
        tensors: file.tensors.map { BertqTensor($0.name, $0.elementType, $0.layout, $0.shape) },
        producer: "tests")
      for tensor in file.tensors { try writer.append(tensor.name, tensor.bytes) }
      _ = try writer.finish()
      try ModelFile.open(path).verifyAll()
      let error = #expect(throws: BertError.self) { try ServedModel(path: path) }
      #expect(error?.code == .malformed && error?.tensor == name)
    }
  }
}
