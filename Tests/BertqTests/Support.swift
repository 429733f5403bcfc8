import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import Fixtures
import JSONText

/// A small model in a file, and what it answers when each text is computed alone by one thread.
final class Library: Sendable {
  let folder: TemporaryFolder
  let path: String
  let generated: GeneratedModel

  /// Generates a model with both precisions and writes it.
  init(
    seed: UInt64 = 1, hiddenSize: Int = 48, layers: Int = 2,
    change: (inout GeneratedModel) -> Void = { _ in }
  ) throws {
    let configuration = BertConfiguration(
      vocabularySize: 97, hiddenSize: hiddenSize, layerCount: layers, headCount: 3,
      intermediateSize: 96, maximumPositions: 512, tokenTypeCount: 2, layerNormEpsilon: 1e-12,
      activation: .gelu)
    var generated = GeneratedModel(configuration, seed: seed)
    change(&generated)
    let model = generated
    let store = try model.store { model.rounded($0, $1) }
    folder = try TemporaryFolder()
    path = folder / "model.bertq"
    try write(store, store.model, to: path)
    self.generated = generated
  }

  /// Opens it.
  func open(_ change: (inout ModelOptions) -> Void = { _ in }) throws(BertError) -> Model {
    var options = ModelOptions()
    options.threads = 3
    change(&options)
    return try Model(path: path, options: options)
  }

  /// Texts of these lengths.
  func texts(_ lengths: [Int]) -> [TextInput] {
    lengths.enumerated().map {
      TextInput(
        ids: generated.ids($0.element, seed: UInt64($0.offset)),
        types: generated.types($0.element))
    }
  }

  /// The embeddings that `bert-run` writes for texts.
  func programsEmbeddings(
    _ texts: [TextInput], _ options: String...
  ) throws -> [[UInt32]] {
    let lines = texts.map { text in
      let ids = (text.ids ?? []).map { "\($0)" }.joined(separator: ",")
      let types = (text.types ?? []).map { "\($0)" }.joined(separator: ",")
      return "{\"ids\":[\(ids)],\"types\":[\(types)]}\n"
    }
    let outcome = try Program.run.run(
      options + ["--jsonl", path], input: Array(lines.joined().utf8))
    guard outcome.code == 0 else { throw BertError(.system, outcome.errors) }
    return try outcome.lines.map { line in
      let numbers = try JSON.parse(Array(line.utf8))["embedding"]?.arrayValue ?? []
      return numbers.compactMap { $0.numberValue.map { Float($0).bitPattern } }
    }
  }

  /// The embeddings by the encoder itself, each text alone: no scheduler, no library.
  func aloneEmbeddings(_ texts: [TextInput], _ precision: Precision = .int8) throws -> [[UInt32]] {
    let served = try ServedModel(path: path)
    let kernels = try KernelSet.choose()
    let encoder = try served.encoder(precision, kernels: kernels, team: ThreadTeam(count: 1))
    let description = served.description
    let pooler = try Pooler(description.embedding, source: served.file, kernels: kernels)
    return try texts.map { text in
      var batch = TokenBatch()
      try served.append(text, to: &batch, truncates: false)
      var vector: [Float] = []
      try encoder.encode(batch) { states throws(BertError) in
        vector = try pooler.vector(
          states, tokens: batch.range(0))
      }
      return vector.bits
    }
  }
}

extension [Float] {
  /// The numbers' bits.
  var bits: [UInt32] { map(\.bitPattern) }
}

/// Lengths of all kinds, some longer than a pass.
let raggedLengths = [
  1, 2, 16, 3, 500, 17, 48, 49, 64, 5, 200, 16, 16, 16, 90, 512, 7, 33, 120, 11, 8, 260, 30, 4,
]
