import BertErrors
import BertKernels
import BertModel
import BertQuantize
import BertRuntime
import Bertq
import BertqFile
import Fixtures
import FoundationEssentials
import SystemLibrary
import Testing

/// Poolings, modules and forms of word embeddings against the second implementation, which was
/// written from `formats/bertq.md` alone: the same bits.
struct SecondImplementationTests {
  static let model = GeneratedModel(
    BertConfiguration(
      vocabularySize: 60, hiddenSize: 39, layerCount: 1, headCount: 3, intermediateSize: 20,
      maximumPositions: 24, tokenTypeCount: 2, layerNormEpsilon: 1e-12, activation: .gelu))
  static let lengths = [1, 2, 7, 16, 24]

  static let recipes: [EmbeddingRecipe] = {
    var all = Pooling.allCases.map { EmbeddingRecipe($0) }
    all += Pooling.allCases.map { EmbeddingRecipe($0, normalizes: true) }
    for activation in OutputActivation.allCases {
      var recipe = EmbeddingRecipe(.mean)
      recipe.modules = [.dense(outputs: 17, activation)]
      all.append(recipe)
    }
    var long = EmbeddingRecipe(.cls)
    long.poolings = [.cls, .max, .meanSqrtLength, .weightedMean]
    long.modules = [.normalize, .dense(outputs: 50, .tanh), .dense(outputs: 33, .identity)]
    long.dimensions = 20
    all.append(long)
    long.modules.append(.normalize)
    all.append(long)
    return all
  }()

  static let hasNumPy = shell("python3 -c 'import numpy'").code == 0

  static func shell(_ command: String) -> (text: String, code: Int32) {
    guard let pipe = popen(command + " 2>&1", "r") else { return ("", -1) }
    var (text, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
    while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 {
      text += buffer[..<count]
    }
    let status = pclose(pipe)
    return (String(decoding: text, as: UTF8.self), (status >> 8) & 0xFF)
  }

  /// Writes a store as a file.
  private func write(_ store: TensorStore, to path: String) throws {
    let views = store.names.compactMap { store.find($0) }
    let writer = try BertqWriter(
      path: path, description: store.model,
      tensors: views.map { BertqTensor($0.name, $0.elementType, $0.layout, $0.shape) },
      producer: "tests")
    for view in views { try writer.append(view.name, view.bytes) }
    _ = try writer.finish()
  }

  /// The vectors that the second implementation gives, end to end.
  private func expected(_ path: String, _ texts: [[Int32]]) throws -> [Float] {
    let lines = texts.map { "{\"ids\":[\($0.map(String.init).joined(separator: ","))]}\n" }
    try Data(lines.joined().utf8).write(to: URL(filePath: path + ".jsonl"))
    let script = SharedData.packageRoot + "/tools/lib/reference_encoder.py"
    let (text, code) = Self.shell("python3 '\(script)' \(path) \(path).jsonl \(path).npy --float")
    #expect(code == 0, "\(text)")
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: path + ".npy")))
    let start = 10 + Int(bytes[8]) + 256 * Int(bytes[9])
    return bytes[start...].withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  private func found(_ path: String, _ texts: [[Int32]], _ kernels: KernelSet) throws -> [Float] {
    let file = try ModelFile.open(path)
    let pooler = try Pooler(file.model.embedding, source: file, kernels: kernels)
    let encoder = try BertEncoder(
      source: file, precision: .float32, kernels: kernels, team: ThreadTeam(count: 1))
    var batch = TokenBatch()
    for text in texts {
      try batch.append(ids: text, wanting: pooler.recipe.wanted, for: file.model.configuration)
    }
    var vectors: [Float] = []
    try encoder.encode(batch) { states throws(BertError) in
      for text in states.texts {
        let vector = try pooler.vector(states, tokens: batch.range(text))
        #expect(vector.count == pooler.width)
        vectors += vector
      }
    }
    return vectors
  }

  private func compare(_ store: TensorStore, _ what: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/m.bertq"
    try write(store, to: path)
    let texts = Self.lengths.map { Self.model.ids($0) }
    let wanted = try expected(path, texts).map(\.bitPattern)
    for kernels in KernelSet.available {
      let vectors = try found(path, texts, kernels).map(\.bitPattern)
      #expect(vectors == wanted, "\(what), \(kernels.name)")
    }
  }

  @Test(.enabled(if: hasNumPy, "Python 3 with NumPy"), arguments: recipes.indices)
  func embeddingsHaveItsBits(_ index: Int) throws {
    let recipe = Self.recipes[index]
    try compare(try Self.model.store(embedding: recipe), "\(recipe)")
  }

  @Test(.enabled(if: hasNumPy, "Python 3 with NumPy"), arguments: WordEmbeddingForm.allCases)
  func wordEmbeddingsInEveryFormHaveItsBits(_ form: WordEmbeddingForm) throws {
    let store = try Self.model.store()
    let c = Self.model.configuration
    let values = try #require(Self.model.values[CanonicalName.wordEmbeddings])
    let parts = try values.withUnsafeBufferPointer { (values) throws(BertError) in
      try form.encode(values, width: c.hiddenSize)
    }
    let tensors = form.tensors(rows: c.vocabularySize, width: c.hiddenSize)
    for (tensor, bytes) in zip(tensors, parts) {
      try store.add(tensor.name, tensor.type, tensor.shape, bytes)
    }
    try compare(store, form.rawValue)
  }
}
