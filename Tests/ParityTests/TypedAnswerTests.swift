import BertErrors
import BertRuntime
import Bertq
import Fixtures
import SystemLibrary
import Testing

/// What a model answers about the tiny checkpoints' token ids, against the logits of the reference.
struct TypedAnswerTests {
  /// Opens a tiny checkpoint as a model that computes in float32.
  private func model(_ name: String) throws -> Model {
    let path = SharedData.path("tiny/" + name)
    var options = ModelOptions()
    options.precision = .float32
    options.threads = 2
    return try Model(PublishedCheckpoint.converted(path), options: options)
  }

  private func softmax(_ logits: [Double]) -> [Double] {
    let powers = logits.map { exp($0 - (logits.max() ?? 0)) }
    return powers.map { $0 / powers.reduce(0, +) }
  }

  /// Each text's ids and the reference's logits of it.
  private func each(
    _ name: String, _ output: String, _ body: ([TextInput], [[Float]], String) throws -> Void
  ) throws {
    let oracle = try Oracle(SharedData.path("tiny/\(name)/oracle.safetensors"))
    for tag in oracle.tags where oracle.has("\(tag).out.\(output)") {
      let inputs = try oracle.inputs(tag)
      let logits = try oracle.floats("\(tag).out.\(output)")
      let width = logits.count / inputs.count
      try body(
        inputs.map { TextInput(ids: $0.ids, types: $0.types) },
        inputs.indices.map { Array(logits[$0 * width..<($0 + 1) * width]) }, tag)
    }
  }

  @Test(
    .enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"),
    arguments: ["seqcls2", "seqcls5"])
  func labelsAreTheReferences(_ name: String) throws {
    let model = try model(name)
    var compared = 0
    try each(name, "logits") { texts, logits, tag in
      for (found, expected) in zip(try model.classify(texts), logits) {
        let scores = softmax(expected.map(Double.init))
        let order = expected.indices.sorted { expected[$0] > expected[$1] }

        #expect(found.labels.map(\.label) == order.map { model.labels[$0] }, "\(tag)")
        for (label, index) in zip(found.labels, order) {
          #expect(abs(label.logit - expected[index]) <= 2e-5)
          #expect(abs(Double(label.score) - scores[index]) <= 1e-5)
        }
        compared += 1
      }
    }
    #expect(compared > 0)
  }

  @Test(.enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"))
  func nextSentencesAreTheReferences() throws {
    let model = try model("nsp")
    var compared = 0
    try each("nsp", "logits") { texts, logits, tag in
      for (found, expected) in zip(try model.nextSentence(texts), logits) {
        #expect(abs(Double(found) - softmax(expected.map(Double.init))[0]) <= 1e-5, "\(tag)")
        compared += 1
      }
    }
    #expect(compared > 0)
  }

  /// A score is the logit's sigmoid, though the configuration says regression; and one text has none.
  @Test(.enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"))
  func relevanceIsThatOfARanking() throws {
    let model = try model("seqcls1")
    let pairs = [TextInput("the sun", pair: "a"), TextInput("the sun", pair: "the moon")]
    let scores = try model.relevanceEach(pairs).map { try $0.get() }
    for found in scores {
      #expect(abs(Double(found.score) - 1 / (1 + exp(-Double(found.logit)))) <= 1e-6)
    }
    let ranking = try model.rerank("the sun", ["a", "the moon"])
    for place in ranking {
      #expect(place.score == scores[place.document].score)
      #expect(place.logit == scores[place.document].logit)
    }
    let alone = model.relevanceEach(["the sun"])[0]
    #expect(throws: BertError.self) { try alone.get() }
    if case .failure(let error) = alone { #expect(error.code == .malformed) }
  }

  /// A task that the file has no head for is refused with what it has.
  @Test(.enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"))
  func whatIsNotThereIsRefusedByName() throws {
    let model = try model("pretraining")
    #expect(
      model.tasks == ["fill-mask", "embedding", "tokens", "pooled", "next-sentence", "sparse"])
    let error = #expect(throws: BertError.self) { try model.tag(["a text"]) }
    #expect(error?.code == .unsupported)
    for name in model.tasks { #expect(error?.message.contains(name) == true) }
    let each = model.classifyEach(["one", "another"])
    #expect(each.count == 2 && each.allSatisfy { (try? $0.get()) == nil })
    let pooler = #expect(throws: BertError.self) {
      try self.model("model_nopool").pooled(["a"])
    }
    #expect(pooler?.message.contains("no pooler") == true, "\(pooler?.message ?? "")")
    let several = #expect(throws: BertError.self) {
      try self.model("seqcls5").rerank("a", ["b"])
    }
    #expect(several?.message.contains("one logit") == true, "\(several?.message ?? "")")
    let other = #expect(throws: BertError.self) {
      try self.model("seqcls5").zeroShot(["a"], ZeroShotOptions(labels: ["b"]))
    }
    #expect(other?.message.contains("entail") == true)
  }

  /// No answer depends on how many threads compute, what else is asked, or whether one waits or suspends.
  @Test(.enabled(if: SharedData.isPresent("tiny"), "shared/data/tiny is absent"))
  func answersAreTheSameAloneAndTogether() async throws {
    let served = try PublishedCheckpoint.converted(SharedData.path("tiny/pretraining"))
    let texts = (1...12).map { count in
      Array(repeating: "the sun [MASK]", count: count % 5 + 1).joined(separator: " and ")
    }
    var alone: [[FilledMask]] = []
    for threads in [1, 3] {
      var options = ModelOptions()
      options.threads = threads
      options.precision = .float32
      let model = try Model(served, options: options)
      if alone.isEmpty { alone = try texts.map { try model.fillMask([$0])[0] } }
      #expect(try blocking(model, texts) == alone)
      #expect(try await model.fillMask(texts) == alone)
      let mixed = await withTaskGroup(of: Bool.self) { group in
        for (text, expected) in zip(texts, alone) {
          group.addTask { (try? await model.fillMask([text])[0]) == expected }
          group.addTask { (try? await model.sparse([text])[0]) != nil }
        }
        return await group.reduce(true) { $0 && $1 }
      }
      #expect(mixed)
    }
    #expect(alone.map(\.count) == texts.indices.map { ($0 + 1) % 5 + 1 })
  }

  private func blocking(_ model: Model, _ texts: [String]) throws -> [[FilledMask]] {
    try model.fillMask(texts)
  }
}
