import BertErrors
import BertKernels
import BertModel
import BertRuntime
import Fixtures
import Testing

/// What the encoder refuses, and how it says so.
struct EncoderErrorTests {
  static let model = GeneratedModel(configuration(heads: 2, headSize: 8, layers: 1))

  private func error(_ body: () throws(BertError) -> Void) -> BertError? {
    do throws(BertError) {
      try body()
      return nil
    } catch { return error }
  }

  private func loading(_ precision: Precision, _ change: (TensorStore) throws -> Void) throws
    -> BertError?
  {
    let store = try Self.model.bothPaths()
    try change(store)
    return error { () throws(BertError) in _ = try Self.model.encoder(store, precision) }
  }

  @Test func everyMissingTensorIsNamed() throws {
    for precision in Precision.allCases {
      for name in try Self.model.bothPaths().names where !name.hasPrefix(CanonicalName.pooler) {
        let found = try loading(precision) { $0.remove(name) }
        let isQuantized = name.contains(".int8.")
        if precision == .float32 && isQuantized {
          #expect(found == nil, "\(name)")
        } else if precision == .int8 && (isQuantized || isFloatLinear(name)) {
          // A linear without its int8 weight runs in float; without its other parts it cannot.
          let needed = isQuantized && !name.hasSuffix(QuantizedPart.weight)
          #expect(needed ? found?.tensor == name : found == nil, "\(name)")
        } else {
          #expect(found?.code == .malformed && found?.tensor == name, "\(name)")
        }
      }
    }
  }

  private func isFloatLinear(_ name: String) -> Bool {
    Self.model.configuration.floatLinearTensors.contains { $0.name == name }
  }

  @Test func everyWrongShapeIsNamed() throws {
    for precision in Precision.allCases {
      for name in try Self.model.bothPaths().names where !name.hasPrefix(CanonicalName.pooler) {
        let isQuantized = name.contains(".int8.")
        if isQuantized == (precision == .float32) || (!isQuantized && isFloatLinear(name)) {
          continue
        }
        let found = try loading(precision) { store in
          let view = try #require(store.find(name))
          let shape = view.shape.dropLast() + [(view.shape.last ?? 0) - 1]
          try store.add(name, view.elementType, Array(shape), view.layout) { _ in }
        }
        #expect(found?.code == .malformed && found?.tensor == name, "\(name)")
      }
    }
  }

  @Test func otherElementTypesAndLayoutsAreRefused() throws {
    let name = CanonicalName.linear(0, .feedForwardUp) + ".weight"
    let found = try loading(.float32) { store in
      let view = try #require(store.find(name))
      try store.add(name, .float32, view.shape, .rowMajor) { _ in }
    }
    #expect(found?.code == .malformed && found?.tensor == name)
    let types = try loading(.float32) { store in
      try store.add(CanonicalName.wordEmbeddings, .int32, [97, 16]) { _ in }
    }
    #expect(types?.code == .malformed)
  }

  @Test func aFileWithoutWeightsOfThePathIsUnsupported() throws {
    let store = try Self.model.store()
    let found = error { () throws(BertError) in _ = try Self.model.encoder(store, .int8) }
    #expect(found?.code == .unsupported)
    let int8 = try loading(.float32) { store in
      for tensor in Self.model.configuration.floatLinearTensors { store.remove(tensor.name) }
    }
    #expect(int8?.code == .unsupported)
  }

  /// 16 inputs allow every part of the rotation, 52 none.
  @Test(arguments: [Int32(-1), 8, 9, .max, .min])
  func unknownRotationsAreRefused(_ bad: Int32) throws {
    let name = CanonicalName.linear(0, .attentionOutput) + QuantizedPart.rotation
    let found = try loading(.int8) { try $0.add(name, .int32, [1], [bad]) }
    #expect(found?.code == .malformed && found?.tensor == name)
  }

  @Test(arguments: Int32(0)...7)
  func rotationsNeedWholeVectors(_ parts: Int32) throws {
    for (site, allows) in [(LinearSite.attentionOutput, true), (.feedForwardDown, false)] {
      let name = CanonicalName.linear(0, site) + QuantizedPart.rotation
      let found = try loading(.int8) { try $0.add(name, .int32, [1], [parts]) }
      #expect((found == nil) == (allows || parts == 0), "\(name)")
    }
  }

  @Test(arguments: [15, 17, 65_537])
  func otherDepthsAreRefused(_ depth: Int) throws {
    let name = CanonicalName.linear(0, .attentionOutput) + QuantizedPart.weight
    let found = try loading(.int8) { store in
      try store.add(name, .int8, [16, depth], .int8Panels) { _ in }
    }
    #expect(found?.code == .malformed && found?.tensor == name)
  }

  static let badTexts: [(what: String, ids: [Int32], types: [UInt8]?)] = [
    ("no tokens", [], nil),
    ("a negative id", [1, -1], nil),
    ("an id past the vocabulary", [97], nil),
    ("the largest id", [.max], nil),
    ("the least id", [.min], nil),
    ("too many tokens", [Int32](repeating: 1, count: 49), nil),
    ("a type past the table", [1, 2], [0, 2]),
    ("the largest type", [1], [255]),
    ("too few types", [1, 2], [0]),
    ("too many types", [1], [0, 1]),
  ]

  @Test(arguments: badTexts.indices)
  func textsOutsideTheModelAreRefused(_ index: Int) throws {
    let text = Self.badTexts[index]
    var batch = TokenBatch()
    try batch.append(ids: [3, 4], for: Self.model.configuration)
    let found = error { () throws(BertError) in
      try batch.append(ids: text.ids, types: text.types, for: Self.model.configuration)
    }
    #expect(found?.code == (text.ids.count > 48 ? .tooLong : .malformed), "\(text.what)")
    // What was there before stays whole.
    #expect(batch.count == 1 && batch.tokenCount == 2 && batch.types == [0, 0])
  }

  @Test func tooLongATextStatesBothCounts() throws {
    var batch = TokenBatch()
    let ids = [Int32](repeating: 1, count: 60)
    let found = error { () throws(BertError) in
      try batch.append(ids: ids, for: Self.model.configuration)
    }
    #expect(found?.message.contains("60") == true && found?.message.contains("48") == true)
  }

  @Test func anEmptyBatchComputesNothing() throws {
    let encoder = try Self.model.encoder(Self.model.bothPaths(), .int8)
    var passes = 0
    try encoder.encode(TokenBatch()) { _ in passes += 1 }
    #expect(passes == 0)
  }

  @Test func errorsOfTheReceiverEndTheRun() throws {
    let encoder = try Self.model.encoder(Self.model.bothPaths(), .int8, tokenBudget: 4)
    let batch = try Self.model.batch(Self.model.texts([4, 4, 4]))
    var passes = 0
    let found = error { () throws(BertError) in
      try encoder.encode(batch) { _ throws(BertError) in
        passes += 1
        throw BertError(.cannotWrite, "enough")
      }
    }
    #expect(found?.code == .cannotWrite && passes == 1)
  }

  /// Hidden states that overflow float32, or whose length does, must not give a plausible vector.
  @Test(arguments: Precision.allCases, Pooling.allCases)
  func overflowingStatesAreAnError(_ precision: Precision, _ pooling: Pooling) throws {
    let name = CanonicalName.feedForwardNorm(0) + ".weight"
    for factor: Float in [1e25, 3e38] {
      var model = Self.model
      model.values[name] = model.values[name]?.map { $0 * factor }
      let store = try model.bothPaths()
      let pooler = try Pooler(
        EmbeddingRecipe(pooling, normalizes: true), source: store, kernels: .choose())
      let batch = try model.batch(model.texts([4]))
      let encoder = try model.encoder(store, precision)
      let found = error { () throws(BertError) in
        try encoder.encode(batch) { states throws(BertError) in
          _ = try pooler.vector(states, tokens: batch.range(0))
        }
      }
      // A pooler's tanh brings finite states back to at most 1.
      let isFine = pooling == .pooler && factor < 1e38
      #expect(found?.code == (isFine ? nil : .notFinite), "times \(factor)")
    }
  }

  @Test func memoryThatIsNotThereIsAnError() {
    #expect(throws: BertError(.system, "")) {
      _ = try AlignedBuffer(checkedBytes: 1 << 60, for: "a test")
    }
  }
}
