import BertErrors
import BertKernels
import BertModel
import Fixtures
import SystemLibrary
import Testing

@testable import BertRuntime

/// Every head, against its definition and against itself in other company.
struct HeadTests {
  static let tolerance = 2e-5

  enum Kind: CaseIterable {
    case classifier, singleLogit, nextSentence, choice, tagger, answer, tiedWords, ownWords, vectors

    func add(to model: inout HeadModel) {
      switch self {
      case .classifier: model.addLinear(CanonicalName.classifier, 5)
      case .singleLogit, .choice: model.addLinear(CanonicalName.classifier, 1)
      case .nextSentence: model.addLinear(CanonicalName.nextSentence, 2)
      case .tagger: model.addLinear(CanonicalName.classifier, 37)
      case .answer: model.addLinear(CanonicalName.answer, 2)
      case .tiedWords: model.addMaskedWords(isTied: true)
      case .ownWords: model.addMaskedWords(isTied: false)
      case .vectors: model.addLinear(CanonicalName.multiVector, 20, hasBias: false)
      }
    }

    func head(_ source: HeadSource) throws(BertError) -> any Head {
      switch self {
      case .classifier, .singleLogit: try TextClassifierHead(source)
      case .nextSentence: try NextSentenceHead(source)
      case .choice: try MultipleChoiceHead(source)
      case .tagger: try TokenClassifierHead(source)
      case .answer: try AnswerHead(source)
      case .tiedWords, .ownWords: try MaskedWordsHead(source)
      case .vectors: try MultiVectorHead(source)
      }
    }

    func definition(_ heads: NaiveHeads, _ rows: [[Double]]) -> [[Double]] {
      switch self {
      case .classifier, .singleLogit, .choice: heads.pooled(CanonicalName.classifier, rows)
      case .nextSentence: heads.pooled(CanonicalName.nextSentence, rows)
      case .tagger: heads.tokens(CanonicalName.classifier, rows)
      case .answer: heads.tokens(CanonicalName.answer, rows)
      case .tiedWords, .ownWords: heads.maskedWords(rows)
      case .vectors: heads.multiVector(rows)
      }
    }
  }

  static let shapes: [BertConfiguration] = [
    configuration(heads: 3, headSize: 11, activation: .geluTanh),
    configuration(heads: 2, headSize: 32, intermediate: 80, activation: .relu),
  ]
  /// More tokens than go through a head at once.
  static let lengths = Array(1...20) + [31, 32, 33, 47, 48, 48, 48, 48]

  static func model(_ kind: Kind, _ shape: Int) -> HeadModel {
    var model = HeadModel(shapes[shape], seed: UInt64(shape + 5))
    kind.add(to: &model)
    return model
  }

  /// How scores are asked for.
  struct Setting {
    var form = HeadModel.Form.panels
    var precision = Precision.float32
    var kernels = KernelSet.available[0]
    var threads = 1
    var budget: Int?
    var order = Array(HeadTests.lengths.indices)
    var wanted: [WantedRows]?
  }

  /// The scores of texts, each one's rows end to end, by their places in `lengths`.
  func scores(
    _ kind: Kind, _ model: HeadModel, _ setting: Setting = Setting()
  ) throws -> [Int: [Float]] {
    let store = try model.store(.embedding, setting.form)
    let team = ThreadTeam(count: setting.threads)
    let encoder = try BertEncoder(
      source: store, precision: .float32, kernels: setting.kernels, team: team,
      tokenBudget: setting.budget)
    let head = try kind.head(
      HeadSource(store, precision: setting.precision, kernels: setting.kernels, team: team))
    let texts = model.base.texts(Self.lengths)
    let batch = try model.base.batch(
      setting.order.map { texts[$0] }, wanting: setting.order.map { setting.wanted?[$0] ?? .all })
    var scores = HeadScores(width: head.width)
    try encoder.encode(batch) { states throws(BertError) in
      try head.append(states, of: batch, to: &scores)
    }
    #expect(scores.textCount == setting.order.count)
    var found: [Int: [Float]] = [:]
    for (index, text) in setting.order.enumerated() {
      found[text] = scores.rows(index).flatMap { scores[$0] }
    }
    return found
  }

  /// The hidden states of every text, in double precision.
  private func states(_ model: HeadModel) throws -> [[[Double]]] {
    let width = model.base.configuration.hiddenSize
    let encoder = try model.base.encoder(model.store(), .float32)
    return try encoder.hiddenStates(model.base.batch(model.base.texts(Self.lengths))).map { text in
      stride(from: 0, to: text.count, by: width).map { start in
        (0..<width).map { Double(text[start + $0]) }
      }
    }
  }

  @Test(arguments: Kind.allCases, shapes.indices)
  func scoresAreThoseOfTheDefinition(_ kind: Kind, _ shape: Int) throws {
    let model = Self.model(kind, shape)
    let states = try states(model)
    for form in [HeadModel.Form.rowMajor, .panels] {
      let found = try scores(kind, model, Setting(form: form))
      for (text, rows) in states.enumerated() {
        let expected = kind.definition(NaiveHeads(model: model), rows).flatMap { $0 }
        #expect(largestDifference(found[text] ?? [], expected) <= Self.tolerance)
      }
    }
  }

  @Test(arguments: Kind.allCases, shapes.indices)
  func scoresHaveTheSameBitsInAnyCompany(_ kind: Kind, _ shape: Int) throws {
    let model = Self.model(kind, shape)
    for (form, precision) in [(HeadModel.Form.panels, Precision.float32), (.int8, .int8)] {
      let expected = try scores(kind, model, Setting(form: form, precision: precision))
      let all = Setting(form: form, precision: precision)
      var settings: [Setting] = []
      for kernels in KernelSet.available {
        var setting = all
        (setting.kernels, setting.threads) = (kernels, 2)
        settings.append(setting)
      }
      for threads in [3, 8] {
        var setting = all
        (setting.threads, setting.order) = (threads, all.order.reversed())
        settings.append(setting)
      }
      for text in [0, 5, 27] {
        var setting = all
        (setting.order, setting.budget) = ([text], 1)
        settings.append(setting)
      }
      if precision == .float32 {
        var setting = all
        setting.form = .rowMajor
        settings.append(setting)
        // What int8 weights there are concerns the int8 path only.
        setting.form = .int8
        settings.append(setting)
      }
      for setting in settings {
        let found = try scores(kind, model, setting)
        #expect(found.count == setting.order.count)
        for (text, values) in found {
          #expect(
            haveSameBits(values, expected[text] ?? []), "\(setting.kernels.name) text \(text)")
        }
      }
    }
  }

  @Test(arguments: Kind.allCases)
  func wantedRowsHaveTheBitsOfAll(_ kind: Kind) throws {
    let model = Self.model(kind, 0)
    let all = try scores(kind, model)
    let wanted = Self.lengths.enumerated().map { index, count in
      WantedRowsTests.selections(count)[index % 6]
    }
    let isText: Bool =
      switch kind {
      case .classifier, .singleLogit, .nextSentence, .choice: true
      default: false
      }
    // A head of texts reads the first token, so that it must be wanted.
    let found = try scores(
      kind, model, Setting(threads: 2, wanted: isText ? wanted.map { _ in .first } : wanted))
    for (text, values) in found {
      let rows = isText ? [0] : wanted[text].places(in: Self.lengths[text])
      let width = (all[text]?.count ?? 0) / (isText ? 1 : Self.lengths[text])
      let expected = rows.flatMap { all[text]?[($0 * width)..<(($0 + 1) * width)] ?? [] }
      #expect(haveSameBits(values, expected), "text \(text)")
    }
  }

  /// Int8 weights are used, and rounded as an 8-bit number is.
  @Test(arguments: Kind.allCases)
  func int8ScoresAreCloseAndOthers(_ kind: Kind) throws {
    let model = Self.model(kind, 1)
    let float = try scores(kind, model)
    let int8 = try scores(kind, model, Setting(form: .int8, precision: .int8))
    let order = Array(Self.lengths.indices)
    let (a, b) = (order.flatMap { float[$0] ?? [] }, order.flatMap { int8[$0] ?? [] })
    #expect(!haveSameBits(a, b))
    #expect(signalToNoise(b, a.map { Double($0) }) > 28)
  }

  /// Row-major weights that are too many to be kept in panels.
  @Test func aLargeTiedDecoderIsLaidOutAsItIsUsed() throws {
    var configuration = configuration(heads: 2, headSize: 32, layers: 1)
    configuration.vocabularySize = 16_450
    var tied = HeadModel(configuration)
    tied.addMaskedWords(isTied: true)
    #expect(configuration.vocabularySize * 64 * 4 > HeadLinear.mostPackedBytes)
    let texts = tied.base.texts([3, 9])
    let rows = [WantedRows.rows([1]), .rows([2, 8])]
    func scores(_ form: HeadModel.Form, _ threads: Int) throws -> [Float] {
      let store = try tied.store(.fillMask, form)
      if form == .panels {
        // The same numbers as a decoder's own weights, in panels.
        let words = tied.base.values[CanonicalName.wordEmbeddings] ?? []
        try store.add(
          CanonicalName.maskedDecoder + ".weight", .float32, [16_450, 64], .floatPanels
        ) { bytes in
          bk_pack_f32(words, 16_450, 64, bytes.assumingMemoryBound(to: Float.self).baseAddress)
        }
      }
      let team = ThreadTeam(count: threads)
      let encoder = try tied.base.encoder(store, .float32, threads: threads)
      let head = try #require(
        try HeadSource(store, precision: .float32, kernels: encoder.kernels, team: team)
          .headOfTask())
      let batch = try tied.base.batch(texts, wanting: rows)
      var scores = HeadScores(width: head.width)
      try encoder.encode(batch) { states throws(BertError) in
        try head.append(states, of: batch, to: &scores)
      }
      return scores.values
    }
    let expected = try scores(.panels, 1)
    #expect(expected.count == 3 * 16_450)
    for threads in [1, 3] {
      #expect(haveSameBits(try scores(.rowMajor, threads), expected))
    }
  }

  @Test func questionsHaveTheScoresOfTheirChoices() throws {
    let model = Self.model(.choice, 0)
    let store = try model.store()
    let encoder = try model.base.encoder(store, .float32)
    let head = try MultipleChoiceHead(
      HeadSource(store, precision: .float32, kernels: encoder.kernels, team: encoder.team))
    let batch = try model.base.batch(model.base.texts([3, 4, 5, 6, 7]))
    var (each, questions) = (HeadScores(width: 1), HeadScores(width: 1))
    try encoder.encode(batch) { states throws(BertError) in
      let texts = states.texts.map { HeadText(batch, $0) }
      try head.append(texts, of: states, to: &each)
      try head.append(
        questions: [Array(texts[..<3]), Array(texts[3...])], of: states, to: &questions)
    }
    #expect(haveSameBits(each.values, questions.values) && each.values.count == 5)
    #expect(questions.textCount == 2 && questions.rows(1) == 3..<5)
  }

  // MARK: Scores that were before

  /// Bits of the scores that heads gave before they were things of their own: a checksum of all.
  static let recorded: [(ModelTask, HeadKind, count: Int, checksum: UInt64)] = [
    (.fillMask, .maskedWords, 7081, 0xcb09_435c_d64f_b03d),
    (.tag, .classifier, 219, 0x6d4b_2b4b_fe8e_7466),
    (.classify, .classifier, 15, 0x1663_c261_e9e8_f729),
    (.answer, .answer, 146, 0xc1f8_cf92_39ca_e739),
    (.nextSentence, .nextSentence, 10, 0xb9c9_606f_0a09_12d5),
  ]

  @Test(arguments: recorded.indices)
  func scoresHaveTheBitsThatTheyHad(_ index: Int) throws {
    let (task, kind, count, checksum) = Self.recorded[index]
    let model = GeneratedModel(
      configuration(heads: 3, headSize: 11, activation: .geluTanh), seed: 5)
    let store = try model.store(task: task, head: kind)
    let encoder = try model.encoder(store, .float32)
    let head = try #require(
      try HeadSource(
        store, precision: .float32, kernels: encoder.kernels, team: encoder.team
      ).headOfTask())
    let batch = try model.batch(model.texts([1, 2, 17, 48, 5]))
    var scores = HeadScores(width: head.width)
    try encoder.encode(batch) { states throws(BertError) in
      try head.append(states, of: batch, to: &scores)
    }
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for value in scores.values { hash = (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01b3 }
    #expect(scores.values.count == count && hash == checksum)
  }

  // MARK: What cannot be

  @Test(arguments: Kind.allCases)
  func aMissingTensorIsMalformed(_ kind: Kind) throws {
    let model = Self.model(kind, 0)
    for name in model.values.keys.sorted() {
      // The decoder's own weights are the word embeddings where they are absent.
      if kind == .ownWords, name == CanonicalName.maskedDecoder + ".weight" { continue }
      let store = try model.store()
      store.remove(name)
      #expect(throws: BertError(.malformed, ""), "\(name)") {
        _ = try kind.head(
          HeadSource(
            store, precision: .float32, kernels: KernelSet.available[0],
            team: ThreadTeam(count: 1)))
      }
    }
  }

  @Test(arguments: [Kind.classifier, .nextSentence, .choice])
  func aHeadOfTextsWithoutPoolerIsUnsupported(_ kind: Kind) throws {
    let model = Self.model(kind, 0)
    let store = try model.store()
    store.remove(CanonicalName.pooler + ".weight")
    #expect(throws: BertError(.unsupported, "")) {
      _ = try kind.head(
        HeadSource(
          store, precision: .float32, kernels: KernelSet.available[0], team: ThreadTeam(count: 1)))
    }
  }

  /// A weight that overflows must not become a plausible score, and costs other texts nothing.
  @Test(arguments: Kind.allCases)
  func whatOverflowsIsNotFiniteAndLeavesNoRow(_ kind: Kind) throws {
    let model = Self.model(kind, 0)
    let store = try model.store()
    let stem =
      switch kind {
      case .classifier, .singleLogit, .choice, .tagger: CanonicalName.classifier
      case .nextSentence: CanonicalName.nextSentence
      case .answer: CanonicalName.answer
      case .tiedWords, .ownWords: CanonicalName.maskedDecoder
      case .vectors: CanonicalName.multiVector
      }
    let encoder = try model.base.encoder(store, .float32, threads: 2)
    func head() throws(BertError) -> any Head {
      try kind.head(
        HeadSource(store, precision: .float32, kernels: encoder.kernels, team: encoder.team))
    }
    let batch = try model.base.batch(model.base.texts([3, 4]))
    var scores = HeadScores(width: try head().width)
    try encoder.encode(batch) { states throws(BertError) in
      try head().append(states, of: batch, to: &scores)
    }
    let held = scores.values
    var bias = [Float](repeating: 0, count: scores.width)
    bias[scores.width - 1] = .infinity
    try store.add(stem + ".bias", .float32, [scores.width], bias)
    #expect(throws: BertError(.notFinite, "")) {
      try encoder.encode(batch) { states throws(BertError) in
        try head().append(states, of: batch, to: &scores)
      }
    }
    #expect(scores.values == held && scores.textCount == 2)
  }

  static let problems: [(String, Int, LabelProblem)] = [
    ("", 1, .oneLogit), ("", 2, .oneOfSeveral), ("regression", 1, .regression),
    ("regression", 2, .regression), ("multi_label_classification", 4, .independent),
    ("single_label_classification", 3, .oneOfSeveral),
    ("single_label_classification", 1, .oneLogit),
  ]

  @Test(arguments: problems.indices)
  func theProblemIsTheConfigurationsOrThatOfTheLogits(_ index: Int) {
    let (type, logits, problem) = Self.problems[index]
    #expect(LabelProblem(problemType: type, logits: logits) == problem)
  }
}
