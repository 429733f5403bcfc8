import BertDrift
import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Bertq
import Fixtures
import JSONText
import Testing

/// all-MiniLM-L6-v2 against the reference implementation's outputs.
@Suite(
  .enabled(
    if: PublishedCheckpoint.hasMiniLM() && SharedData.isPresent("oracle", "eval"),
    "needs all-MiniLM-L6-v2 and the shared data"))
struct MiniLMTests {
  /// One input of the oracle, whose outputs start at a row of a matrix.
  struct Input {
    let name: String
    let text: TextInput
    let ids: [Int32]
    let types: [UInt8]
    /// The row of `name`'s matrices, when they hold a batch, and the tokens of its rows.
    var row = 0
    var rowTokens = 0
  }

  private let oracle: Oracle
  private let inputs: [Input]
  private let model: ServedModel

  init() throws {
    oracle = try Oracle(SharedData.path("oracle/minilm_f32.safetensors"))
    model = try PublishedCheckpoint.servedMiniLM.get()
    let json = try JSON.parse(SharedData.bytes("oracle/minilm_inputs.json"))
    inputs = Self.singles(json, "single") + Self.singles(json, "pair") + Self.batch(json)
  }

  private static func singles(_ json: JSON, _ group: String) -> [Input] {
    (json[group]?.arrayValue ?? []).map { item in
      Input(
        name: item["name"]?.stringValue ?? "",
        text: TextInput(
          text: Array((item["text"]?.stringValue ?? "").utf8),
          pair: item["pair"]?.stringValue.map { Array($0.utf8) }),
        ids: integers(item["input_ids"]).map { Int32($0) },
        types: integers(item["token_type_ids"]).map { UInt8($0) })
    }
  }

  private static func batch(_ json: JSON) -> [Input] {
    let batch = json["batch"]
    let texts = batch?["texts"]?.arrayValue ?? []
    return texts.indices.map { row in
      let mask = integers(batch?["attention_mask"]?.arrayValue?[row])
      let count = mask.reduce(0, +)
      return Input(
        name: "batch", text: TextInput(text: Array((texts[row].stringValue ?? "").utf8)),
        ids: integers(batch?["input_ids"]?.arrayValue?[row]).prefix(count).map { Int32($0) },
        types: integers(batch?["token_type_ids"]?.arrayValue?[row]).prefix(count).map { UInt8($0) },
        row: row, rowTokens: mask.count)
    }
  }

  private static func integers(_ json: JSON?) -> [Int] {
    json?.arrayValue?.compactMap(\.integerValue) ?? []
  }

  /// The part of a tensor that is this input's.
  private func expected(_ input: Input, _ name: String, _ count: Int, perRow: Int) throws
    -> ArraySlice<Float>
  {
    let all = try oracle.floats(input.name + "." + name)
    return all[(input.row * perRow)..<(input.row * perRow + count)]
  }

  @Test func floatStatesMeansAndPoolerAreThoseOfTheReference() throws {
    #expect(inputs.count == 35 + 16 + 16)
    let answers = try model.floatAnswers(inputs.map { TextInput(ids: $0.ids, types: $0.types) })
    var (states, pooled, least): (Double, Double, Double) = (0, 0, 1)
    for (input, answer) in zip(inputs, answers) {
      let count = input.ids.count * 384
      let difference = largestDifference(
        answer.states,
        try expected(input, "last_hidden_state", count, perRow: input.rowTokens * 384))
      #expect(difference <= parityTolerance, "\(input.name) \(input.row)")
      let mean = cosine(answer.mean, Array(try expected(input, "mean", 384, perRow: 384)))
      #expect(mean >= parityCosine, "\(input.name) \(input.row)")
      let pooler = largestDifference(
        answer.pooled, try expected(input, "pooler_output", 384, perRow: 384))
      #expect(pooler <= parityTolerance, "\(input.name) \(input.row)")
      (states, pooled, least) = (max(states, difference), max(pooled, pooler), min(least, mean))
    }
    print("MiniLM float32: states within \(states), pooler within \(pooled), least cosine \(least)")
  }

  @Test(arguments: ["single.03", "pair.00"])
  func everyLayerIsThatOfTheReference(_ name: String) throws {
    let input = try #require(inputs.first { $0.name == name })
    let encoder = try model.encoder(.float32, kernels: .choose(), team: ThreadTeam(count: 2))
    var batch = TokenBatch()
    try batch.append(ids: input.ids, types: input.types, for: encoder.configuration)
    let recorder = LayerRecorder(layers: 6, tokens: batch.tokenCount, width: 384)
    try encoder.encode(batch, observer: recorder) { _ in }
    for layer in -1..<6 {
      let expected = try oracle.floats("\(name).hidden.\(layer + 1)")
      #expect(largestDifference(recorder.states(layer), expected[...]) <= parityTolerance)
    }
  }

  /// Tokenizer, encoder, pooling and scaling, on the texts themselves.
  @Test func vectorsOfTextsAreThoseOfTheReference() throws {
    let short = inputs.filter { $0.ids.count <= model.tokenLimit }
    #expect(short.count >= 60)
    var batch = TokenBatch()
    for input in short {
      try model.append(input.text, to: &batch, truncates: false)
      #expect(Array(batch.ids[batch.range(batch.count - 1)]) == input.ids)
      #expect(Array(batch.types[batch.range(batch.count - 1)]) == input.types)
    }
    let kernels = try KernelSet.choose()
    let encoder = try model.encoder(.float32, kernels: kernels, team: ThreadTeam(count: 2))
    #expect(model.description.embedding == EmbeddingRecipe(.mean, normalizes: true))
    let pooler = try Pooler(model.description.embedding, source: model.file, kernels: kernels)
    var vectors: [[Float]] = []
    try encoder.encode(batch) { pass throws(BertError) in
      for text in pass.texts {
        vectors.append(try pooler.vector(pass, tokens: batch.range(text)))
      }
    }
    for (input, vector) in zip(short, vectors) {
      let wanted = try expected(input, "mean_normalized", 384, perRow: 384)
      #expect(cosine(vector, Array(wanted)) >= parityCosine, "\(input.name)")
      #expect(largestDifference(vector, wanted) <= parityTolerance, "\(input.name)")
    }
  }

  @Test func int8StaysCloseOnEnglishSentences() throws {
    let sentences = try SharedData.bytes("eval/ud/en.txt").split(separator: 10).prefix(600)
    #expect(sentences.count >= 500)
    let kernels = try KernelSet.choose()
    let meter = try DriftMeter(
      source: model.file, kernels: kernels, team: ThreadTeam(count: 2),
      pooler: Pooler(model.description.embedding, source: model.file, kernels: kernels))
    var batch = TokenBatch()
    for sentence in sentences {
      try model.append(TextInput(text: Array(sentence)), to: &batch, truncates: true)
      if batch.tokenCount >= 2000 {
        try meter.add(batch)
        batch.removeAll()
      }
    }
    try meter.add(batch)
    let report = try meter.report(
      settings: .init(fingerprint: "", model: "", kernels: kernels.name, quantizer: [], date: ""))
    print(report.summary)
    #expect(report.texts == sentences.count)
    #expect(report.hidden.sqnr >= 25)
    #expect(report.embedding.cosineWorst >= 0.995)
  }

  /// What lies in the archives is the same, so what comes out must be.
  @Test(
    .enabled(if: Program.hasNumPy, "needs python3 with NumPy"),
    arguments: ["savez", "savez_compressed"])
  func archivesGiveTheSameFingerprints(_ function: String) throws {
    let source = try #require(PublishedCheckpoint.miniLM)
    let folder = try TemporaryFolder()
    let script = """
      import json, numpy, struct
      data = numpy.memmap('\(source)/model.safetensors', 'u1', 'r')
      size = struct.unpack('<Q', data[:8].tobytes())[0]
      header = json.loads(data[8:8 + size].tobytes())
      types = {'F32': '<f4', 'I64': '<i8'}
      arrays = {name: data[8 + size:][slice(*t['data_offsets'])].view(types[t['dtype']]).reshape(t['shape'])
                for name, t in header.items() if name != '__metadata__'}
      numpy.\(function)('\(folder / "model.npz")', **arrays)
      """
    let made = try Program(at: "/usr/bin/env").run(["python3", "-c", script])
    try #require(made.code == 0, "\(made.errors)")
    try folder.copy(filesOf: source, except: ["model.safetensors"])
    let other = try PublishedCheckpoint.converted(folder / "model.npz")
    #expect(other.fingerprint(.float32) == model.fingerprint(.float32))
    #expect(other.fingerprint(.int8) == model.fingerprint(.int8))
    #expect(other.fingerprint(.int8) != nil)
  }
}
