import BertErrors
import Bertq
import Fixtures
import Testing

/// What a model answers, and that no bit of it depends on how it was asked.
struct ModelTests {
  @Test func vectorsAreThoseOfTheProgramAndOfEachTextAlone() throws {
    let library = try Library()
    let texts = library.texts(raggedLengths)
    let alone = try library.aloneEmbeddings(texts)
    #expect(try library.programsEmbeddings(texts) == alone)
    for threads in [1, 2, 3, 5] {
      for budget in [nil, 1, 64] {
        let model = try library.open {
          $0.threads = threads
          $0.tokenBudget = budget
        }
        #expect(try model.embed(texts).map(\.bits) == alone)
        for priority in [RequestOptions.Priority.interactive, .bulk] {
          let request = RequestOptions(priority: priority)
          #expect(try model.embed(texts, request: request).map(\.bits) == alone)
        }
        #expect(try model.embed([texts[4]]).map(\.bits) == [alone[4]], "a gang's")
      }
    }
  }

  @Test func bothPrecisionsAreAnswered() throws {
    let library = try Library()
    let texts = library.texts([5, 40])
    let float = try library.open { $0.precision = .float32 }
    #expect(float.precision == .float32)
    #expect(try float.embed(texts).map(\.bits) == library.aloneEmbeddings(texts, .float32))
    let int8 = try library.open()
    #expect(int8.precision == .int8 && int8.fingerprint != float.fingerprint)
    #expect(try int8.embed(texts).map(\.bits) == library.aloneEmbeddings(texts, .int8))
  }

  @Test func whatWouldBePassedOverIsRefused() throws {
    let model = try Library().open()
    var texts = Array(repeating: TextInput(ids: [1, 5, 2]), count: 4)
    texts[0].text = [0x61]
    texts[1].pair = []
    texts[2].words = ["a"]
    texts[3].prompt = .text("query: ")
    texts.append(TextInput("a"))
    texts[4].types = [0]
    texts.append(TextInput(words: ["a"]))
    texts[5].text = [0x61]
    for text in texts {
      let error = #expect(throws: BertError.self) { try model.embed([text]) }
      #expect(error?.code == .malformed, "\(text)")
      #expect(throws: BertError.self) { try model.count(text) }
    }
    texts[3].prompt = .text("")
    #expect(try model.count(texts[3]) == 3)
  }

  @Test func oneBadTextSpoilsNoOther() throws {
    // A row of numbers that overflow, and so its embedding.
    let library = try Library {
      let width = $0.configuration.hiddenSize
      for i in 0..<width { $0.values["embeddings.word"]?[9 * width + i] = 3e38 }
    }
    var texts = library.texts([4, 5, 6, 7])
    for index in texts.indices { texts[index].ids = texts[index].ids?.map { $0 == 9 ? 8 : $0 } }
    let good = try library.aloneEmbeddings(texts)
    let model = try library.open()
    texts.insert(TextInput(ids: [1, 9, 2]), at: 1)
    texts.insert(TextInput(ids: [5000]), at: 3)
    texts.insert(TextInput("a text, but no vocabulary"), at: 4)
    texts.append(TextInput(ids: []))
    let results = model.embedEach(texts)
    let codes = results.map { result -> BertError.Code? in
      if case .failure(let error) = result { error.code } else { nil }
    }
    #expect(codes == [nil, .notFinite, nil, .malformed, .unsupported, nil, nil, .malformed])
    #expect(results.compactMap { try? $0.get().bits } == good)
    let error = #expect(throws: BertError.self) { try model.embed(texts) }
    #expect(error?.code == .notFinite && error?.message.hasPrefix("text 2: ") == true)
    #expect(model.tokensEach(texts).count { (try? $0.get()) != nil } == 4)
    #expect(model.pooledEach(texts).count { (try? $0.get()) != nil } == 4)
  }

  @Test func tokensAndPooledAreThoseOfTheProgram() throws {
    let library = try Library()
    let texts = library.texts([3, 70])
    let model = try library.open()
    let tokens = try model.tokens(texts)
    #expect(tokens.map(\.count) == [3, 70] && tokens[1].ids == texts[1].ids)
    #expect(tokens[1].values.count == 70 * model.dimensions)
    #expect(tokens[1][69].count == model.dimensions)
    // The mean of the tokens is the embedding, but for the order of the sum.
    let embedding = try model.embed(texts)[0]
    for i in 0..<model.dimensions {
      let mean = (0..<3).reduce(Float(0)) { $0 + tokens[0].values[$1 * model.dimensions + i] } / 3
      #expect(abs(mean - embedding[i]) < 1e-5)
    }
    #expect(try model.pooled(texts)[0].allSatisfy { abs($0) <= 1 })
  }

  /// A text that is made tokens first is embedded as if it had not been.
  @Test func tokensThatAreEmbeddedLaterStandBehindTheDefaultPrompt() throws {
    let checkpoint = try TemporaryFolder()
    try checkpoint.copy(filesOf: PublishedCheckpoint.own)
    let prompts = #"{"prompts": {"passage": "the road "}, "default_prompt_name": "passage"}"#
    try writeBytes(Array(prompts.utf8), to: checkpoint / "config_sentence_transformers.json")
    let folder = try TemporaryFolder()
    let made = try Program.convert(checkpoint.path, folder / "m.bertq")
    #expect(made.code == 0, "\(made.errors)")
    let model = try Model(path: folder / "m.bertq")
    let whole = try model.embed(["sings"])
    #expect(try model.embed([model.tokenize("sings", defaultPrompt: true)]) == whole)
    #expect(try model.embed([TextInput("the road sings", prompt: .text(""))]) == whole)
    #expect(try model.embed([model.tokenize("sings")]) != whole)
    let own = TextInput("sings", prompt: .text("a "))
    #expect(try model.embed([model.tokenize(own, defaultPrompt: true)]) == model.embed([own]))
  }

  @Test func textsAreTokenizedCountedAndDecoded() throws {
    let folder = try TemporaryFolder()
    let path = folder / "tiny.bertq"
    let made = try Program.convert(PublishedCheckpoint.own, path)
    #expect(made.code == 0, "\(made.errors)")
    let model = try Model(path: path)
    let tokens = try model.tokenize("Slower birds")
    #expect(
      tokens.ids.map { model.token($0) } == ["[CLS]", "slow", "##er", "bird", "##s", "[SEP]"])
    #expect(tokens.types == [0, 0, 0, 0, 0, 0] && tokens.cut == 0)
    #expect(try model.count("Slower birds") == 6)
    #expect(try model.decode(tokens.ids) == "slower birds")
    #expect(try model.tokenize(TextInput("sun", pair: "moon")).types == [0, 0, 0, 1, 1])
    let long = Array(repeating: "sun", count: 40).joined(separator: " ")
    #expect(try model.count(long) == 42 && model.tokenLimit == 32)
    let error = #expect(throws: BertError.self) { try model.embed([long]) }
    #expect(error?.code == .tooLong && error?.remedy == .truncate)
    let bytes = #expect(throws: BertError.self) {
      try model.embed([TextInput(utf8: [0x61, 0xE9])])
    }
    #expect(bytes?.code == .notUTF8 && bytes?.byteOffset == 1)
    #expect(try model.tokenize(long, truncates: true).cut == 10)
    var options = ModelOptions()
    options.truncates = true
    let cutting = try Model(path: path, options: options)
    let fitting = Array(repeating: "sun", count: 30).joined(separator: " ")
    #expect(try cutting.embed([long]) == model.embed([fitting]))
    #expect(try model.embed(["sun"]) == model.embed([tokens.ids == [] ? "" : "sun"]))
    #expect(model.info.vocabularySize == 97 && model.info.precisions.count == 2)
    #expect(model.dimensions == 20 && model.task == "embedding" && model.labels.isEmpty)
  }

  @Test func optionsWithoutSenseAreRefused() throws {
    let library = try Library()
    for threads in [0, -1, 257] {
      let error = #expect(throws: BertError.self) { try library.open { $0.threads = threads } }
      #expect(error?.code == .usage)
    }
    let cache = #expect(throws: BertError.self) { try library.open { $0.cacheBytes = -1 } }
    #expect(cache?.code == .usage)
    let error = #expect(throws: BertError.self) { try library.open { $0.tokenBudget = 0 } }
    #expect(error?.code == .usage)
    let kernels = #expect(throws: BertError.self) { try library.open { $0.kernels = "mmx" } }
    #expect(kernels?.code == .usage)
    #expect(throws: BertError.self) { try Model(path: library.folder / "absent") }
  }

  @Test func noTextsAreAnsweredWithNothing() async throws {
    let model = try Library().open()
    let none: [String] = []
    let each = await model.embedEach(none)
    #expect(each.isEmpty)
    let later = try await model.embed(none)
    #expect(later.isEmpty)
  }

  /// A cache of some answers gives the same bits as none.
  @Test func cachedAnswersHaveTheSameBits() throws {
    let library = try Library()
    let texts = library.texts(raggedLengths)
    let alone = try library.aloneEmbeddings(texts)
    let model = try library.open { $0.cacheBytes = 4_000 }
    for _ in 0..<4 { #expect(try model.embed(texts + texts).map(\.bits) == alone + alone) }
  }
}
