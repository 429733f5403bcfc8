import BertErrors
import BertKernels
import BertModel
import BertQuantize
import Fixtures
import SystemLibrary
import Testing

@testable import BertRuntime

/// What a file says about its head is computed or refused by name.
struct HeadSettingsTests {
  private func model(_ add: (inout HeadModel) -> Void) -> HeadModel {
    var model = HeadModel(HeadTests.shapes[0])
    add(&model)
    return model
  }

  private func source(_ store: TensorStore, _ precision: Precision = .float32) -> HeadSource {
    HeadSource(
      store, precision: precision, kernels: KernelSet.available[0], team: ThreadTeam(count: 1))
  }

  private func settings(_ set: (inout HeadSettings) -> Void) -> HeadSettings {
    var settings = HeadSettings()
    set(&settings)
    return settings
  }

  /// The scores of a head of `store` over the hidden states that `states` gives.
  private func scores<Answer>(
    _ model: HeadModel, _ store: TensorStore, states: TensorStore,
    precision: Precision = .float32,
    _ answer: (HeadSource, [HeadText], BertEncoder.HiddenStates) throws(BertError) -> Answer
  ) throws -> Answer {
    let batch = try model.base.batch(model.base.texts([3, 17]))
    var found: Answer?
    try model.base.encoder(states, .float32).encode(batch) { states throws(BertError) in
      found = try answer(source(store, precision), states.texts.map { HeadText(batch, $0) }, states)
    }
    return try #require(found)
  }

  static let refused: [(String, ModelTask, @Sendable (inout HeadSettings) -> Void)] = [
    ("pooler", .classify, { $0.denseActivation = .gelu }),
    ("sigmoid", .choose, { ($0.denseActivation, $0.input) = (.sigmoid, .cls) }),
    ("silu", .tag, { $0.denseActivation = .silu }),
    ("sigmoid", .rerank, { ($0.denseActivation, $0.input) = (.sigmoid, .mean) }),
    ("sigmoid", .fillMask, { $0.transformActivation = .sigmoid }),
    ("relu-of-token", .sparse, { $0.sparseWeight = .reluOfToken }),
  ]

  @Test(arguments: refused.indices)
  func whatIsNotComputedIsRefusedByName(_ index: Int) throws {
    let (name, task, set) = Self.refused[index]
    let model = model {
      $0.addLinear(CanonicalName.classifier, 1)
      $0.addMaskedWords(isTied: true)
    }
    func head(_ settings: HeadSettings) throws(BertError) {
      let source = source(try model.store(task, settings: settings))
      if task == .sparse { _ = try SparseHead(source) } else { _ = try source.headOfTask() }
    }
    try head(HeadSettings())
    let error = #expect(throws: BertError(.unsupported, "")) { try head(settings(set)) }
    #expect(error?.message.contains(name) == true)
  }

  @Test func tokensThatAModelWeighsItselfAreRefused() throws {
    let model = model {
      $0.addMaskedWords(isTied: true)
      $0.addLinear(CanonicalName.sparse, 1)
    }
    let store = try model.store(.sparse)
    #expect(throws: BertError(.unsupported, "")) { _ = try SparseHead(source(store)) }
  }

  @Test func tokenVectorsAreAsWideAsTheHeaderSays() throws {
    let model = model { $0.addLinear(CanonicalName.multiVector, 20) }
    func width(_ dimensions: Int) throws -> Int? {
      let said = settings { $0.multiVector = MultiVectorSettings(dimensions: dimensions) }
      return try source(model.store(.multiVector, settings: said)).headOfTask()?.width
    }
    #expect(try width(20) == 20)
    #expect(throws: BertError(.malformed, "")) { try width(21) }
  }

  /// What may follow a classifier's first linear, in double precision.
  static let fronts: [(OutputActivation, @Sendable (Double) -> Double)] = [
    (.tanh, { tanh($0) }), (.relu, { max($0, 0) }), (.identity, { $0 }),
    (.gelu, { $0 * (1 + erf($0 / 2.0.squareRoot())) / 2 }),
  ]

  @Test(arguments: fronts.indices, [ModelTask.classify, .choose, .tag, .answer])
  func aClassifierHasALinearOfItsOwnInFront(_ index: Int, _ task: ModelTask) throws {
    let (activation, apply) = Self.fronts[index]
    let (stem, readsTokens) =
      task == .answer ? (CanonicalName.answer, true) : (CanonicalName.classifier, task == .tag)
    let model = model {
      $0.addLinear(CanonicalName.classifierDense, $0.base.configuration.hiddenSize)
      $0.addLinear(stem, task == .answer ? 2 : 1)
    }
    let store = try model.store(
      task,
      settings: settings {
        $0.denseActivation = activation
        if !readsTokens { $0.input = .cls }
      })
    let naive = NaiveHeads(model: model)
    try scores(model, store, states: store) { (source, texts, states) throws(BertError) in
      guard let head = try source.headOfTask() else { return }
      var scores = HeadScores(width: head.width)
      try head.append(texts, of: states, to: &scores)
      let rows = readsTokens ? texts.flatMap(\.wanted) : texts.map(\.tokens.lowerBound)
      let expected = rows.flatMap { row -> [Double] in
        let size = model.base.configuration.hiddenSize
        let x = UnsafeBufferPointer(start: states.row(row), count: size).map { Double($0) }
        return naive.linear(stem, naive.linear(CanonicalName.classifierDense, x).map(apply))
      }
      #expect(scores.values.count == expected.count)
      #expect(largestDifference(scores.values, expected) <= 1e-5)
    }
  }

  /// A text's vector may be the mean over its tokens, with a linear in front or without.
  @Test(arguments: [OutputActivation.tanh, .gelu, nil], [ModelTask.classify, .choose])
  func aClassifierReadsTheMeanOfATextsTokens(
    _ activation: OutputActivation?, _ task: ModelTask
  ) throws {
    let model = model {
      $0.addLinear(CanonicalName.classifierDense, $0.base.configuration.hiddenSize)
      $0.addLinear(CanonicalName.classifier, 1)
    }
    let store = try model.store(
      task, settings: settings { ($0.denseActivation, $0.input) = (activation, .mean) })
    let naive = NaiveHeads(model: model)
    let apply = Self.fronts.first { $0.0 == activation }?.1
    try scores(model, store, states: store) { (source, texts, states) throws(BertError) in
      guard let head = try source.headOfTask() else { return }
      var scores = HeadScores(width: head.width)
      try head.append(texts, of: states, to: &scores)
      let size = model.base.configuration.hiddenSize
      let expected = texts.map { text -> Double in
        let mean = (0..<size).map { place in
          text.tokens.reduce(0.0) { $0 + Double(states.row($1)[place]) } / Double(text.tokens.count)
        }
        let read = apply.map { naive.linear(CanonicalName.classifierDense, mean).map($0) } ?? mean
        return naive.linear(CanonicalName.classifier, read)[0]
      }
      #expect(scores.values.count == expected.count)
      #expect(largestDifference(scores.values, expected) <= 1e-5)
    }
  }

  static let activations: [(OutputActivation, Activation)] = [
    (.relu, .relu), (.gelu, .gelu), (.geluTanh, .geluTanh),
  ]

  /// The head's own activation has the bits of an encoder's of the same name.
  @Test(arguments: activations.indices)
  func aMaskedWordHeadHasItsOwnActivation(_ index: Int) throws {
    let (own, encoders) = Self.activations[index]
    let model = model { $0.addMaskedWords(isTied: false) }
    var other = model
    other.base = GeneratedModel(
      configuration(heads: 3, headSize: 11, activation: encoders), seed: 5)
    func scores(_ store: TensorStore) throws -> [Float] {
      try self.scores(model, store, states: try model.store()) {
        (source, texts, states) throws(BertError) in
        let head = try MaskedWordsHead(source)
        var scores = HeadScores(width: head.width)
        try head.append(texts, of: states, to: &scores)
        return scores.values
      }
    }
    let found = try scores(model.store(settings: settings { $0.transformActivation = own }))
    let (sameActivation, without) = (try scores(other.store()), try scores(model.store()))
    #expect(haveSameBits(found, sameActivation))
    #expect(haveSameBits(found, without) == (own == .geluTanh))
  }

  @Test func aMaskedWordHeadWithSiluHasTheNaiveScores() throws {
    let model = model { $0.addMaskedWords(isTied: false) }
    var naive = model
    naive.base = GeneratedModel(
      configuration(heads: 3, headSize: 11, activation: .silu), seed: 5)
    let store = try model.store(settings: settings { $0.transformActivation = .silu })
    let width = model.base.configuration.hiddenSize
    try scores(model, store, states: try model.store()) {
      (source, texts, states) throws(BertError) in
      let head = try MaskedWordsHead(source)
      var scores = HeadScores(width: head.width)
      try head.append(texts, of: states, to: &scores)
      let rows = texts.flatMap(\.wanted).map { row in
        UnsafeBufferPointer(start: states.row(row), count: width).map { Double($0) }
      }
      let expected = NaiveHeads(model: naive).maskedWords(rows).flatMap { $0 }
      #expect(scores.values.count == expected.count)
      #expect(largestDifference(scores.values, expected) <= 1e-5)
    }
  }

  @Test func theLogarithmIsTakenTwiceWhereTheModelSaysSo() throws {
    let model = model { $0.addMaskedWords(isTied: true) }
    func vectors(_ weight: SparseWeight) throws -> [SparseVector] {
      let store = try model.store(.sparse, settings: settings { $0.sparseWeight = weight })
      return try scores(model, store, states: store) { (source, texts, states) throws(BertError) in
        var vectors: [SparseVector] = []
        try SparseHead(source).append(texts, of: states, to: &vectors)
        return vectors
      }
    }
    let (once, twice) = (try vectors(.log1pRelu), try vectors(.log1pLog1pRelu))
    #expect(once.map(\.ids) == twice.map(\.ids) && once.count == 2)
    for (a, b) in zip(once, twice) {
      #expect(largestDifference(b.weights, a.weights.map { log1p(Double($0)) }) <= 3e-6)
    }
  }

  /// Word embeddings in every form, kept in panels and laid out as they are used, have the bits of the
  /// same numbers in float32.
  @Test(arguments: [WordEmbeddingForm.float16, .int8], [61, 16_450])
  func aTiedDecoderReadsWordsInAnyForm(_ form: WordEmbeddingForm, _ words: Int) throws {
    var shape = configuration(heads: 2, headSize: 35, layers: 1)
    shape.vocabularySize = words
    var model = HeadModel(shape)
    model.addMaskedWords(isTied: true)
    let stored = try model.store()
    let published = model.base.values[CanonicalName.wordEmbeddings] ?? []
    let encoded = try published.withUnsafeBufferPointer { try form.encode($0, width: 70) }
    for (tensor, bytes) in zip(form.tensors(rows: words, width: 70), encoded) {
      try stored.add(tensor.name, tensor.type, tensor.shape, bytes)
    }
    let decoded = try model.store()
    let table = try WordTable(stored, .int8)
    var values = [Float](repeating: 0, count: words * 70)
    try values.withUnsafeMutableBufferPointer {
      let base = try #require($0.baseAddress)
      for row in 0..<words { table.decode(row, into: base + row * 70) }
    }
    #expect(values != published)
    try decoded.add(CanonicalName.wordEmbeddings, .float32, [words, 70], values)
    func scores(_ store: TensorStore) throws -> [Float] {
      try self.scores(model, store, states: decoded, precision: .int8) {
        (source, texts, states) throws(BertError) in
        let head = try MaskedWordsHead(source)
        var scores = HeadScores(width: head.width)
        try head.append(texts, of: states, to: &scores)
        return scores.values
      }
    }
    let (found, expected) = (try scores(stored), try scores(decoded))
    #expect(found.count == 20 * words && haveSameBits(found, expected))
  }
}
