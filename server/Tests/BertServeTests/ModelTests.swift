import BertServe
import Bertq
import ServeShapes
import Testing

/// What the server asks of the library, on the small model of `formats/golden`.
@Suite struct ModelTests {
  private static let path =
    #filePath.split(separator: "/").dropLast(4).reduce("") { $0 + "/" + $1 }
    + "/formats/golden/format2-numeric4.bertq"

  @Test func countsWhatTheCacheHeld() async throws {
    var options = ModelOptions()
    options.cacheBytes = 1 << 20
    let model = try Model(path: Self.path, options: options)
    #expect(model.load == ModelLoad())
    let texts = ["a", "b", "c"].map { TextInput($0) }
    let first = try await model.embed(texts)
    let again = try await model.embed(texts + [TextInput("d")])
    #expect(again.prefix(3) == first[...])
    let load = model.load
    #expect(load.cacheHits == 3 && load.cacheMisses == 4 && load.cacheEvictions == 0)
    #expect(load.cacheBytes > 0 && load.waitingTexts == 0)
  }

  @Test func scalesVectorsOnlyWhereItIsAskedTo() async throws {
    let model = try Model(path: Self.path)
    let texts = [TextInput("a bird"), TextInput("the sea")]
    let own = try await model.embed(texts)
    let same = await model.embedEach(texts, normalizes: nil).map { try? $0.get() }
    #expect(same == own)
    let (scaled, raw) = (
      try await model.embedEach(texts, normalizes: true).map { try $0.get() },
      try await model.embedEach(texts, normalizes: false).map { try $0.get() }
    )
    #expect((model.info.normalizes ? scaled : raw) == own)
    for (vector, other) in zip(scaled, raw) {
      let length = vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(length - 1) < 1e-6)
      let otherLength = other.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      for (a, b) in zip(vector, other) { #expect(abs(Double(a) - Double(b) / otherLength) < 1e-6) }
    }
  }

  @Test func findsModelsByName() throws {
    let source = ServedModels.Source("one=" + Self.path)
    let open = try ServedModels([source], options: ModelOptions(), isStrict: false)
    for name in [nil, "one", "one:latest", "text-embedding-ada-002"] {
      #expect(try open.find(name).name == "one")
    }
    let strict = try ServedModels([source], options: ModelOptions(), isStrict: true)
    let error = try #require(throws: ServeError.self) { try strict.find("other") }
    #expect(error.code == .unknownModel && error.message.contains("'one'"))
    let two = [source, ServedModels.Source("two=" + Self.path)]
    let several = try ServedModels(two, options: ModelOptions(), isStrict: false)
    #expect(try several.find("two").name == "two")
    #expect(throws: ServeError.self) { try several.find(nil) }
    #expect(throws: ServeError.self) { try several.find("three") }
    #expect(throws: BertError.self) {
      try ServedModels([source, source], options: ModelOptions(), isStrict: false)
    }
    #expect(throws: BertError.self) {
      try ServedModels([.init("/nothing/here.bertq")], options: ModelOptions(), isStrict: false)
    }
  }
}
