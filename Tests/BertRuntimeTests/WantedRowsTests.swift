import BertErrors
import BertModel
import BertRuntime
import Fixtures
import Synchronization
import Testing

@testable import BertKernels

/// Rows that nobody wants are not computed, and those that somebody wants have the same bits.
@Suite(.serialized)
struct WantedRowsTests {
  static let shapes: [BertConfiguration] = [
    configuration(heads: 3, headSize: 11),
    configuration(heads: 2, headSize: 32, intermediate: 100, positions: 130, activation: .geluTanh),
    configuration(heads: 1, headSize: 80, layers: 1, intermediate: 33, activation: .relu),
    configuration(heads: 3, headSize: 16, layers: 3, intermediate: 192),
  ]
  static let lengths = Array(1...20) + [31, 32, 33, 47, 48]

  /// What is wanted of a text of so many tokens, one after the other.
  static func selections(_ count: Int) -> [WantedRows] {
    [
      .first, .rows([count - 1]), .rows(Array(stride(from: 0, to: count, by: 3))),
      .rows(Array(count / 2..<count)), .rows([]), .all,
    ]
  }

  /// Both paths, and the mixtures in which attention's products are not of the kind of its linear.
  struct Path: Sendable, CustomStringConvertible {
    let description: String
    let precision: Precision
    var quantizes: @Sendable (QuantizedSite) -> Bool = { _ in true }
  }
  static let paths: [Path] = [
    Path(description: "float", precision: .float32), Path(description: "int8", precision: .int8),
    Path(description: "int8 but attention", precision: .int8) { $0 != .attention },
    Path(description: "attention in int8", precision: .int8) { $0 == .attention },
    Path(description: "int8 but queries", precision: .int8) { $0 != .linear(.queryKeyValue) },
  ]

  private func encoder(
    _ store: TensorStore, _ path: Path, _ kernels: KernelSet, threads: Int = 1, budget: Int? = nil
  ) throws(BertError) -> BertEncoder {
    try BertEncoder(
      source: store, precision: path.precision, kernels: kernels,
      team: ThreadTeam(count: threads), tokenBudget: budget
    ) { path.quantizes($1) }
  }

  @Test(arguments: shapes.indices, paths)
  func wantedRowsHaveTheBitsOfAll(_ shape: Int, _ path: Path) throws {
    let model = GeneratedModel(Self.shapes[shape], seed: UInt64(shape + 1))
    let store = try model.store { shape == 0 ? model.rounded($0, $1) : model.rotated($0, $1) }
    let texts = model.texts(Self.lengths)
    let width = model.configuration.hiddenSize
    let best = KernelSet.available[0]
    let all = try encoder(store, path, best).hiddenStates(model.batch(texts))
    let runs =
      KernelSet.available.map { ($0, 2, Int?.none) }
      + [(best, 1, nil), (best, 3, nil), (best, 8, nil), (best, 2, 1), (best, 2, 64)]
    for shift in 0..<6 {
      let wanted = Self.lengths.enumerated().map { Self.selections($1)[($0 + shift) % 6] }
      let expected = zip(all, zip(Self.lengths, wanted)).map { states, text in
        text.1.places(in: text.0).flatMap { states[($0 * width)..<(($0 + 1) * width)] }
      }
      for (kernels, threads, budget) in runs {
        let found = try encoder(store, path, kernels, threads: threads, budget: budget)
          .hiddenStates(model.batch(texts, wanting: wanted))
        let wrong = zip(expected, found).count { !haveSameBits($0, $1) }
        #expect(wrong == 0, "\(kernels.name), \(threads) threads, budget \(budget ?? 0)")
      }
    }
  }

  /// A text alone, of which one row is wanted: every length, every place.
  @Test(arguments: paths)
  func anyRowOfATextAlone(_ path: Path) throws {
    let model = GeneratedModel(configuration(heads: 2, headSize: 16, intermediate: 48))
    let store = try model.store { model.rotated($0, $1) }
    let encoder = try encoder(store, path, KernelSet.available[0])
    for length in [1, 2, 3, 4, 5, 12, 13, 33, 48] {
      let texts = model.texts([length])
      let all = try encoder.hiddenStates(model.batch(texts))[0]
      for place in 0..<length {
        let found = try encoder.hiddenStates(model.batch(texts, wanting: [.rows([place])]))[0]
        #expect(haveSameBits(found, Array(all[(place * 32)..<(place * 32 + 32)])))
      }
    }
  }

  @Test(arguments: Precision.allCases, Pooling.allCases)
  func poolersFindTheRowsThatTheyRead(_ precision: Precision, _ pooling: Pooling) throws {
    let model = GeneratedModel(configuration(heads: 2, headSize: 16, intermediate: 48))
    let store = try model.bothPaths()
    let encoder = try model.encoder(store, precision, threads: 2)
    let pooler = try Pooler(
      EmbeddingRecipe(pooling, normalizes: true), source: store, kernels: encoder.kernels)
    let texts = model.texts(Self.lengths)
    func vectors(_ wanted: WantedRows) throws -> [[Float]] {
      let batch = try model.batch(texts, wanting: texts.map { _ in wanted })
      var vectors: [[Float]] = []
      try encoder.encode(batch) { states throws(BertError) in
        for text in states.texts {
          vectors.append(try pooler.vector(states, tokens: batch.range(text)))
        }
      }
      return vectors
    }
    let (all, few) = try (vectors(.all), vectors(pooling.wanted))
    #expect(zip(all, few).allSatisfy { haveSameBits($0, $1) } && all.count == few.count)
  }

  @Test(arguments: Precision.allCases)
  func observersSeeEveryRow(_ precision: Precision) throws {
    let model = GeneratedModel(configuration(layers: 3))
    let texts = model.texts([5, 17, 2])
    let encoder = try model.encoder(model.bothPaths(), precision, threads: 2)
    let all = try encoder.hiddenStates(model.batch(texts)).flatMap { $0 }
    let batch = try model.batch(texts, wanting: [.first, .rows([3, 9]), .rows([])])
    let recorder = LayerRecorder(
      layers: 3, tokens: batch.tokenCount, width: model.configuration.hiddenSize)
    try encoder.encode(batch, observer: recorder) { _ in }
    #expect(haveSameBits(recorder.states(2), all))
  }

  static let badRows: [[Int]] = [[-1], [4], [0, 0], [2, 1], [0, 1, 2, 3, 4], [.max], [.min]]

  @Test(arguments: badRows)
  func rowsThatATextDoesNotHaveAreRefused(_ rows: [Int]) throws {
    let c = configuration()
    var batch = TokenBatch()
    try batch.append(ids: [1, 2], for: c)
    #expect(throws: BertError(.usage, "")) {
      try batch.append(ids: [3, 4, 5, 6], wanting: .rows(rows), for: c)
    }
    #expect(batch.count == 1 && batch.tokenCount == 2 && batch.wanted == [.all])
  }

  /// Tokens that none sees leave the others' states as they are without them, and see them all.
  @Test func tokensThatNoneSeesChangeNothingInFloat() throws {
    let model = GeneratedModel(configuration(layers: 3))
    let text = model.texts([13])[0].ids
    let encoder = try model.encoder(model.bothPaths(), .float32, threads: 2)
    func states(_ ids: [Int32], unseen: Int) throws -> [Float] {
      var batch = TokenBatch()
      try batch.append(ids: ids, unseen: unseen, for: model.configuration)
      return try encoder.hiddenStates(batch).flatMap { $0 }
    }
    let size = model.configuration.hiddenSize
    let found = try states(text, unseen: 4)
    let alone = try states(Array(text[..<9]), unseen: 0)
    #expect(haveSameBits(Array(found[..<(9 * size)]), alone))
    // One more unseen token changes none of those before it, unseen or not.
    let fewer = try states(Array(text[..<12]), unseen: 3)
    #expect(haveSameBits(Array(found[..<(12 * size)]), fewer))
    let seen = try states(text, unseen: 0)
    #expect(!haveSameBits(found, seen))
  }

  @Test(arguments: [-1, 2, 3, .max])
  func aTextIsNotAllUnseen(_ count: Int) throws {
    var batch = TokenBatch()
    #expect(throws: BertError(.usage, "")) {
      try batch.append(ids: [1, 2], unseen: count, for: configuration())
    }
  }

  // MARK: What is computed

  /// Sums up the work of a kernel set's linears and attention.
  ///
  /// The table that counts is C: it knows its counters by this name only, so one test uses them at a
  /// time.
  enum Counting {
    static let base = KernelSet.available[0]
    /// Rows times panels of linears.
    static let linear = Atomic(0)
    /// Rows of attention.
    static let attention = Atomic(0)

    static func count(_ rows: Int, _ panels: UnsafePointer<bk_panels>?, _ ranges: Int) {
      let each = UnsafeBufferPointer(start: panels, count: ranges)
      linear.add(rows * each.reduce(0) { $0 + $1.last - $1.first }, ordering: .relaxed)
    }

    static func count(_ head: UnsafePointer<bk_head>?) {
      guard let head = head?.pointee else { return }
      attention.add(
        head.wanted == nil ? head.length + head.unseen : head.wanted_rows, ordering: .relaxed)
    }

    static let set: KernelSet = {
      var calls = base.calls
      calls.linear_s8 = {
        count($4, $5, $6)
        base.calls.linear_s8($0, $1, $2, $3, $4, $5, $6, $7, $8, $9)
      }
      calls.linear_f32 = {
        count($3, $4, $5)
        base.calls.linear_f32($0, $1, $2, $3, $4, $5, $6)
      }
      calls.attend_s8 = {
        count($0)
        base.calls.attend_s8($0, $1)
      }
      calls.attend_f32 = {
        count($0)
        base.calls.attend_f32($0, $1)
      }
      let table = UnsafeMutablePointer<bk_kernels>.allocate(capacity: 1)
      table.initialize(to: calls)
      return KernelSet(table: table)
    }()
  }

  @Test(arguments: Precision.allCases)
  func nothingIsComputedForOtherRows(_ precision: Precision) throws {
    // Heads of one panel, so that a group is a head: 2 + 2 + 2 panels of queries, keys and values, 2
    // of the output projection, 3 and 2 of the feed-forward block.
    let model = GeneratedModel(configuration(heads: 2, headSize: 32, layers: 3, intermediate: 96))
    let texts = model.texts([20, 1, 48])
    let wanted: [WantedRows] = [.first, .rows([]), .rows([3, 4, 40])]
    let encoder = try model.encoder(
      model.bothPaths(), precision, kernels: Counting.set, threads: 2)
    Counting.linear.store(0, ordering: .relaxed)
    Counting.attention.store(0, ordering: .relaxed)
    _ = try encoder.hiddenStates(model.batch(texts, wanting: wanted))
    let (tokens, rows) = (69, 4)
    // In int8 the queries of a text have one scale, in float only those of wanted rows are computed.
    let last =
      precision == .int8 ? tokens * 6 + rows * 7 : tokens * 4 + rows * (2 + 7)
    #expect(Counting.linear.load(ordering: .relaxed) == 2 * tokens * 13 + last)
    #expect(Counting.attention.load(ordering: .relaxed) == 2 * (2 * tokens + rows))
  }
}
