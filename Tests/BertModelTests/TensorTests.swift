import BertErrors
import BertModel
import Testing

/// Tensors in memory: how many bytes, and what a source refuses.
struct TensorTests {
  static let sizes: [(TensorLayout, [Int], ElementType, Int?)] = [
    (.rowMajor, [], .float32, 4), (.rowMajor, [0], .float32, 0), (.rowMajor, [3, 5], .int8, 15),
    (.rowMajor, [3, 5], .int32, 60), (.rowMajor, [7], .uint8, 7), (.rowMajor, [-1], .int8, nil),
    (.rowMajor, [.max, 2], .int8, nil), (.rowMajor, [.max / 2], .float32, nil),
    (.rowMajor, [1 << 31, 1 << 31], .int32, nil), (.rowMajor, [0, .max, .max], .int8, 0),
    (.floatPanels, [33, 5], .float32, 2 * 5 * 32 * 4), (.floatPanels, [32, 1], .float32, 128),
    (.floatPanels, [33, 5], .int8, nil), (.floatPanels, [33], .float32, nil),
    (.floatPanels, [.max, 1], .float32, nil), (.floatPanels, [-5, 1], .float32, nil),
    (.int8Panels, [33, 5], .int8, 2 * 2 * 128), (.int8Panels, [1, 4], .int8, 128),
    (.int8Panels, [1, 4], .float32, nil), (.int8Panels, [1, .max], .int8, nil),
    (.int8Panels, [.max - 31, .max - 3], .int8, nil), (.int8Panels, [1, 2, 3], .int8, nil),
  ]

  @Test(arguments: sizes.indices)
  func bytesFollowFromShapeLayoutAndType(_ index: Int) {
    let (layout, shape, type, bytes) = Self.sizes[index]
    #expect(layout.byteCount(shape: shape, elementType: type) == bytes)
  }

  private func makeStore() -> TensorStore {
    TensorStore(model: ModelDescription(configuration: ConfigurationTests.usual))
  }

  @Test func aStoreGivesBackWhatWasAdded() throws {
    let store = makeStore()
    try store.add("b", .float32, [2, 2], [1, 2, 3, 4] as [Float])
    try store.add("a", .int32, [1], [7] as [Int32])
    #expect(store.names == ["a", "b"])
    let view = try store.require("b", .float32, [2, 2])
    #expect(Array(view.bytes.bindMemory(to: Float.self)) == [1, 2, 3, 4])
    #expect(UInt(bitPattern: view.bytes.baseAddress) % 64 == 0)
    try store.add("b", .float32, [1], [9] as [Float])
    #expect(try store.require("b", .float32, [1]).bytes.count == 4)
    store.remove("b")
    store.remove("never there")
    #expect(store.find("b") == nil && store.names == ["a"])
  }

  @Test func whatAFillDoesNotWriteIsZero() throws {
    let store = makeStore()
    try store.add("x", .int8, [33, 5], .int8Panels) { $0[3] = 5 }
    let bytes = try store.require("x", .int8, [33, 5], .int8Panels).bytes
    #expect(bytes.count { $0 != 0 } == 1)
  }

  @Test func aFailedFillLeavesTheStoreAsItWas() throws {
    let store = makeStore()
    try store.add("x", .float32, [1], [3] as [Float])
    #expect(throws: BertError(.malformed, "")) {
      try store.add("x", .float32, [2]) { _ throws(BertError) in throw BertError(.malformed, "no") }
    }
    #expect(throws: BertError(.malformed, "")) {
      try store.add("x", .float32, [3], [1, 2] as [Float])
    }
    #expect(throws: BertError(.malformed, "")) {
      try store.add("x", .float32, [-1], [] as [Float])
    }
    _ = try store.require("x", .float32, [1])
  }

  @Test func requirementsNameWhatWasFoundAndExpected() throws {
    let store = makeStore()
    try store.add("x", .float32, [2, 3], [Float](repeating: 0, count: 6))
    func message(_ name: String, _ type: ElementType, _ shape: [Int], _ layout: TensorLayout)
      -> String
    {
      do throws(BertError) {
        _ = try store.require(name, type, shape, layout)
        return "accepted"
      } catch {
        return "\(error.code.name) \(error)"
      }
    }
    #expect(message("x", .float32, [2, 3], .rowMajor) == "accepted")
    #expect(
      message("y", .float32, [2, 3], .rowMajor)
        == "malformed tensor 'y': is missing; the model needs it")
    for (type, shape, layout) in [
      (ElementType.int8, [2, 3], TensorLayout.rowMajor), (.float32, [3, 2], .rowMajor),
      (.float32, [2, 3], .floatPanels),
    ] {
      let text = message("x", type, shape, layout)
      #expect(
        text == "malformed tensor 'x': is F32 row-major [2, 3]; "
          + "expected \(type.rawValue) \(layout.rawValue) \(shape)")
    }
  }
}
